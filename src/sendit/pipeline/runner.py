"""Run one step of one batch: claim, do, write down the result.

``Runner.advance`` is all that a worker calls, in every mode.  It never waits: when
somebody else is on the batch it says ``IDLE``.
"""

import errno
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum

from django.db import InterfaceError, OperationalError

from sendit.config import Configuration, Project
from sendit.errors import (
    DiskFull,
    LeaseLost,
    SenditError,
    StageError,
)
from sendit.pipeline import machine
from sendit.pipeline.asking import Asking
from sendit.pipeline.flow import LONGEST, STAGES
from sendit.pipeline.log_context import working_on
from sendit.pipeline.machine import SHARED, Claim, Event
from sendit.pipeline.pace import Pace
from sendit.pipeline.pausing import wait_until
from sendit.pipeline.stages import deidentify
from sendit.pipeline.stages.incomplete import let_whole_series_go_on
from sendit.pipeline.work import Work
from sendit.pipeline.workspace import Workspace
from sendit.pipeline.zones import zone_of
from sendit.records.models import Batch
from sendit.records.prepared import Prepared
from sendit.terms import Stage, Zone

logger = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
AWAY = (OperationalError, InterfaceError)
"""The database is away or busy: nothing can be written down, and it is not the batch's fault."""
STOPPED = "stopped"
BRINGS = (Event.EMPTIED, Event.WITHHELD, Event.DELIVERED, Event.PROVEN)
"""After these it may be that a series is whole of which a batch holds a part back."""
SLOWEST = 10_000_000
"""Bytes a second; a lease is lengthened by what a large image may take at this speed."""

_LINE = "%s of batch %d %s"

_NEXT = Prepared(lambda now: Batch.objects.claimable(now).values_list("pk")[:1])
_BATCH = Prepared(lambda batch: Batch.objects.filter(pk=batch))
_WITHOUT_NAMES = Prepared(lambda batch: Batch.objects.filter(pk=batch).defer("uid", "folder"))


class Step(Enum):
    """What the caller does next."""

    AGAIN = "there is more to do at this stage of the batch"
    MOVED = "the batch stands at another stage now, and we took it there"
    IDLE = "others are on it, or nothing is due"


def utc_now() -> datetime:
    """Return the time that every row is stamped with."""
    return datetime.now(UTC)


