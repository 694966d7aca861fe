"""The bell: rings for batches that nobody has taken up, when messages were lost or never sent.

Workers nudge each other from stage to stage.  The bell is rung by the watcher loop for what
that leaves out: batches just let in, tries that have come due, and messages that a broker
lost.  It rings again only while no message waits, and ever more seldom.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sendit.pipeline.zones import zone_of
from sendit.records.models import Batch
from sendit.terms import Stage, Zone
from sendit.workers.nudge import Nudger

FIRST_WAIT = 4.0
"""Seconds until a batch that was rung for, and not taken up, is rung for again."""
LONGEST_WAIT = 60.0
AT_ONCE = 100
"""So many batches are rung for in one turn."""


@dataclass(slots=True)
class _Rung:
    at: tuple[str, int]
    """The stage and the tries at which it was seen."""
    next: float
    wait: float = FIRST_WAIT


class Bell:
    """Knows what was rung for lately; forgetting that costs a few messages.

    Parameters
    ----------
    nudger
        Carries the messages.
    """

    def __init__(self, nudger: Nudger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._nudger = nudger
        self._clock = clock
        self._rung: dict[int, _Rung] = {}

    def ring(self, *, now: datetime) -> int:
        """Nudge for what is due and in nobody's hands; return how often."""
        batches = list(Batch.objects.untouched(now).select_related("profile")[:AT_ONCE])
        self._rung = {b.pk: self._rung[b.pk] for b in batches if b.pk in self._rung}
        waiting: dict[Zone, int | None] = {}
        rung = 0
        for batch in batches:
            if not self._is_time(batch):
                continue
            zone = zone_of(batch, now=now)
            if zone not in waiting:
                waiting[zone] = self._nudger.waiting(zone)
            if waiting[zone] is None:
                continue  # nobody would hear it; the next turn looks again
            if not waiting[zone] or self._is_new(batch):
                if not self._nudger.nudge(batch.pk, zone):
                    continue
                rung += 1
            self._put_off(batch)
        return rung

    def _is_time(self, batch: Batch) -> bool:
        known = self._rung.get(batch.pk)
        if known is None or known.at != _place(batch):
            # Between two stages a batch is in nobody's hands for a moment: look once more.
            wait = 0.0 if batch.stage == Stage.IMPORT else 1.0
            self._rung[batch.pk] = known = _Rung(_place(batch), self._clock() + wait)
        return self._clock() >= known.next

    def _is_new(self, batch: Batch) -> bool:
        return self._rung[batch.pk].wait == FIRST_WAIT

    def _put_off(self, batch: Batch) -> None:
        known = self._rung[batch.pk]
        known.next = self._clock() + known.wait
        known.wait = min(known.wait * 2, LONGEST_WAIT)


def _place(batch: Batch) -> tuple[str, int]:
    return batch.stage, batch.attempts
