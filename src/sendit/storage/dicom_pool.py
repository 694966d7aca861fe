"""A few associations with one peer, each used by one thread at a time and kept for the next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from sendit.storage.dicom_association import Association
from sendit.storage.dicom_peer import Busy
from sendit.storage.together import Traffic


class Pool:
    """Opens associations as they are needed, and no more than the peer lets us have."""

    def __init__(self, opener: Callable[[Traffic], Association], *, at_most: int) -> None:
        self._open = opener
        self._at_most = at_most
        self._idle: list[Association] = []
        self._count = 0
        self._changed = Condition()

    @contextmanager
    def lent(self, traffic: Traffic) -> Iterator[Association]:
        """Lend an association; it is aborted when something goes wrong meanwhile."""
        association = self._take(traffic)
        association.traffic = traffic
        try:
            with traffic.using(association.socket):
                yield association
        except BaseException:
            association.abort()
            self._give(None)
            raise
        self._give(association)

    def close(self) -> None:
        """Release every association."""
        with self._changed:
            idle, self._idle = self._idle, []
        for association in idle:
            association.traffic = Traffic()
            association.release()

    def _take(self, traffic: Traffic) -> Association:
        while True:
            with self._changed:
                while not self._idle and self._count >= self._at_most:
                    self._changed.wait(1)
                    traffic.tell(0)
                if self._idle:
                    return self._idle.pop()
                self._count += 1
            try:
                return self._open(traffic)
            except Busy:
                # The peer has its limit: go on with the associations that stand.
                self._give(None)
                with self._changed:
                    if not self._count:
                        raise
                    self._at_most = self._count
            except BaseException:
                self._give(None)
                raise

    def _give(self, association: Association | None) -> None:
        with self._changed:
            if association is None:
                self._count -= 1
            else:
                self._idle.append(association)
            self._changed.notify()