class Runner:
    """Advances batches, one step at a time; one for each worker process.

    Parameters
    ----------
    configuration
        The installation and its projects.
    site_key
        The installation's key, from which the keys of each namespace are derived.
    worker
        This process, as ``workers.names`` writes it; stands in claims and in the audit trail.
    watch
        Told, at the beginning and whenever the step gets on, when it must have got on again
        (``None``: it has ended) and whose step it is, so that a supervisor can end a process
        that is stuck.
    stopping
        Says whether the process was told to stop; the step then lets go of its claim.
    zone
        Where this process runs, if a site keeps its zones apart; it takes no step of another one.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        site_key: bytes,
        worker: str,
        watch: Callable[[datetime | None, int], None] = lambda _until, _batch: None,
        stopping: Callable[[], bool] = lambda: False,
        zone: Zone | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        self._site_key = site_key
        self._worker = worker
        self._watch = watch
        self._stopping = stopping
        self._zone = zone
        self._now = now
        self._workspace = Workspace(configuration.settings.work_dir)
        self._engines: tuple[int, deidentify.Engines] | None = None
        self._asking = (0, Asking())
        """What import saw of a batch that may be identified next."""
        self._at_hand: Batch | None = None
        """The batch of the last step, if that was a chunk: the claim sees what has changed."""
        self._projects: dict[str, Project] = {}

    def next_batch(self, *, only: Collection[int] | None = None) -> int | None:
        """Return the batch that should be worked on next, if any."""
        if only is None:
            found = _NEXT.row(now=self._now())
            return None if found is None else int(found[0])
        claimable = Batch.objects.claimable(self._now()).filter(pk__in=only)
        return claimable.values_list("pk", flat=True).first()

    def advance(self, batch_id: int) -> Step:
        """Do one step: an exclusive stage, or one chunk of a shared one."""
        batch, self._at_hand = self._at_hand, None
        if batch is None or batch.pk != batch_id:
            found = self._read(batch_id)
            if not found or not found[0].stage or not self._is_ours(found[0]):
                return Step.IDLE
            batch = found[0]
        stage = Stage(batch.stage)
        try:
            with working_on(batch=batch_id, stage=stage):
                return self._chunk(batch) if stage is SHARED else self._stage(batch, stage)
        finally:
            self._watch(None, batch_id)

    def _read(self, batch_id: int) -> list[Batch]:
        # The zone with the way out has no use for what identifies, so it does not read it.
        batch = _WITHOUT_NAMES if self._zone is Zone.OUT else _BATCH
        found: list[Batch] = batch.objects(batch=batch_id)
        return found

    def _is_ours(self, batch: Batch) -> bool:
        return self._zone is None or zone_of(batch, now=self._now()) is self._zone

    def _stage(self, batch: Batch, stage: Stage) -> Step:
        now = self._now()
        if (until := wait_until(self._project(batch), stage, now=now)) is not None:
            machine.wait(batch.pk, stage, until=until, now=now)
            return Step.IDLE
        claim = machine.claim(
            batch.pk,
            stage,
            worker=self._worker,
            lease=self._settings.workers.lease,
            tries=self._settings.workers.tries,
            now=self._now(),
        )
        if claim is None:
            return Step.IDLE
        with _Boundary(self, claim) as boundary:
            [batch] = self._read(batch.pk)
            outcome = STAGES[stage](self._work(batch, claim, longest=LONGEST[stage]))
            if outcome.event is None:
                machine.put_off(claim, outcome.again_at, now=self._now(), waits=outcome.waits)
            else:
                machine.move(
                    claim,
                    outcome.event,
                    now=self._now(),
                    findings=outcome.findings,
                    again=outcome.again,
                )
        if boundary.ending == "done" and outcome.event in BRINGS:
            let_whole_series_go_on(batch, now=self._now())
        level = logging.WARNING if boundary.ending.startswith(STOPPED) else logging.INFO
        over = boundary.ending != "done" or outcome.event is not None
        logger.log(level, _LINE, stage, batch.pk, boundary.ending if over else "goes on later")
        return Step.MOVED if boundary.ending == "done" else Step.IDLE

    def _chunk(self, batch: Batch) -> Step:
        workers = self._settings.workers
        claim = machine.claim_images(
            batch.pk,
            worker=self._worker,
            chunk=workers.chunk,
            lease=workers.lease,
            tries=workers.tries,
            now=self._now(),
        )
        if claim is None:
            return Step.MOVED if self._settle(batch.pk) else Step.IDLE
        settled = False
        with _Boundary(self, claim) as boundary:
            claim = self._lengthened(claim)
            work = self._work(batch, claim, longest=self._settings.limits.instance_timeout)
            chunk = deidentify.run_chunk(work, self._engines_of(work))
            machine.finish_images(
                claim,
                chunk.results,
                elements=chunk.listed_elements(),
                findings=chunk.findings,
                now=self._now(),
                treatments=chunk.treatments,
            )
            settled = not claim.more and self._settle(batch.pk)
        logger.debug("%d images of batch %d %s", len(claim.image_ids), batch.pk, boundary.ending)
        if boundary.ending != "done":
            return Step.IDLE
        if settled:
            let_whole_series_go_on(batch, now=self._now())
            return Step.MOVED
        self._at_hand = batch
        return Step.AGAIN

    def _settle(self, batch_id: int) -> bool:
        """Move a batch on whose last image is done, without what killed workers left of results."""
        if not machine.anything_open(batch_id):
            # Whoever still writes there is only slow, and has lost its claim.
            self._workspace.remove(self._workspace.new(batch_id))
        settled = machine.settle(batch_id, now=self._now())
        if settled:
            logger.info(_LINE, SHARED, batch_id, "done")
        return settled

    def _work(self, batch: Batch, claim: Claim, *, longest: timedelta) -> Work:
        pace = Pace(
            claim, longest=longest, now=self._now, watch=self._watch, stopping=self._stopping
        )
        return Work(
            batch=batch,
            project=self._project(batch),
            settings=self._settings,
            workspace=self._workspace,
            site_key=self._site_key,
            claim=claim,
            progress=pace.got_on,
            waiting=pace.waiting,
            now=self._now,
            zone=self._zone,
            asking=self._asking_of(batch.pk),
        )

    def _lengthened(self, claim: Claim) -> Claim:
        extra = timedelta(seconds=max(image.size for image in claim.images) / SLOWEST)
        if extra < timedelta(seconds=1):
            return claim
        longer = replace(claim, lease=claim.lease + extra)
        machine.renew(longer, now=self._now())
        return longer

    def _project(self, batch: Batch) -> Project:
        """Return the project as it was when the batch was registered, with today's secrets."""
        digest = batch.profile_id
        if digest not in self._projects:
            self._projects[digest] = Project.from_snapshot(
                batch.profile.content, secrets_from=self._configuration.projects.get(batch.project)
            )
        return self._projects[digest]

    def _engines_of(self, work: Work) -> deidentify.Engines:
        if self._engines is None or self._engines[0] != work.batch_id:
            self._engines = (work.batch_id, deidentify.Engines(work))
        return self._engines[1]

    def _asking_of(self, batch_id: int) -> Asking:
        if self._asking[0] != batch_id:
            self._asking = (batch_id, Asking())
        return self._asking[1]

    def failed(self, claim: Claim, error: SenditError) -> None:
        """Write down how a claim ended that did not succeed."""
        machine.fail(claim, error, tries=self._settings.workers.tries, now=self._now())


class _Boundary:
    """The edge of a stage: whatever goes wrong inside becomes a state of the batch."""

    def __init__(self, runner: Runner, claim: Claim) -> None:
        self._runner = runner
        self._claim = claim
        self.ending = "done"

    def __enter__(self) -> "_Boundary":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, AWAY):
            return False
        known = _as_sendit_error(error, self._claim)
        self.ending = f"{STOPPED}: {known.code}"
        try:
            self._runner.failed(self._claim, known)
        except LeaseLost:
            self.ending = "lost to another worker"
        return True


def _as_sendit_error(error: Exception, claim: Claim) -> SenditError:
    if isinstance(error, SenditError):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return DiskFull(
            f"Batch {claim.batch_id}: no room left during {claim.stage}; it goes on by itself "
            "when there is."
        )
    if isinstance(error, OSError):
        reason = os.strerror(error.errno or 0)
        return StageError(
            f"The operating system refused something in {claim.stage}{_place(error)}: {reason}."
        )
    # The text of a foreign exception may quote what it read: only its type and place are told.
    return StageError(
        f"{claim.stage} failed unexpectedly with {type(error).__name__}{_place(error)}."
    )


def _place(error: Exception) -> str:
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "sendit" in code.co_filename:
            name = code.co_filename.rpartition("sendit/")[2]
            place = f" at {name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
