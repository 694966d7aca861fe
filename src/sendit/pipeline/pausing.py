"""Stop and go on: the whole node, one project, or one target.

Nothing that runs is broken off.  A paused node or project takes no further step and lets
nothing in; batches for a paused target come as far as ``send`` and wait there.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches

from sendit.config import Configuration, Project
from sendit.config.windows import opens_at
from sendit.errors import UsageError
from sendit.pipeline import machine
from sendit.records.models import Batch, Pause
from sendit.terms import Stage, Status

OUTWARD = (Stage.SEND, Stage.VERIFY)
LOOK_AGAIN = timedelta(seconds=30)
"""How long until a batch for a paused target is looked at again; ``resume`` ends the wait."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """What is paused now."""

    node: bool = False
    projects: frozenset[str] = field(default_factory=frozenset)
    targets: frozenset[str] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.node or self.projects or self.targets)

    def resume_of(self, project: str, target: str) -> str:
        """Return the words that let a project's target go on; empty when it is not paused."""
        if self.node:
            return "resume"
        if project in self.projects:
            return f"resume --project {project}"
        return f"resume --target {target}" if target in self.targets else ""


def paused() -> Pauses:
    """Return what is paused now."""
    rows = list(Pause.objects.values_list("kind", "name"))
    return Pauses(
        node=any(kind == Pause.NODE for kind, _ in rows),
        projects=frozenset(name for kind, name in rows if kind == Pause.PROJECT),
        targets=frozenset(name for kind, name in rows if kind == Pause.TARGET),
    )


def pause(
    configuration: Configuration, *, project: str | None = None, target: str | None = None
) -> bool:
    """Pause the node, a project or a target; False when it is paused already.

    Raises
    ------
    sendit.errors.UsageError
        When there is no such project or target.
    """
    kind, name = _what(configuration, project=project, target=target)
    return Pause.objects.get_or_create(kind=kind, name=name)[1]


def resume(
    configuration: Configuration,
    *,
    project: str | None = None,
    target: str | None = None,
    now: datetime,
) -> bool:
    """Let the node, a project or a target go on; False when it was not paused.

    Raises
    ------
    sendit.errors.UsageError
        When there is no such project or target.
    """
    kind, name = _what(configuration, project=project, target=target)
    removed, _ = Pause.objects.filter(kind=kind, name=name).delete()
    if removed and kind == Pause.TARGET:
        machine.wait_no_longer(OUTWARD, now=now)
    return bool(removed)


def wait_until(project: Project, stage: Stage, *, now: datetime) -> datetime | None:
    """Return until when a batch must not go on at a stage; None: it may."""
    if stage not in OUTWARD:
        return None
    names = [target.name for target in project.targets]
    if Pause.objects.filter(kind=Pause.TARGET, name__in=names).exists():
        return now + LOOK_AGAIN
    return opens_at(project.send_window, now=now) if stage == Stage.SEND else None


def why_waiting(
    batch: Batch, pauses: Pauses, *, targets: Set[str] = frozenset(), now: datetime
) -> str | None:
    """Return why a batch that nothing is wrong with does not go on, in words for an operator.

    ``targets`` are those that the batch goes to; they matter only while one is paused.
    """
    if not batch.stage or batch.status in (Status.ERROR, Status.DONE, Status.EMPTY):
        return None
    if pauses.node:
        return 'The node is paused; "sendit resume" lets it go on.'
    if batch.project in pauses.projects:
        return (
            f"Project {batch.project} is paused; "
            f'"sendit resume --project {batch.project}" lets it go on.'
        )
    if batch.stage in OUTWARD and batch.due_at is not None and batch.due_at > now:
        if stopped := sorted(pauses.targets & targets):
            what = "Target" if len(stopped) == 1 else "Targets"
            verb = "is" if len(stopped) == 1 else "are"
            return (
                f'{what} {", ".join(stopped)} {verb} paused; "sendit resume --target '
                f'{stopped[0]}" lets it go on.'
            )
        local = batch.due_at.astimezone()
        return (
            f"Waits to be sent (send_window, hold_releases, or a target's next try); goes on at "
            f"{local:%Y-%m-%d %H:%M %Z}."
        )
    return None


def _what(
    configuration: Configuration, *, project: str | None, target: str | None
) -> tuple[str, str]:
    if project is not None:
        _require(project, configuration.projects, "project")
        return Pause.PROJECT, project
    if target is not None:
        targets = {t.name for p in configuration.projects.values() for t in p.targets}
        _require(target, targets, "target")
        return Pause.TARGET, target
    return Pause.NODE, ""


def _require(name: str, known: Iterable[str], what: str) -> None:
    known = sorted(known)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"There is no {what} of that name.{meant} There are: {', '.join(known)}.")
