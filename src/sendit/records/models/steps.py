"""What was done with a batch: stages that ran, what went wrong, where it was delivered."""

from typing import ClassVar

from django.db import models

from sendit.records.encrypted import EncryptedField
from sendit.records.models.batch import Batch, Image
from sendit.records.models.columns import choices_of
from sendit.terms import DeliveryState, Stage


class Delivery(models.Model):
    """One batch at one target."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="deliveries")
    target = models.CharField(max_length=63)
    kind = models.CharField(max_length=63)
    required = models.BooleanField(default=True)
    state = models.CharField(
        max_length=16,
        choices=choices_of(DeliveryState),
        default=DeliveryState.PENDING.value,
        editable=False,
    )
    attempts = models.PositiveIntegerField(default=0, editable=False)
    receipt = models.JSONField(null=True)
    """What the target told us, as ``Receipt.as_json`` gives it; new identifiers only."""
    error = models.JSONField(null=True)
    """``code`` and ``message`` of the last failure, or null."""
    failures = models.JSONField(null=True)
    """What the target said of instances, by new UID; the others are proven.  Null: none is."""
    retry_at = models.DateTimeField(null=True, editable=False)
    """When it is tried again; null: as soon as may be."""
    asked = models.PositiveIntegerField(default=0, editable=False)
    """How often the target was asked for a proof that it did not give."""
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            # What each target has proven, and has not; without a look at receipts, which are long.
            models.Index(fields=["state", "target", "batch", "id"], name="delivery_state"),
            models.Index(
                fields=["retry_at"],
                name="delivery_retry_at",
                condition=models.Q(retry_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "target"], name="delivery_target_unique"),
        ]

    def __str__(self) -> str:
        return f"batch {self.batch_id} at {self.target}"


class StageRun(models.Model):
    """One claim of one stage: the audit trail and the source of all timings."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="runs")
    stage = models.CharField(max_length=16, choices=choices_of(Stage))
    worker = models.CharField(max_length=80)
    attempt = models.PositiveIntegerField()
    images = models.PositiveIntegerField(default=0)
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True, default="")
    """``done``, ``failed``, ``lost`` (the claim lapsed), or empty while it runs."""
    code = models.CharField(max_length=32, blank=True, default="")
    """Why it failed."""
    elements = models.JSONField(default=list)
    """De-identify: ``[path, action, rule, count]`` over the images of this run."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["batch", "stage"], name="stagerun_batch_stage"),
            # What a worker had in hand when it died.
            models.Index(
                fields=["worker"], name="stagerun_open", condition=models.Q(ended__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} of batch {self.batch_id}"


class Finding(models.Model):
    """Something that went wrong with a batch, or that somebody should know."""

    ERROR = "error"
    ALERT = "alert"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="findings")
    image = models.ForeignKey(Image, null=True, on_delete=models.CASCADE, related_name="findings")
    severity = models.CharField(max_length=8, choices=[(ERROR, ERROR), (ALERT, ALERT)])
    stage = models.CharField(max_length=16)
    code = models.CharField(max_length=32)
    message = models.TextField()
    """Never a value, never a name."""
    file = EncryptedField(null=True)
    """Path in the batch's folder (``os.fsdecode``)."""
    nr = models.PositiveIntegerField(null=True)
    """Running number of an unreadable file among all files of the batch."""
    target = models.CharField(max_length=63, blank=True, default="")
    time = models.DateTimeField()
    resolved = models.TextField(blank=True, default="")
    """How it was settled, in a word; empty while it is open."""
    decision = EncryptedField(null=True)
    """What the person said who settled it; it may name somebody."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["batch", "severity"], name="finding_batch"),
            models.Index(
                fields=["code", "stage", "batch"],
                name="finding_open_errors",
                condition=models.Q(severity="error", resolved=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} in batch {self.batch_id}"
