"""The ledger: what is, or may be, at a receiver; it outlives the batch."""

from typing import ClassVar

from django.db import models

from sendit.records.models.batch import Profile
from sendit.records.models.recalls import Recall


class DeliveredStudy(models.Model):
    """What one batch delivered of one Study to one receiver; outlives the batch.

    A part of the ledger: written before anything is sent, so that what may be at a receiver
    stands here, whatever crashes when.
    """

    namespace = models.TextField()
    receiver = models.TextField()
    """Which receiver it is; targets of several projects may share one."""
    project = models.CharField(max_length=63)
    target = models.CharField(max_length=63)
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT)
    batch = models.PositiveBigIntegerField(db_index=True)
    """Its number; the row may be gone."""
    batch_digest = models.CharField(max_length=64)
    """Keyed digest by which the batch's uid is found."""
    patient_id = models.CharField(max_length=64)
    study_instance_uid = models.CharField(max_length=64)
    study_pseudonym = models.CharField(max_length=64)
    study_date = models.CharField(max_length=8, blank=True, default="")
    """All new values."""
    patient_digest = models.CharField(max_length=64, blank=True, default="")
    study_digest = models.CharField(max_length=64, blank=True, default="")
    """Keyed digests of the original Patient ID and Study Instance UID."""
    generation = models.PositiveIntegerField(default=1)
    supplement = models.PositiveIntegerField(default=0)
    recipe = models.CharField(max_length=80)
    """Digest of the recipe."""
    engine = models.CharField(max_length=32)
    """Version of sendit."""
    manifest = models.TextField(blank=True, default="")
    """Where its manifest lies, below the batch's results folder."""
    location = models.TextField(blank=True, default="")
    volume = models.TextField(blank=True, default="")
    stored = models.JSONField(default=dict)
    """``[place, digest, warning]`` of each instance as ``storage.Stored`` has them, by new UID."""
    documents = models.JSONField(default=dict)
    """SHA-256 of the manifests at the target, by place."""
    planned = models.DateTimeField()
    proven = models.DateTimeField(null=True)
    recall = models.ForeignKey(Recall, null=True, on_delete=models.PROTECT, related_name="copies")

    class Meta:
        verbose_name_plural = "delivered studies"
        indexes: ClassVar = [
            models.Index(fields=["namespace", "study_instance_uid"], name="delivered_study"),
            models.Index(fields=["patient_digest"], name="delivered_patient"),
            models.Index(fields=["study_digest"], name="delivered_original"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    *("receiver", "namespace", "project", "target", "batch"),
                    *("study_instance_uid", "generation", "supplement"),
                ],
                name="delivered_study_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study_instance_uid} of batch {self.batch} at {self.target}"


class DeliveredInstance(models.Model):
    """One instance of a delivered Study; a line of the ledger and of the receipt."""

    study = models.ForeignKey(DeliveredStudy, on_delete=models.CASCADE, related_name="instances")
    sop_instance_uid = models.CharField(max_length=64)
    file = models.TextField()
    """``<PatientID>/<Study>/<Series>/<Instance>.dcm``, new values."""
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    removed = models.DateTimeField(null=True)
    """When its absence was proven."""
    lost = models.DateTimeField(null=True)
    """When the receiver was found not to hold it any more."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study", "sop_instance_uid"], name="delivered_instance_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.sop_instance_uid
