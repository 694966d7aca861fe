"""How many batches stand where, without counting them: what was added to each number, and when."""

from django.db import models

from sendit.records.models.columns import choices_of
from sendit.terms import Status


class BatchCount(models.Model):
    """So many batches of a project came to a state, or left it (below 0).

    The database writes these rows itself, beside each change of a batch (``counting.py``).
    """

    project = models.CharField(max_length=63)
    status = models.CharField(max_length=16, choices=choices_of(Status))
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.number:+} {self.status} of {self.project}"
