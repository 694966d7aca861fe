"""Keep a claim while its stage gets on, and end what takes too long."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sendit.errors import DeadlineExceeded, Interrupted
from sendit.pipeline import machine
from sendit.pipeline.flow import LONGEST_SILENCE
from sendit.pipeline.machine import Claim


class Pace:
    """What a stage tells as it gets on with a claim.

    The lease is renewed when a third of it is used up.  For an exclusive stage the deadline
    stands from the start.  For a chunk it begins anew with each image: one that came to its end
    late is as good as another, one that does not is ended from outside.

    Parameters
    ----------
    claim
        What is worked on.
    longest
        How long the stage, or an image, may take.
    now
        The clock.
    watch
        Told by when the claim must have got on again, and its batch.
    stopping
        Whether the process was told to stop.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        longest: timedelta,
        now: Callable[[], datetime],
        watch: Callable[[datetime | None, int], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._longest = longest
        self._now = now
        self._watch = watch
        self._stopping = stopping
        self._renewed = now()
        self._deadline = self._renewed + longest
        self._silent_until = self._deadline
        self._tell(self._renewed)

    def got_on(self) -> None:
        """Keep the claim, since an image or a block is done.

        Raises
        ------
        sendit.errors.Interrupted, sendit.errors.DeadlineExceeded, sendit.errors.LeaseLost
            When it is not to go on.
        """
        now = self._now()
        self._require_leave(now, deadline=None if self._claim.image_ids else self._deadline)
        if self._claim.image_ids:
            self._deadline = now + self._longest
        self._tell(now)
        self._renew(now)

    def waiting(self) -> None:
        """Keep the claim although nothing was done, while an answer may still come.

        Raises
        ------
        sendit.errors.Interrupted, sendit.errors.DeadlineExceeded, sendit.errors.LeaseLost
            When it is not to go on.
        """
        now = self._now()
        self._require_leave(now, deadline=self._deadline)
        if now <= self._silent_until:
            self._renew(now)

    def _require_leave(self, now: datetime, *, deadline: datetime | None) -> None:
        batch_id = self._claim.batch_id
        if self._stopping():
            raise Interrupted(f"Batch {batch_id}: the worker was told to stop.")
        if deadline is not None and now > deadline:
            raise DeadlineExceeded(
                f"Batch {batch_id}: {self._claim.stage} took longer than {self._longest}."
            )

    def _tell(self, now: datetime) -> None:
        silent_until = now + LONGEST_SILENCE
        by_image = bool(self._claim.image_ids)
        self._silent_until = self._deadline if by_image else min(self._deadline, silent_until)
        self._watch(self._silent_until, self._claim.batch_id)

    def _renew(self, now: datetime) -> None:
        if now - self._renewed > self._claim.lease / 3:
            machine.renew(self._claim, now=now)
            self._renewed = now
