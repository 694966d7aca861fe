"""Accounts of people whom a provider (OpenID Connect) knows: one for each, and its roles.

A person is who the provider says by issuer and subject, which never change; the name can, and
gives nothing.  So a provider can let nobody into an account that was made here, whatever name
it sends.  The roles are the provider's to give, through groups, afresh each time.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from sendit.records.access import LOCAL_USER
from sendit.records.people import Grant, ProviderAccount
from sendit.records.roles import Role

_FOREIGN = re.compile(r"[^A-Za-z0-9._@+-]")
_LONGEST = 130


@dataclass(frozen=True, slots=True)
class Given:
    """One role that follows from a group."""

    role: Role
    project: str
    """Empty: every project."""


def account_of(issuer: str, subject: str, *, name: str) -> User:
    """Return the user for a person of a provider; made at the first time, without a password.

    Parameters
    ----------
    issuer, subject
        Who it is.
    name
        What the account is called if it has to be made; another one is taken when somebody
        has it.
    """
    user = _known(issuer, subject)
    while user is None:
        try:
            with transaction.atomic():
                user = User.objects.create(username=_free(name), password=make_password(None))
                ProviderAccount.objects.create(user=user, issuer=issuer, subject=subject)
        except IntegrityError:  # the same person, or one of that name, came in at the same time
            user = _known(issuer, subject)
    return user


def set_roles(user: User, given: Iterable[Given]) -> None:
    """Give a user exactly these roles."""
    wanted = set(given)
    with transaction.atomic():
        for grant in Grant.objects.filter(user=user):
            if Given(Role(grant.role), grant.project) not in wanted:
                grant.delete()
        for one in wanted:
            Grant.objects.get_or_create(user=user, role=one.role, project=one.project)


def is_from_a_provider(user: User) -> bool:
    """Say whether somebody signs in through a provider."""
    return ProviderAccount.objects.filter(user=user).exists()


def _known(issuer: str, subject: str) -> User | None:
    return User.objects.filter(
        provider_account__issuer=issuer, provider_account__subject=subject
    ).first()


def _free(name: str) -> str:
    """Return a name that nobody has; ``~2`` cannot be written by ``sendit user add``."""
    stem = _FOREIGN.sub("_", name)[:_LONGEST].lstrip("._@+-") or "user"
    number, tried = 1, stem
    while tried == LOCAL_USER or User.objects.filter(username__iexact=tried).exists():
        number += 1
        tried = f"{stem}~{number}"
    return tried
