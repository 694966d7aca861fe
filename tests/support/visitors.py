"""Somebody who asks for pages or for the API: users with roles, signed in, and their tokens."""

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.test import Client

from sendit.records.access import issue_token
from sendit.records.people import Grant
from sendit.records.roles import Role, Scope


def make_user(name: str, *roles: Role, project: str = "") -> User:
    user = User.objects.create(username=name, password="!no password opens this")
    for role in roles:
        Grant.objects.create(user=user, role=role, project=project)
    return user


def visitor(name: str, *roles: Role, project: str = "") -> Client:
    """Return a browser in which somebody with these roles is signed in."""
    client = Client()
    client.force_login(
        make_user(name, *roles, project=project), "django.contrib.auth.backends.ModelBackend"
    )
    return client


def bearer(
    user: User,
    *scopes: Scope,
    project: str = "",
    expires: datetime | None = None,
) -> dict[str, str]:
    """Return the header that a program of this user sends."""
    _, text = issue_token(
        user,
        name="test",
        scopes=scopes,
        project=project,
        expires=expires or datetime.now(UTC) + timedelta(days=1),
    )
    return {"Authorization": f"Bearer {text}"}
