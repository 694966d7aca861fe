"""Who asks, and what they may do: read afresh for each request, so that a change counts at once."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from sendit.records.models import Batch
from sendit.records.people import ApiToken, Grant
from sendit.records.queries import BatchQuerySet
from sendit.records.roles import RIGHTS, SCOPES, Right, Role, Scope

LOCAL_USER = "local"
"""Whoever was let in by the link that ``sendit serve`` prints: it can read every file anyway."""
TOKEN_PREFIX = "sendit_"  # noqa: S105 - what a token begins with, so that one is known when seen
_USED_TO_THE = timedelta(hours=1)
_NOTHING: frozenset[Right] = frozenset()


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one person or program, now."""

    name: str
    everywhere: frozenset[Right]
    by_project: Mapping[str, frozenset[Right]]

    def may(self, right: Right, project: str) -> bool:
        """Say whether something may be done in a project."""
        return right in self.everywhere or right in self.by_project.get(project, _NOTHING)

    def may_everywhere(self, right: Right) -> bool:
        """Say whether something may be done that concerns the whole installation."""
        return right in self.everywhere

    def may_somewhere(self, right: Right) -> bool:
        """Say whether something may be done in any project."""
        return right in self.everywhere or any(right in own for own in self.by_project.values())

    def projects(self, right: Right = Right.VIEW) -> Sequence[str] | None:
        """Return the projects in which something may be done; None: all of them."""
        if right in self.everywhere:
            return None
        return sorted(project for project, own in self.by_project.items() if right in own)

    def batches(self, right: Right = Right.VIEW) -> BatchQuerySet:
        """Return the batches with which something may be done."""
        names = self.projects(right)
        return Batch.objects.all() if names is None else Batch.objects.filter(project__in=names)


def access_of(user: User | AnonymousUser, token: ApiToken | None = None) -> Access:
    """Return what a user may do, or a program with one of the user's tokens."""
    everywhere: frozenset[Right] = frozenset()
    by_project: dict[str, frozenset[Right]] = {}
    limit = frozenset(Right)
    if token is not None:
        scopes = (SCOPES[scope] for scope in Scope if scope in token.scopes)
        limit = frozenset[Right]().union(*scopes)
    for role, project in Grant.objects.filter(user_id=user.pk or 0).values_list("role", "project"):
        rights = RIGHTS[Role(role)] & limit
        if project:
            by_project[project] = by_project.get(project, _NOTHING) | rights
        else:
            everywhere |= rights
    if token is not None and token.project:
        own = everywhere | by_project.get(token.project, _NOTHING)
        return Access(user.get_username(), _NOTHING, {token.project: own})
    return Access(user.get_username(), everywhere, by_project)


def local_user() -> User:
    """Return the user whom the printed link lets in; it has no password."""
    with transaction.atomic():
        user, _ = User.objects.get_or_create(
            username=LOCAL_USER, defaults={"password": make_password(None)}
        )
        for role in (Role.ADMIN, Role.REIDENTIFIER):
            Grant.objects.get_or_create(user=user, role=role, project="")
    return user


def issue_token(
    user: User,
    *,
    name: str,
    scopes: Sequence[Scope],
    project: str,
    expires: datetime,
) -> tuple[ApiToken, str]:
    """Make a token; its text is returned this once and kept nowhere."""
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=_digest(text),
        scopes=[scope.value for scope in scopes],
        project=project,
        expires=expires,
    )
    return token, text


def find_token(text: str, *, now: datetime) -> ApiToken | None:
    """Return the token with this text if it is still good, and note that it was used."""
    token: ApiToken | None = (
        ApiToken.objects.select_related("user")
        .filter(digest=_digest(text), revoked=None, expires__gt=now, user__is_active=True)
        .first()
    )
    if token is not None and (token.used is None or token.used < now - _USED_TO_THE):
        ApiToken.objects.filter(pk=token.pk).update(used=now)
    return token


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
