"""The status of batches as text for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any  # a batch as ``metrics.status`` describes it: a JSON object

from sendit.cli.table import one_line, table
from sendit.config import Settings
from sendit.ingest.intake import printable
from sendit.pipeline.sweep import err_folders

HEADER = ("batch", "uid", "project", "status", "stage", "images", "error", "note")


def all_lines(batches: Sequence[dict[str, Any]], settings: Settings) -> Iterator[str]:
    """Yield a table of all batches, then the folders that were set aside, inbox by inbox."""
    if batches:
        yield from table(HEADER, [_row(batch) for batch in batches])
    else:
        yield "No batch yet."
    for inbox in settings.inboxes:
        set_aside = err_folders(inbox.path)
        if set_aside:
            yield ""
            yield f"Set aside in {inbox.path} ({len(set_aside)}); mend one and drop its extension:"
            yield from (f"  {one_line(printable(folder.name))}" for folder in set_aside)


def batch_lines(batch: dict[str, Any]) -> Iterator[str]:
    """Yield everything about one batch."""
    yield f"batch     {batch['batch']}"
    yield f"uid       {one_line(batch['uid'])}"
    yield f"project   {batch['project']}"
    yield f"status    {batch['status']}" + (f" at {batch['stage']}" if batch["stage"] else "")
    yield f"images    {_images(batch)}"
    yield f"size      {batch['bytes'] / 1e6:.1f} MB"
    for moment in ("started", "finished", "retry_at"):
        if batch[moment]:
            yield f"{moment:9} {batch[moment]}"
    if batch["held"]:
        yield f"held      {batch['held']}"
    for delivery in batch["deliveries"]:
        error = delivery["error"]
        why = f": {error['message']}" if error else ""
        yield f"target    {delivery['target']} {delivery['state']}{why}"
    for severity in ("errors", "alerts"):
        for entry in batch[severity]:
            yield f"{severity[:-1]:9} {entry_line(entry)}"


def entry_line(entry: dict[str, Any]) -> str:
    """Return one error or alert as a line."""
    file = f" [{one_line(entry['file'])}]" if entry["file"] else ""
    settled = f" ({one_line(entry['resolved'])})" if entry["resolved"] else ""
    return f"{entry['time']} {entry['stage']} {entry['code']}: {entry['message']}{file}{settled}"


def _row(batch: dict[str, Any]) -> tuple[object, ...]:
    return (
        batch["batch"],
        batch["uid"],
        batch["project"],
        batch["status"],
        batch["stage"] or "-",
        sum(batch["images"].values()),
        "yes" if batch["has_error"] else "-",
        _note(batch),
    )


def _note(batch: dict[str, Any]) -> str:
    counts = [
        f"{batch[key]} {word}"
        for key, word in (
            ("excluded", "excluded"),
            ("held_images", "held"),
            ("rejected", "rejected"),
            ("unreadable", "unreadable"),
        )
        if batch[key]
    ]
    notes = [", ".join(counts), batch["held"] or ""]
    if batch["retry_at"]:
        notes.append(f"tried again at {batch['retry_at']}")
    return " ".join(note for note in notes if note)


def _images(batch: dict[str, Any]) -> str:
    by_state = [f"{number} {state}" for state, number in batch["images"].items() if number]
    return ", ".join([*by_state, *filter(None, [_counts_beside(batch)])]) or "none"


def _counts_beside(batch: dict[str, Any]) -> str:
    return _note({**batch, "held": None, "retry_at": None})
