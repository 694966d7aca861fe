"""Batches, their images, and what was found out about them.

``status``, ``stage``, ``held``, leases and tries are written by ``pipeline/machine/`` alone.
"""

from typing import ClassVar

from django.db import models

from sendit.records.encrypted import EncryptedField
from sendit.records.models.columns import choices_of
from sendit.records.queries import BatchQuerySet, ImageQuerySet
from sendit.terms import Stage, Status, Verdict


class Profile(models.Model):
    """A project file as it was when a batch was registered, stored once by its content."""

    digest = models.CharField(max_length=80, primary_key=True)
    project = models.CharField(max_length=63)
    content = models.JSONField()
    """The project without secrets, as ``Project.snapshot`` gives it."""
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.project} {self.digest[:19]}"


class Batch(models.Model):
    """One study folder on its way."""

    uid = EncryptedField()
    """The folder's name, printable; often an accession number, so never shown without a login."""
    uid_digest = models.CharField(max_length=64, unique=True)
    folder = EncryptedField()
    """The folder's name in its inbox, in the file system's own bytes (``os.fsdecode``)."""
    folder_key = models.CharField(max_length=64)
    """Device and inode of the folder when it was registered."""
    inbox = models.TextField()
    project = models.CharField(max_length=63)
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT)
    priority = models.IntegerField(default=0)

    status = models.CharField(max_length=16, choices=choices_of(Status), editable=False)
    stage = models.CharField(max_length=16, choices=choices_of(Stage), editable=False, default="")
    """The stage that runs next; empty when nothing is left to do."""
    held = models.TextField(blank=True, default="", editable=False)
    """Why the batch waits for a person; empty when it does not."""
    lease_token = models.CharField(max_length=120, blank=True, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    """When a failed stage is tried again."""
    due_at = models.DateTimeField(null=True, editable=False)
    """When retention allows the next removal."""

    has_error = models.BooleanField(default=False, editable=False)
    errors = models.JSONField(default=list, editable=False)
    """Entries without file names; those stand, encrypted, in the Finding that each names."""
    alerts = models.JSONField(default=list, editable=False)
    unreadable = models.PositiveIntegerField(default=0, editable=False)
    bytes = models.PositiveBigIntegerField(default=0)
    """Size of the accepted originals."""
    expected_bytes = models.PositiveBigIntegerField(default=0)
    expected_files = models.PositiveIntegerField(default=0)
    """What the folder held when it was registered: how much room the batch will need."""
    accept_bad = models.BooleanField(default=False, editable=False)
    """A person has accepted the batch without its bad files."""
    turned_down = models.BooleanField(default=False, editable=False)
    """A person has rejected the batch: its originals go back."""
    removals = models.JSONField(default=dict, editable=False)
    """What retention has decided to remove: when, and when it was gone; by what it is."""
    prepared = models.JSONField(null=True, editable=False)
    """What sending needs to know of the originals (``stages/preparing.py``); None: not yet told."""

    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    started = models.DateTimeField(null=True, editable=False)
    finished = models.DateTimeField(null=True, editable=False)
    cleaned_at = models.DateTimeField(null=True, editable=False)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"
        indexes: ClassVar = [
            models.Index(fields=["stage", "status"], name="batch_stage_status"),
            models.Index(fields=["status", "id"], name="batch_status_id"),
            # What the pages list, count and sort by.
            models.Index(fields=["project", "status", "id"], name="batch_project_status"),
            models.Index(fields=["project", "created"], name="batch_project_created"),
            models.Index(fields=["status", "turned_down", "id"], name="batch_stopped"),
            models.Index(fields=["status", "finished", "bytes"], name="batch_done_when"),
            models.Index(fields=["finished", "id"], name="batch_finished"),
            models.Index(fields=["created"], name="batch_created"),
            models.Index(fields=["bytes", "id"], name="batch_bytes"),
            models.Index(fields=["modified", "id"], name="batch_modified"),
            # Small parts of a large table: what waits, what is on its way, what needs somebody.
            models.Index(
                models.F("priority").desc(),
                "id",
                name="batch_queued",
                condition=models.Q(status=Status.QUEUE),
            ),
            models.Index(
                fields=["stage", "due_at"],
                name="batch_actionable",
                condition=~models.Q(stage="") & ~models.Q(status=Status.QUEUE) & models.Q(held=""),
            ),
            # Without its condition SQLite would rather look through all that nothing holds.
            models.Index(
                fields=["held", "status"], name="batch_held", condition=~models.Q(held="")
            ),
            models.Index(
                fields=["lease_until"],
                name="batch_lease_until",
                condition=models.Q(lease_until__isnull=False),
            ),
            models.Index(
                fields=["retry_at"],
                name="batch_retry_at",
                condition=models.Q(retry_at__isnull=False),
            ),
            models.Index(fields=["id"], name="batch_has_error", condition=models.Q(has_error=True)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="batch_status_fits_stage",
                condition=models.Q(status=Status.ERROR)
                | models.Q(stage=Stage.IMPORT, status__in=[Status.QUEUE, Status.NEW])
                | models.Q(stage__in=[Stage.IDENTIFY, Stage.DEIDENTIFY], status=Status.PROCESSING)
                | models.Q(stage__in=[Stage.SEND, Stage.VERIFY], status=Status.DONEPROCESSING)
                | models.Q(
                    stage=Stage.CLEAN_UP,
                    status__in=[Status.DONEPROCESSING, Status.DONE, Status.EMPTY],
                )
                | models.Q(stage="", status__in=[Status.DONE, Status.EMPTY]),
            ),
            models.CheckConstraint(
                name="batch_lease_is_whole",
                condition=models.Q(lease_token="", lease_until=None)
                | (~models.Q(lease_token="") & models.Q(lease_until__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class Image(models.Model):
    """One instance of a batch: a file that could be read."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="images")
    nr = models.PositiveIntegerField()
    """Order of import; the original's name in the working area."""
    verdict = models.CharField(
        max_length=16, choices=choices_of(Verdict), default=Verdict.ACCEPTED.value
    )
    reason = models.CharField(max_length=32, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    released = models.TextField(blank=True, default="", editable=False)
    """Reasons for which a person lets it go on, as a recipe's releasing lines would."""
    status = models.CharField(
        max_length=16, choices=choices_of(Status), default=Status.NEW.value, editable=False
    )
    lease_token = models.CharField(max_length=120, blank=True, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)

    source = EncryptedField(null=True)
    """Path in the batch's folder (``os.fsdecode``)."""
    sop_digest = models.CharField(max_length=64, blank=True, default="")
    """Keyed digest of the original SOP Instance UID; empty for a second file with the same UID."""
    series_digest = models.CharField(max_length=64, blank=True, default="")
    """Keyed digest of the original Series Instance UID."""
    announced = models.PositiveIntegerField(null=True)
    """How many instances its sender says the series has, (0020,1209)."""
    modality = models.CharField(max_length=16, blank=True, default="")
    size = models.PositiveBigIntegerField(default=0)

    sop_instance_uid = models.CharField(max_length=64, blank=True, default="")
    series_instance_uid = models.CharField(max_length=64, blank=True, default="")
    study_instance_uid = models.CharField(max_length=64, blank=True, default="")
    patient_id = models.CharField(max_length=64, blank=True, default="")
    study_pseudonym = models.CharField(max_length=64, blank=True, default="")
    study_date = models.CharField(max_length=8, blank=True, default="")
    """All new values; so is every column from ``sop_instance_uid`` on."""
    file = models.TextField(blank=True, default="")
    """Path of the result below the batch's results folder."""
    sha256 = models.CharField(max_length=64, blank=True, default="")
    result_size = models.PositiveBigIntegerField(default=0)
    report = models.JSONField(default=dict)
    """What was done: actions and rules with counts, never values; ``treatment``: which one."""

    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["batch", "verdict", "status"], name="image_batch_verdict_status"),
            models.Index(fields=["status", "id"], name="image_status_id"),
            models.Index(fields=["batch", "series_instance_uid", "nr"], name="image_series"),
            models.Index(fields=["series_digest"], name="image_series_digest"),
            # What the API sorts by.
            models.Index(fields=["modified", "id"], name="image_modified"),
            models.Index(
                fields=["lease_until"],
                name="image_lease_until",
                condition=models.Q(lease_until__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "nr"], name="image_nr_unique"),
            models.UniqueConstraint(
                fields=["batch", "sop_digest"],
                condition=~models.Q(sop_digest=""),
                name="image_sop_unique",
            ),
            models.CheckConstraint(
                name="image_status_known",
                condition=models.Q(
                    status__in=[
                        Status.NEW,
                        Status.PROCESSING,
                        Status.DONEPROCESSING,
                        Status.SENT,
                        Status.DONE,
                    ]
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"image {self.nr} of batch {self.batch_id}"


class Treatment(models.Model):
    """What was done to some images, element by element; alike ones share a row."""

    digest = models.CharField(max_length=64, primary_key=True)
    elements = models.JSONField()
    """``[path, action, rule, count]``, sorted; never a value."""

    def __str__(self) -> str:
        return self.digest[:12]


class BatchIdentifiers(models.Model):
    """The identity service's answer for one batch."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, related_name="identifiers")
    answers = EncryptedField()
    """A list of [patient id, Study Instance UID, patient pseudonym, study pseudonym, days]."""
    names = EncryptedField(default=list)
    """What the headers of the batch say of persons, ids and places: [tag, VR, value]."""
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"identifiers of batch {self.batch_id}"
