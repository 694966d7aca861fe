"""One try of one delivery, and where a batch stands after every delivery had its turn.

Each Delivery has its own state, tries and time; what goes wrong with one is written down
there, and the next has its turn.  The batch waits for the soonest, and stops only when
nothing that is required can go on by itself.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import cache, partial

from django.db.models import Q

from sendit.errors import TargetError, TargetUnavailable
from sendit.pipeline import breaker, machine
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.stages import ledger, packages
from sendit.pipeline.stages.side_by_side import Talk, one_after_another, side_by_side
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery
from sendit.records.prepared import Prepared
from sendit.storage import Progress, Target
from sendit.terms import DeliveryState

logger = logging.getLogger(__name__)

SOON = timedelta(seconds=10)


def serve(
    work: Work,
    act: Callable[[Work, Delivery, Target], Talk[None]],
    states: Collection[DeliveryState],
    *,
    stays: DeliveryState,
    optional_alone: bool = False,
) -> None:
    """Let the deliveries in these states whose time has come have their turns, required ones first.

    They have them at once; those to one receiver one after the other.

    Parameters
    ----------
    work
        Whose deliveries.
    act
        What is to be done with one.
    states
        Which deliveries.
    stays
        Where a delivery stays when that fails and may be tried again.
    optional_alone
        Leave out the deliveries that the batch must have.
    """
    targets = packages.targets_of(work)
    asked = _due(frozenset(states), optional_alone=optional_alone)
    lines: dict[str, list[Talk[None]]] = {}
    for delivery in asked.objects(batch=work.batch_id, now=work.now()):
        target = targets[delivery.target]
        place = ledger.receiver_of(work, delivery.target, target)
        turn = _attempt(work, delivery, partial(act, work, delivery, target), stays=stays)
        lines.setdefault(place, []).append(turn)
    talks = [one_after_another(turns) for turns in lines.values()]
    side_by_side(talks, progress=work.progress, waiting=work.waiting)


@cache
def _due(states: frozenset[DeliveryState], *, optional_alone: bool) -> Prepared:
    which = Q(state__in=sorted(states)) & (Q(required=False) if optional_alone else Q())
    return Prepared(
        lambda batch, now: Delivery.objects.filter(
            which, Q(retry_at=None) | Q(retry_at__lte=now), batch=batch
        ).order_by("-required", "pk")
    )


@cache
def _behind(reached: frozenset[DeliveryState]) -> Prepared:
    """Return the required deliveries that have not reached one of these states."""
    return Prepared(
        lambda batch: (
            Delivery.objects.filter(batch=batch, required=True)
            .exclude(state__in=sorted(reached))
            .order_by("pk")
        )
    )


def _attempt(
    work: Work, delivery: Delivery, act: Callable[[], Talk[None]], *, stays: DeliveryState
) -> Talk[None]:
    """Let one delivery have its turn, unless its target is left alone for now."""
    project, target = work.batch.project, delivery.target
    until = breaker.closed_until(project, target, now=work.now())
    if until is not None:
        machine.delivery_put_off(work.claim, target, until, now=work.now())
        return
    try:
        yield partial(_require_answer, work, target)
    except TargetUnavailable as error:
        # Not tried, so no try is used up: it goes on when its file system answers again.
        breaker.failed(project, target, error, now=work.now())
        machine.delivery_put_off(work.claim, target, work.now() + SOON, now=work.now(), error=error)
        logger.warning("target %s is not asked: its file system does not answer", target)
        return
    try:
        yield from act()
    except TargetError as error:
        error.target = target
        breaker.failed(project, target, error, now=work.now())
        machine.delivery_failed(
            work.claim,
            target,
            error,
            state=stays,
            tries=work.settings.workers.tries,
            now=work.now(),
        )
        logger.warning("delivery to %s did not succeed: %s", target, error.code)
    else:
        breaker.answered(project, target, now=work.now())


def _require_answer(work: Work, name: str, _progress: Progress) -> None:
    next(target for target in work.project.targets if target.name == name).reach()


def standing(work: Work, reached: Collection[DeliveryState]) -> Outcome | None:
    """Return why the batch does not go on yet; None when every required delivery is so far."""
    behind: list[Delivery] = _behind(frozenset(reached)).objects(batch=work.batch_id)
    failed = [delivery for delivery in behind if delivery.state == DeliveryState.FAILED]
    waiting = [delivery for delivery in behind if delivery.state != DeliveryState.FAILED]
    if waiting:
        soon = work.now() + SOON
        return Outcome(None, again_at=min(delivery.retry_at or soon for delivery in waiting))
    if failed:
        return Outcome(Event.GIVEN_UP, tuple(_findings(work, failed)))
    return None


def _findings(work: Work, failed: Sequence[Delivery]) -> list[NewFinding]:
    return [
        NewFinding(error["code"], error["message"], work.claim.stage, target=delivery.target)
        for delivery in failed
        if (error := delivery.error or {"code": TargetError.code, "message": _UNKNOWN})
    ]


_UNKNOWN = 'The delivery failed; run "sendit retry" with --target to try it again.'
