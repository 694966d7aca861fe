"""Rows in any state that the machine can reach, and the moment that its tests stand at."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from sendit.pipeline import machine
from sendit.pipeline.machine import Claim, Event
from sendit.records.models import Batch, Image, Profile
from sendit.terms import Stage

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
LAPSED = NOW + LEASE + timedelta(seconds=1)
TRIES = 3
NAMES = itertools.count(1)

WAY: dict[Stage, Event] = {
    Stage.IMPORT: Event.IMPORTED,
    Stage.IDENTIFY: Event.IDENTIFIED,
    Stage.DEIDENTIFY: Event.DEIDENTIFIED,
    Stage.SEND: Event.DELIVERED,
    Stage.VERIFY: Event.PROVEN,
    Stage.CLEAN_UP: Event.CLEANED,
}
"""The event by which a good batch leaves each stage."""


def make_batch(
    *, send: str = "auto", targets: int = 1, on_bad_image: str = "reject", images: int = 1
) -> Batch:
    """Register a batch, with so many new images."""
    name = f"ACC{next(NAMES)}"
    content: dict[str, Any] = {
        "targets": [{"name": f"out{n}"} for n in range(targets)],
        "send": send,
        "accept": {"on_bad_image": on_bad_image},
    }
    profile = Profile.objects.create(digest=name, project="demo", content=content)
    batch = machine.register(
        uid=name,
        uid_digest=name,
        folder=name,
        folder_key="1:1",
        inbox="/inbox",
        project="demo",
        profile_id=profile.pk,
        priority=0,
    )
    for nr in range(1, images + 1):
        Image.objects.create(batch=batch, nr=nr, source=f"a/{nr}", sop_digest=f"{name}-{nr}")
    return batch


def batch_at(stage: Stage, **options: Any) -> Batch:
    """Return a batch that came to a stage by the machine's own moves."""
    batch = make_batch(**options)
    machine.admit(batch.pk, now=NOW)
    for at, event in WAY.items():
        if at == stage:
            break
        pass_stage(batch, at, event)
    batch.refresh_from_db()
    assert batch.stage == stage
    return batch


def pass_stage(batch: Batch, stage: Stage, event: Event, *, now: datetime = NOW) -> None:
    """Take a batch through one stage, whole."""
    if stage is Stage.DEIDENTIFY:
        while (claim := take_images(batch, now=now)) is not None:
            finish(claim, now=now)
        assert machine.settle(batch.pk, now=now)
    else:
        machine.move(take(batch, stage, now=now), event, now=now)


def take(batch: Batch, stage: Stage, *, worker: str = "w:1:1", now: datetime = NOW) -> Claim:
    """Claim an exclusive stage that is free."""
    claim = try_to_take(batch, stage, worker=worker, now=now)
    assert claim is not None
    return claim


def try_to_take(
    batch: Batch, stage: Stage, *, worker: str = "w:1:1", now: datetime = NOW
) -> Claim | None:
    return machine.claim(batch.pk, stage, worker=worker, lease=LEASE, tries=TRIES, now=now)


def take_images(
    batch: Batch, *, worker: str = "w:1:1", chunk: int = 32, now: datetime = NOW
) -> Claim | None:
    return machine.claim_images(
        batch.pk, worker=worker, chunk=chunk, lease=LEASE, tries=TRIES, now=now
    )


def finish(claim: Claim, *, now: datetime = NOW, **result: Any) -> None:
    """Write down the same result for every claimed image."""
    results = [
        machine.ImageResult(
            **{"image_id": pk, "verdict": "ACCEPTED", "file": f"{pk}.dcm", **result}
        )
        for pk in claim.image_ids
    ]
    machine.finish_images(claim, results, elements=[], findings=(), now=now)
