"""Rows of batches as the pipeline leaves them, for what only reads.

States are put down as they are, without the machine's moves; what a move does is tested
where the machine is.
"""

from datetime import UTC, datetime, timedelta

from sendit.pipeline.machine import NewFinding, note
from sendit.records.models import (
    Batch,
    DeliveredInstance,
    DeliveredStudy,
    Delivery,
    Image,
    Profile,
    Recall,
    StageRun,
)
from sendit.terms import DeliveryState, Reason, Stage, Status, Verdict

NOW = datetime(2026, 5, 4, 10, 15, tzinfo=UTC)
ELEMENTS = [
    ["(0008,0020)", "shift", "option:retain-longitudinal-modified-dates", 2],
    ["(0010,0010)", "Z", "basic", 2],
    ["(0008,1140)/(0008,1155)", "U", "basic", 4],
    ["(0009,1001)", "private", "private", 6],
]


def make_profile(project: str = "irb-1", **content: object) -> Profile:
    profile, _ = Profile.objects.get_or_create(
        digest=f"sha256:{project:0>64}",
        defaults={
            "project": project,
            "content": {
                "name": project,
                "deid": {
                    "preset": "basic",
                    "options": ["retain-longitudinal-modified-dates"],
                    "defacing": "off",
                },
                "targets": [{"name": "out", "kind": "folder", "path": "/data/out"}],
                **content,
            },
        },
    )
    return profile


def make_batch(
    uid: str,
    *,
    status: Status,
    stage: Stage | str = "",
    n_images: int = 2,
    excluded: int = 0,
    **columns: object,
) -> Batch:
    """Write a batch with its images, one finished de-identify run, and a delivery when sent."""
    batch = Batch.objects.create(
        **{
            "uid": uid,
            "uid_digest": f"digest of {uid}",
            "folder": uid,
            "folder_key": "1:2",
            "inbox": "/inbox",
            "project": "irb-1",
            "profile": make_profile(),
            "status": status,
            "stage": stage,
            "bytes": n_images * 39_206,
            "started": None if status == Status.QUEUE else NOW - timedelta(minutes=2),
            "finished": NOW if status in (Status.DONE, Status.EMPTY, Status.ERROR) else None,
            "cleaned_at": NOW if not stage else None,
            **columns,
        }
    )
    image_status = Status.DONE if status == Status.DONE else Status.DONEPROCESSING
    Image.objects.bulk_create(
        Image(
            batch=batch,
            nr=nr,
            status=image_status,
            source=f"{uid}/secret-{nr}",
            modality="CT",
            size=39_206,
            sop_instance_uid=f"2.25.{batch.pk}3{nr}",
            series_instance_uid=f"2.25.{batch.pk}2",
            study_instance_uid=f"2.25.{batch.pk}1",
            patient_id="irb-1-7QF2",
            study_date="20240102",
            file=f"irb-1-7QF2/2.25.{batch.pk}1/2.25.{batch.pk}2/2.25.{batch.pk}3{nr}.dcm",
            sha256="ab" * 32,
            result_size=38_000,
            report={"actions": {"U": 2, "Z": 1}, "rules": {"basic": 3}, "regions": []},
        )
        for nr in range(1, n_images + 1)
    )
    Image.objects.bulk_create(
        Image(
            batch=batch,
            nr=n_images + nr,
            verdict=Verdict.EXCLUDED,
            reason=Reason.MODALITY,
            source=f"{uid}/secret-{nr}",
            modality="US",
        )
        for nr in range(1, excluded + 1)
    )
    if n_images and status not in (Status.QUEUE, Status.NEW, Status.EMPTY):
        _make_runs(batch)
    if status == Status.DONE:
        Delivery.objects.create(
            batch=batch,
            target="out",
            kind="folder",
            state=DeliveryState.VERIFIED,
            attempts=1,
            receipt={"location": "/data/out", "n_instances": n_images, "digests": {}},
        )
    return batch


def add_unreadable(batch: Batch, *, nr: int, file: str) -> None:
    """Note a file of the batch that is not DICOM."""
    message = "1 file is not DICOM; kept in the .err folder."
    found = NewFinding(Reason.NOT_DICOM, message, Stage.IMPORT, file=file, nr=nr)
    note(batch.pk, [found], now=NOW)
    batch.refresh_from_db()


def add_recall(batch: Batch, *, instances: int, left: int) -> None:
    """Note what the batch delivered, and that it was recalled; of some no absence is proven."""
    part = DeliveredStudy.objects.create(
        namespace="n",
        receiver="/data/out",
        project=batch.project,
        target="out",
        profile=batch.profile,
        batch=batch.pk,
        batch_digest="d",
        patient_id="irb-1-7QF2",
        study_instance_uid=f"2.25.{batch.pk}1",
        study_pseudonym="S",
        recipe="r",
        engine="e",
        planned=NOW,
        proven=NOW,
        recall=Recall.objects.create(scope=Recall.BATCH, reason="a mistake", time=NOW),
    )
    DeliveredInstance.objects.bulk_create(
        DeliveredInstance(
            study=part,
            sop_instance_uid=f"2.25.{batch.pk}3{nr}",
            file="f",
            sha256="ab" * 32,
            size=1,
            removed=None if nr <= left else NOW,
        )
        for nr in range(1, instances + 1)
    )


def _make_runs(batch: Batch) -> None:
    began = NOW - timedelta(seconds=100)
    for number, (stage, seconds) in enumerate(
        [(Stage.IMPORT, 0.4), (Stage.IDENTIFY, 0.05), (Stage.DEIDENTIFY, 2.5)]
    ):
        started = began + timedelta(seconds=10 * number)
        StageRun.objects.create(
            batch=batch,
            stage=stage,
            worker="host:1:2",
            attempt=1,
            images=2,
            started=started,
            ended=started + timedelta(seconds=seconds),
            outcome="done",
            elements=ELEMENTS if stage == Stage.DEIDENTIFY else [],
        )
