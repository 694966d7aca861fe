"""Decisions to take back what was delivered."""

from typing import ClassVar

from django.db import models

from sendit.records.encrypted import EncryptedField


class Recall(models.Model):
    """A decision to take back every copy of a patient, a study or a batch."""

    PATIENT, STUDY, BATCH = "patient", "study", "batch"

    scope = models.CharField(max_length=8, choices=[(w, w) for w in (PATIENT, STUDY, BATCH)])
    reason = EncryptedField()
    """What the person said; it may name somebody."""
    time = models.DateTimeField()

    def __str__(self) -> str:
        return f"recall {self.pk} of a {self.scope}"


class RecalledStudy(models.Model):
    """A study that may not come in again unnoticed, by its new names."""

    recall = models.ForeignKey(Recall, on_delete=models.PROTECT, related_name="studies")
    namespace = models.TextField()
    patient_id = models.CharField(max_length=64)
    study_instance_uid = models.CharField(max_length=64, blank=True, default="")
    """Empty: every study of the patient."""

    class Meta:
        verbose_name_plural = "recalled studies"
        indexes: ClassVar = [
            models.Index(fields=["namespace", "patient_id"], name="recalled_patient")
        ]

    def __str__(self) -> str:
        return f"{self.study_instance_uid or self.patient_id} of recall {self.recall_id}"
