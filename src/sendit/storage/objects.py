"""What object stores have in common: what a store must be able to do, and what it tells.

A store knows objects by key.  It never overwrites: whoever puts an object where one stands
already is told so and compares.  What an answer of a store means is the store's matter; what
may be sent, and what counts as proof, is ``object_target``'s.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sendit.errors import TargetUnavailable
from sendit.storage.archive import Entry
from sendit.storage.base import Progress
from sendit.storage.together import Traffic

if TYPE_CHECKING:
    from typing_extensions import Buffer as WriteableBuffer

DICOM = "application/dicom"
GZIP = "application/gzip"
OTHER = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Held:
    """One object as the store describes it."""

    key: str
    size: int
    """Bytes."""
    version: str = ""
    """Version or generation; empty when the store does not count any."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """What the store has computed of the whole content, in hexadecimal: ``sha256 md5 crc32c``."""
    mark: str = ""
    """Another digest that changes with the content (an ETag of many parts)."""

    @property
    def digest(self) -> str:
        """What a receipt keeps of it."""
        told = [f"{name}:{value}" for name, value in sorted(self.digests.items())]
        return " ".join(told) or (f"etag:{self.mark}" if self.mark else "")


class Reading(Protocol):
    """The content of an object, read once from start to end."""

    held: Held

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""


class ObjectStore(Protocol):
    """One bucket."""

    @property
    def location(self) -> str:
        """Which bucket it is, in a line without secrets."""

    def connected(self) -> AbstractContextManager[None]:
        """While this lasts, connections are kept."""

    def put_file(self, key: str, entry: Entry, kind: str, traffic: Traffic) -> Held | None:
        """Store a file unless something stands there already; then return None.

        What the store says that it holds is compared with the file; when it says nothing of
        that, None is returned, too.
        """

    def put_blocks(
        self,
        key: str,
        blocks: Callable[[], Iterable[bytes]],
        kind: str,
        *,
        at_most: int,
        progress: Progress,
    ) -> Held | None:
        """Store what comes block by block; as ``put_file``.

        Parameters
        ----------
        blocks
            Makes them, the same ones each time; anew when a connection was lost.
        at_most
            About how many bytes there can be.
        """

    def head(self, key: str, traffic: Traffic) -> Held | None:
        """Describe an object, or return None when there is none."""

    def is_of(self, held: Held, blocks: Iterable[bytes], *, at_most: int) -> bool:
        """Say whether what the store tells of an object proves that it is these bytes.

        Nothing is fetched; no is also the answer where the store tells too little.
        """

    def reading(self, key: str, traffic: Traffic) -> AbstractContextManager[Reading | None]:
        """Open an object, or None when there is none."""

    def keys(self, prefix: str, traffic: Traffic) -> Iterator[str]:
        """Return the keys that begin so; none where listing is not allowed."""

    def delete(self, held: Held, traffic: Traffic) -> str:
        """Remove an object, prove that it is gone, and return why it is not, if it is not."""

    def remains(self, key: str, traffic: Traffic) -> str:
        """Return what is kept of a key that is gone (older versions), if anything is."""


class WholeReading(io.RawIOBase):
    """Reads an answer, tells of the traffic, and notices when it ends too early."""

    def __init__(self, stream: "_Stream", held: Held, traffic: Traffic, *, location: str) -> None:
        super().__init__()
        self.held = held
        self._stream = stream
        self._traffic = traffic
        self._left = held.size
        self._location = location

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Put the next bytes into a buffer; return how many.

        Raises
        ------
        sendit.errors.TargetUnavailable
            When the connection ends before the object does.
        """
        place = memoryview(buffer).cast("B")
        block = self._stream.read(len(place))
        self._left -= len(block)
        if not block and self._left > 0 and place:
            raise TargetUnavailable(
                f"{self._location} ended the connection before an object's end."
            )
        self._traffic.tell(len(block))
        place[: len(block)] = block
        return len(block)


class _Stream(Protocol):
    def read(self, amt: int | None = None, /) -> bytes: ...
