"""The tables of the identity ledger: new names in clear, what they stand for encrypted.

A row is found by a keyed digest that ``identity.allocation`` makes from the site key; what
identifies is an ``EncryptedField`` under the field key.  Neither key is in the database.
"""

from typing import ClassVar

from django.db import models

from sendit.records.encrypted import EncryptedField


class LedgerNamespace(models.Model):
    """One namespace, and the lock under which it allocates."""

    name = models.CharField(max_length=255, primary_key=True)
    counter = models.BigIntegerField(default=0x1000)
    """The last number given out by ``suid = "counter"``."""
    closed = models.DateTimeField(null=True)
    """When its keys and names were destroyed; nobody is named in it again."""
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class LedgerPatient(models.Model):
    """One patient of one namespace, whatever ids the patient has."""

    namespace = models.ForeignKey(LedgerNamespace, on_delete=models.PROTECT)
    suid = models.CharField(max_length=64)
    content = EncryptedField()
    """``days``, and ``custom`` if any."""
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    """Who this patient turned out to be; the name stands for what was delivered before."""
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["namespace", "suid"], name="ledgerpatient_suid"),
        ]

    def __str__(self) -> str:
        return f"ledger patient {self.pk}"


class LedgerId(models.Model):
    """One id of a patient."""

    namespace = models.ForeignKey(LedgerNamespace, on_delete=models.PROTECT)
    digest = models.CharField(max_length=64)
    patient = models.ForeignKey(LedgerPatient, on_delete=models.CASCADE, related_name="ids")
    content = EncryptedField()
    """``id``, ``source``, ``issuer``, ``timestamp``."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["namespace", "digest"], name="ledgerid_digest"),
        ]

    def __str__(self) -> str:
        return f"ledger id {self.pk}"


class LedgerItem(models.Model):
    """One item (study) of a patient."""

    namespace = models.ForeignKey(LedgerNamespace, on_delete=models.PROTECT)
    patient = models.ForeignKey(LedgerPatient, on_delete=models.CASCADE, related_name="items")
    digest = models.CharField(max_length=64)
    suid = models.CharField(max_length=64)
    content = EncryptedField()
    """``id``, ``source``, ``timestamp``, and ``custom`` if any."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "digest"], name="ledgeritem_digest"),
            models.UniqueConstraint(fields=["namespace", "suid"], name="ledgeritem_suid"),
        ]

    def __str__(self) -> str:
        return f"ledger item {self.pk}"


class LedgerUid(models.Model):
    """A new UID, and the one that it stands for; only where a project keeps them."""

    namespace = models.CharField(max_length=255)
    new_uid = models.CharField(max_length=64)
    content = EncryptedField()
    """The original UID."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["namespace", "new_uid"], name="ledgeruid_new_uid"),
        ]

    def __str__(self) -> str:
        return f"ledger uid {self.pk}"


class IdentityHistory(models.Model):
    """Which service has named the patients of a project so far."""

    project = models.CharField(max_length=63, primary_key=True)
    namespace = models.CharField(max_length=255, db_index=True)
    kind = models.CharField(max_length=63)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identity histories"

    def __str__(self) -> str:
        return f"{self.project}: {self.kind}"


class NamespaceKey(models.Model):
    """What names and days of a namespace hang on; decided before the first of them is made."""

    namespace = models.CharField(max_length=255, primary_key=True)
    fingerprint = models.CharField(max_length=80, blank=True, default="")
    """Of its own key; empty: the site key alone."""
    rules = models.TextField(blank=True, default="")
    """What else decides, as the project says it; empty: nobody has said yet."""

    def __str__(self) -> str:
        return f"key of {self.namespace}"


class ClientToken(models.Model):
    """What a client of the identity service may do; the tokens themselves are nowhere."""

    client_id = models.CharField(max_length=64, unique=True)
    study = models.CharField(max_length=255)
    access_digest = models.CharField(max_length=64, unique=True)
    refresh_digest = models.CharField(max_length=64, unique=True)
    expires = models.DateTimeField()
    """When the access token does."""
    revoked = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"client {self.client_id}"


class Credential(models.Model):
    """Somebody who may go back from a name to a patient; the secret itself is nowhere."""

    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    revoked = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"credential {self.pk}"
