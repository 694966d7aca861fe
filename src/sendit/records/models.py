"""The tables: what is known of every Batch and Image, and what was done to them.

``status``, ``stage``, ``held``, leases and tries are written by ``pipeline/machine.py``
alone.  What may identify a patient is an ``EncryptedField``; nothing else may hold it.
"""

from typing import ClassVar

from django.db import models

from sendit.records import audit_tables, ledger_tables
from sendit.records.encrypted import EncryptedField
from sendit.records.people import ApiToken as ApiToken  # so that Django finds all tables here
from sendit.records.people import Grant as Grant
from sendit.records.queries import BatchQuerySet, ImageQuerySet
from sendit.terms import DeliveryState, Stage, Status, Verdict

TABLES_ELSEWHERE = (audit_tables, ledger_tables)
"""Modules whose tables are this application's, too; Django finds them through this one."""


def _choices(words: type[Status | Stage | Verdict | DeliveryState]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class Installation(models.Model):
    """The one row (id 1) that says which keys this database belongs to."""

    site_key_fingerprint = models.CharField(max_length=80)
    field_key_fingerprint = models.CharField(max_length=80)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"installation of {self.created:%Y-%m-%d}"


class Pause(models.Model):
    """What an operator has stopped for a while; what runs already comes to its end."""

    NODE = "node"
    PROJECT = "project"
    TARGET = "target"

    kind = models.CharField(max_length=8, choices=[(k, k) for k in (NODE, PROJECT, TARGET)])
    name = models.CharField(max_length=63, blank=True, default="")
    """Of the project or the target; empty for the node."""
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name"], name="pause_unique"),
        ]

    def __str__(self) -> str:
        return f"pause of {self.kind} {self.name}"


class Beat(models.Model):
    """A sign of life of a process that others cannot see, on another machine or in a container."""

    name = models.CharField(max_length=120, unique=True)
    """``watcher``, or ``worker-ZONE@…``."""
    at = models.DateTimeField()
    words = models.TextField(blank=True, default="")
    """Why nothing is let in; empty when that is not so.  Never a value, never a name."""

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"


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

    status = models.CharField(max_length=16, choices=_choices(Status), editable=False)
    stage = models.CharField(max_length=16, choices=_choices(Stage), editable=False, default="")
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
            models.Index(fields=["lease_until"], name="batch_lease_until"),
            # What the pages list, count and sort by.
            models.Index(fields=["project", "status", "id"], name="batch_project_status"),
            models.Index(fields=["project", "created"], name="batch_project_created"),
            models.Index(fields=["status", "turned_down", "id"], name="batch_stopped"),
            models.Index(fields=["status", "finished", "bytes"], name="batch_done_when"),
            models.Index(fields=["finished", "id"], name="batch_finished"),
            models.Index(fields=["created"], name="batch_created"),
            models.Index(fields=["bytes", "id"], name="batch_bytes"),
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
        max_length=16, choices=_choices(Verdict), default=Verdict.ACCEPTED.value
    )
    reason = models.CharField(max_length=32, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    released = models.TextField(blank=True, default="", editable=False)
    """Reasons for which a person lets it go on, as a recipe's releasing lines would."""
    status = models.CharField(
        max_length=16, choices=_choices(Status), default=Status.NEW.value, editable=False
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


class Delivery(models.Model):
    """One batch at one target."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="deliveries")
    target = models.CharField(max_length=63)
    kind = models.CharField(max_length=63)
    required = models.BooleanField(default=True)
    state = models.CharField(
        max_length=16,
        choices=_choices(DeliveryState),
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
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "target"], name="delivery_target_unique"),
        ]

    def __str__(self) -> str:
        return f"batch {self.batch_id} at {self.target}"


class StageRun(models.Model):
    """One claim of one stage: the audit trail and the source of all timings."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="runs")
    stage = models.CharField(max_length=16, choices=_choices(Stage))
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
            models.Index(fields=["stage", "ended", "images"], name="stagerun_stage_ended"),
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


class TargetHealth(models.Model):
    """How a target of a project has answered lately, whatever the batch."""

    project = models.CharField(max_length=63)
    target = models.CharField(max_length=63)
    failures = models.PositiveIntegerField(default=0)
    """How often in a row it was away or full."""
    open_until = models.DateTimeField(null=True)
    """Until then nobody asks it; null: it may be asked."""
    error = models.JSONField(null=True)
    """``code`` and ``message`` of the last failure, null since it answered."""
    answered = models.DateTimeField(null=True)
    """When it took or proved something last."""

    class Meta:
        verbose_name_plural = "target healths"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "target"], name="target_health_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.target} of {self.project}"


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
