"""The audit log: rows of which each carries the seal of the one before."""

from django.db import models

from sendit.records.encrypted import EncryptedField


class AuditEntry(models.Model):
    """Something that somebody did and has to answer for."""

    number = models.BigIntegerField(primary_key=True)
    """1, 2, 3… without a gap."""
    time = models.DateTimeField()
    actor = models.CharField(max_length=100)
    action = models.CharField(max_length=63)
    subject = models.CharField(max_length=255, blank=True, default="")
    """What it was done to, in new names or numbers; never an original value."""
    reason = EncryptedField(null=True)
    """What the actor wrote; people do name patients there."""
    details = models.JSONField(default=dict)
    """Counts, codes and new names only."""
    seal = models.CharField(max_length=64)
    """Keyed digest of all this and of the seal before."""

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"audit entry {self.number}"


class AuditHead(models.Model):
    """The one row (id 1) that says where the log ends, and that is locked to add to it."""

    last = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True, default="")
    """Seal of the last entry."""
    proof = models.CharField(max_length=64, blank=True, default="")
    """Keyed digest of both, so that the end cannot be moved without the key."""

    def __str__(self) -> str:
        return f"audit log of {self.last} entries"
