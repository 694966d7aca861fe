"""Who may do what: grants of roles to users, whom a provider knows, and tokens for programs.

Users are Django's own.  A token is kept as digest only; whoever reads this table cannot use
one.  What a role gives is in ``roles.py``; who asks, with which rights, in ``access.py``.
"""

from typing import ClassVar

from django.conf import settings
from django.db import models

from sendit.records.roles import Role


class Grant(models.Model):
    """One role of one user, for one project or for all."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants"
    )
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    project = models.CharField(max_length=63, blank=True, default="")
    """Empty: every project, also those to come."""
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "role", "project"], name="grant_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.project or 'every project'}"


class ProviderAccount(models.Model):
    """Whom a provider (OpenID Connect) means when it lets in a user."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_account"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="provider_account_unique"),
        ]

    def __str__(self) -> str:
        return f"account {self.pk} of a provider"


class ApiToken(models.Model):
    """What a program shows instead of a password."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=80)
    """What it is for, in its owner's words."""
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the token, which is 256 random bits and needs no slower digest."""
    scopes = models.JSONField()
    project = models.CharField(max_length=63, blank=True, default="")
    """Empty: every project of its owner."""
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    revoked = models.DateTimeField(null=True)
    used = models.DateTimeField(null=True)
    """About when it was used last, to the hour."""

    def __str__(self) -> str:
        return f"token {self.pk}"
