"""What retention lets go of a batch, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sendit.config import Project
from sendit.metrics.status import iso
from sendit.metrics.wording import count_text
from sendit.pipeline.retention import due, excluded_numbers, held_back
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Delivery
from sendit.terms import DeliveryState, Status

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Going:
    """One thing of one batch that may go."""

    batch: int
    what: str
    files: int
    bytes: int
    when: datetime
    waits_for: str = ""
    """An optional target that still needs it."""

    def line(self, *, now: datetime) -> str:
        """Return it as a line."""
        size = f" ({count_text(self.files, 'file')}, {self.bytes / 1e6:.1f} MB)"
        what = f"Batch {self.batch}: {self.what}{size if self.files else ''}"
        if self.waits_for:
            return f"{what} when {self.waits_for} has it"
        return f"{what} now" if self.when <= now else f"{what} at {iso(self.when)}"


def going(batch: Batch, workspace: Workspace, *, now: datetime) -> Iterator[Going]:
    """Yield what may go of a batch, now or later; nothing before it is proven."""
    if batch.status not in (Status.DONE, Status.EMPTY):
        return
    project = Project.from_snapshot(batch.profile.content)
    times = due(batch, project, workspace, now=now)
    optional = Delivery.objects.filter(batch=batch, required=False)
    behind = optional.exclude(state=DeliveryState.VERIFIED).order_by("pk")
    waits_for = behind.values_list("target", flat=True).first() or ""
    late = set[str]()
    if waits_for:
        late = {
            what
            for what, moment in held_back(times, project, until=_NEVER).items()
            if moment == _NEVER
        }
    for what, when in times.items():
        if (batch.removals.get(what) or {}).get("gone") is None:
            files = _files(what, batch, workspace)
            yield Going(
                batch.pk,
                what,
                len(files),
                sum(path.stat().st_size for path in files),
                when,
                waits_for if what in late else "",
            )


def _files(what: str, batch: Batch, workspace: Workspace) -> list[Path]:
    phi = workspace.phi(batch.pk)
    excluded = excluded_numbers(batch.pk)
    originals = [*phi.glob("*.dcm"), *phi.glob("excluded/*.dcm")]
    if what == "originals":
        return [path for path in originals if path.stem not in excluded]
    if what == "excluded":
        return [path for path in originals if path.stem in excluded]
    places = {"results": workspace.clean(batch.pk), "previews": workspace.previews(batch.pk)}
    place = places.get(what)
    return [path for path in place.rglob("*") if path.is_file()] if place else []
