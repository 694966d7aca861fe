"""What is known of some batches, as ``status --json`` and the API say it.

Six queries, however many batches, and one more while a target is paused.  The batch's
``uid`` and the ``file`` of an error may identify a patient: they belong on a terminal or
behind a login, and ``with_files=False`` leaves the files out.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import UTC, datetime
from typing import Any  # a JSON document, whose values are of many types

from django.db.models import Count, Q

from sendit.metrics.recalls import recalled
from sendit.pipeline.pausing import paused, why_waiting
from sendit.records.models import Batch, Delivery, Finding, Image, Profile
from sendit.terms import Status, Verdict

IMAGE_STATES = (
    Status.NEW,
    Status.PROCESSING,
    Status.DONEPROCESSING,
    Status.SENT,
    Status.DONE,
)
LISTED_AT_ONCE = 1000
"""More numbers than this in one query are too much for some databases; then a range is asked."""
_ENTRY_KEYS = ("time", "stage", "code", "message", "file", "image", "target", "resolved")


def describe(
    batches: Iterable[Batch], *, with_files: bool = True, listed_at_once: int = LISTED_AT_ONCE
) -> list[dict[str, Any]]:
    """Return one JSON object for each batch, in the order given."""
    batches = list(batches)
    these = _among([batch.pk for batch in batches], listed_at_once=listed_at_once)
    counts = _image_counts(these)
    deliveries = describe_deliveries(these)
    about = _about(these, with_files=with_files)
    pauses = paused()
    targets = _targets_of({batch.profile_id for batch in batches} if pauses.targets else set())
    now = datetime.now(UTC)

    def held(batch: Batch) -> str | None:
        where = targets.get(batch.profile_id, frozenset())
        return batch.held or why_waiting(batch, pauses, targets=where, now=now)

    return [
        _describe(batch, counts[batch.pk], deliveries[batch.pk], about) | {"held": held(batch)}
        for batch in batches
    ]


def describe_to(
    batches: Sequence[Batch], *, may_see_files: Callable[[Batch], bool]
) -> list[dict[str, Any]]:
    """Return the same, each batch with what may identify only where that may be seen."""
    found: dict[int, dict[str, Any]] = {}
    for with_files in (True, False):
        some = [batch for batch in batches if may_see_files(batch) == with_files]
        described = describe(some, with_files=with_files) if some else []
        found |= {one["batch"]: one for one in described}
    return [found[batch.pk] for batch in batches]


def describe_deliveries(these: Q) -> dict[int, list[dict[str, Any]]]:
    """Return how far some batches have come with each target, by batch."""
    deliveries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    taken_back = recalled(these)
    for row in Delivery.objects.filter(these).order_by("pk"):
        back = taken_back.get((row.batch_id, row.target))
        deliveries[row.batch_id].append(
            {
                "target": row.target,
                "state": row.state,
                "attempts": row.attempts,
                "error": row.error,
                "recalled": back and {**back, "time": iso(back["time"])},
            }
        )
    return deliveries


def iso(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC with ``Z``, or None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _describe(
    batch: Batch,
    counts: Counter[tuple[str, str]],
    deliveries: list[dict[str, Any]],
    about: dict[int, dict[str, Any]],
) -> dict[str, Any]:
    by_verdict = Counter[str]()
    for (verdict, _), number in counts.items():
        by_verdict[verdict] += number
    return {
        "batch": batch.pk,
        "uid": batch.uid,
        "project": batch.project,
        "status": batch.status,
        "stage": batch.stage or None,
        "has_error": batch.has_error,
        "errors": _entries(batch.errors, about),
        "images": {word.value: counts[Verdict.ACCEPTED, word] for word in IMAGE_STATES},
        "excluded": by_verdict[Verdict.EXCLUDED],
        "held_images": by_verdict[Verdict.HELD],
        "rejected": by_verdict[Verdict.REJECTED],
        "unreadable": batch.unreadable,
        "alerts": _entries(batch.alerts, about),
        "deliveries": deliveries,
        "held": None,
        "retry_at": iso(batch.retry_at),
        "started": iso(batch.started),
        "finished": iso(batch.finished),
        "bytes": batch.bytes,
    }


def _targets_of(profiles: Set[str]) -> dict[str, frozenset[str]]:
    """Return the names of the targets of some project files, by digest."""
    if not profiles:
        return {}
    rows = Profile.objects.filter(pk__in=profiles).values_list("digest", "content__targets")
    return {digest: frozenset(one["name"] for one in targets) for digest, targets in rows}


def _entries(
    entries: list[dict[str, Any]], about: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    nothing = {"file": None, "number": None}
    told = []
    for entry in entries:
        known = dict(about.get(entry["finding"], nothing))
        said = known.pop("said", None)
        told.append({key: entry.get(key) for key in _ENTRY_KEYS} | known)
        if said:
            told[-1]["resolved"] = f"{entry['resolved']}: {said}"
    return told


def _image_counts(these: Q) -> dict[int, Counter[tuple[str, str]]]:
    counts: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
    rows = (
        Image.objects.filter(these)
        .values_list("batch", "verdict", "status")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for batch_id, verdict, status, number in rows:
        counts[batch_id][verdict, status] = number
    return counts


def _about(these: Q, *, with_files: bool) -> dict[int, dict[str, Any]]:
    """Return what may identify of each finding, and its number, which tells nothing."""
    rows = Finding.objects.filter(these).values_list("pk", "file", "nr", "image__nr", "decision")
    return {
        pk: {
            "file": _printable(file) if with_files and file else None,
            "number": image or nr,
            "said": said if with_files else None,
        }
        for pk, file, nr, image, said in rows
    }


def _printable(file: Any) -> str:
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _among(batch_ids: Sequence[int], *, listed_at_once: int) -> Q:
    if len(batch_ids) <= listed_at_once:
        return Q(batch__in=batch_ids)
    return Q(batch__gte=min(batch_ids), batch__lte=max(batch_ids))
