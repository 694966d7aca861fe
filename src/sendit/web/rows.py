"""A batch as one line of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # a batch as ``describe`` tells it is a JSON object

from sendit.metrics.said import Said, said_once
from sendit.metrics.standing import Standing, standing
from sendit.metrics.status import describe_to
from sendit.metrics.wording import duration_text, moment_text
from sendit.records.access import Access
from sendit.records.models import Batch
from sendit.records.roles import Right
from sendit.terms import Status

MINUTES = len("2026-05-04 10:15")


@dataclass(frozen=True, slots=True)
class Row:
    """One batch in a list."""

    batch: Batch
    standing: Standing
    told: dict[str, Any]
    started: str
    took: str

    @property
    def n_images(self) -> int:
        """Accepted images."""
        return sum(self.told["images"].values())

    @property
    def n_arrived(self) -> int:
        """Images that every required target has proven to hold."""
        return int(self.told["images"][Status.SENT] + self.told["images"][Status.DONE])

    @property
    def n_left_out(self) -> int:
        """Images that are not sent and no error."""
        return int(self.told["excluded"] + self.told["held_images"])

    @property
    def n_bad(self) -> int:
        """Files that could not be read or may not leave."""
        return int(self.told["unreadable"] + self.told["rejected"])

    @property
    def open_entries(self) -> list[Said]:
        """Errors that nothing and nobody has settled; without any, such alerts."""
        errors, alerts = (
            [entry for entry in self.told[what] if not entry["resolved"]]
            for what in ("errors", "alerts")
        )
        return said_once(errors or alerts)


def rows(batches: Sequence[Batch], access: Access, *, now: datetime) -> list[Row]:
    """Return batches as lines; names of files only where they may be seen."""
    described = describe_to(
        batches, may_see_files=lambda batch: access.may(Right.PHI, batch.project)
    )
    return [
        Row(
            batch=batch,
            standing=standing(batch, now=now, deliveries=told["deliveries"], held=told["held"]),
            told=told,
            started=moment_text(batch.started)[:MINUTES],
            took=_took(batch),
        )
        for batch, told in zip(batches, described, strict=True)
    ]


def _took(batch: Batch) -> str:
    if batch.started is None or batch.finished is None:
        return duration_text(None)
    return duration_text(batch.finished - batch.started)
