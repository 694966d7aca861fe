"""The status of batches as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any  # a batch as ``metrics.status`` describes it: a JSON object

from sendit.cli.hints import shown
from sendit.cli.table import one_line, table
from sendit.cli.work_check import pauses
from sendit.config import Configuration
from sendit.config.places import hung_places
from sendit.ingest.eyes import beside_folders
from sendit.ingest.intake import printable
from sendit.ingest.set_aside import err_folders
from sendit.metrics.recalls import recalled_text
from sendit.metrics.said import said_once
from sendit.metrics.standing import standing
from sendit.pipeline.admission import obstacle
from sendit.pipeline.pausing import paused
from sendit.records.models import Batch, StageRun
from sendit.terms import Status

HEADER = ("batch", "uid", "project", "status", "images", "", "how it stands")
BESIDE = (
    ("excluded", "excluded"),
    ("held_images", "held"),
    ("rejected", "rejected"),
    ("unreadable", "unreadable"),
)


def all_lines(
    batches: Sequence[Batch],
    described: Sequence[Mapping[str, Any]],
    configuration: Configuration,
    *,
    now: datetime,
    width: int | None = None,
) -> Iterator[str]:
    """Yield a table of all batches, what is paused or kept out, and what was set aside.

    Long names are shortened to fit a terminal of some ``width``.
    """
    if batches:
        rows = [_row(batch, told, now) for batch, told in zip(batches, described, strict=True)]
        yield from table(HEADER, rows, width=width, giving=HEADER.index("uid"))
    else:
        yield f"No batch yet in {shown(configuration.settings.work_dir)}."
        if configuration.source is None:
            here = Path.cwd()
            yield f"There is no sendit.toml in {here}, and no --config: the default is in use."
    if (stopped := pauses()) is not None:
        yield ""
        yield stopped
    waiting = any(batch.status == Status.QUEUE for batch in batches) and not paused().node
    if waiting and (why := obstacle(configuration)) is not None:
        yield ""
        yield f"Nothing is let in: {why}"
    for away in (*configuration.unusable_inboxes, *hung_places(configuration)):
        yield ""
        yield away
    for inbox in configuration.settings.inboxes:
        yield from _names(
            f"Set aside in {inbox.path}, mend one and drop its extension",
            [folder.name for folder in err_folders(inbox.path)],
        )
        yield from _names(
            f"Not in a folder in {inbox.path}, put them into one", beside_folders(inbox.path)
        )


def batch_lines(batch: Batch, described: Mapping[str, Any], *, now: datetime) -> Iterator[str]:
    """Yield everything about one batch."""
    stands = standing(batch, now=now, deliveries=described["deliveries"], held=described["held"])
    yield f"batch     {batch.pk}"
    yield f"uid       {one_line(described['uid'])}"
    yield f"project   {described['project']}"
    yield f"status    {described['status']}" + (f" at {batch.stage}" if batch.stage else "")
    yield f"stands    {stands.words}"
    if stands.todo:
        yield f"to do     {stands.todo}"
    yield f"images    {_images(described)}"
    yield f"size      {described['bytes'] / 1e6:.1f} MB"
    for moment in ("started", "finished", "retry_at"):
        if described[moment]:
            yield f"{moment:9} {_second(described[moment])}"
    if batch.retry_at is not None and (code := _last_failure(batch)):
        yield f"failed    {batch.stage}: {code}"
    if described["held"]:
        yield f"held      {described['held']}"
    for delivery in described["deliveries"]:
        error = delivery["error"]
        why = f": {error['message']}" if error else ""
        back = f", {recalled_text(delivery['recalled'])}" if delivery["recalled"] else ""
        yield f"target    {delivery['target']} {delivery['state']}{back}{why}"
    for severity in ("errors", "alerts"):
        for line in entry_lines(described[severity]):
            yield f"{severity[:-1]:9} {line}"


def entry_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield errors or alerts, one a line; what was said of several files is said once."""
    for one in said_once(entries):
        times = f" {one.times}" if one.times else ""
        places = f" [{one_line(one.places)}]" if one.places else ""
        settled = f" ({one_line(one.resolved)})" if one.resolved else ""
        yield f"{one.time} {one.stage} {one.code}: {one.message}{times}{places}{settled}"


def _last_failure(batch: Batch) -> str:
    """Return the code for which a stage is tried again; a delivery has a message of its own."""
    runs = StageRun.objects.filter(batch=batch, stage=batch.stage, outcome="failed")
    return runs.order_by("-pk").values_list("code", flat=True).first() or ""


def _second(moment: str) -> str:
    """Return an ISO moment in UTC without what is smaller than a second."""
    return f"{moment.removesuffix('Z').partition('.')[0]}Z"


def _names(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield ""
        yield f"{what} ({len(names)}):"
        yield from (f"  {one_line(printable(name))}" for name in names)


def _row(batch: Batch, described: Mapping[str, Any], now: datetime) -> tuple[object, ...]:
    beside = _beside(described)
    stands = standing(batch, now=now, deliveries=described["deliveries"], held=described["held"])
    return (
        batch.pk,
        described["uid"],
        described["project"],
        described["status"],
        sum(described["images"].values()),
        "error" if described["has_error"] else "",
        " ".join([stands.words, *([f"({beside})"] if beside else [])]),
    )


def _images(described: Mapping[str, Any]) -> str:
    by_state = [f"{number} {state}" for state, number in described["images"].items() if number]
    return ", ".join(filter(None, [*by_state, _beside(described)])) or "none"


def _beside(described: Mapping[str, Any]) -> str:
    return ", ".join(f"{described[key]} {word}" for key, word in BESIDE if described[key])
