"""How many batches stand where and what went through, without counting: what was added to each.

The database writes these rows itself, beside each change of a batch or a run (``kept.py``).
"""

from typing import ClassVar

from django.db import models

from sendit.records.models.columns import choices_of
from sendit.terms import Status


class BatchCount(models.Model):
    """So many batches of a project came to a state, or left it (below 0)."""

    project = models.CharField(max_length=63)
    status = models.CharField(max_length=16, choices=choices_of(Status))
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.number:+} {self.status} of {self.project}"


class HourCount(models.Model):
    """So much of a project went through in one hour, or did not after all (below 0)."""

    project = models.CharField(max_length=63)
    hour = models.DateTimeField()
    """When it began."""
    batches = models.IntegerField()
    """That became ``DONE``."""
    bytes = models.BigIntegerField()
    """Of their originals."""
    images = models.IntegerField()
    """That were worked on."""
    is_sum = models.BooleanField()
    """Several rows were put together in this one."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["hour"], name="hourcount_hour"),
            models.Index(fields=["id"], name="hourcount_added", condition=models.Q(is_sum=False)),
        ]

    def __str__(self) -> str:
        return f"{self.batches:+} batches of {self.project} at {self.hour:%Y-%m-%d %H} h"
