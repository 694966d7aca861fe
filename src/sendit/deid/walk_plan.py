"""What a walk is told, and what it tells: plans, slots, events, stretches.

A ``Plan`` says for each attribute whether it is kept as it is, reported, or entered; ``Walked``
is the list of what was reported, with offsets (``walk.py``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from sendit.deid.syntax import LONG_VRS, SHORT_VRS, Syntax, damaged_text
from sendit.errors import Unreadable
from sendit.terms import Reason

T = TypeVar("T")

MAX_SLOTS: Final = 20_000
"""Attributes that a plan remembers; then it begins anew."""

SHORT_FORM, LONG_FORM, IMPLICIT_FORM = 0, 1, 2


class Kind(IntEnum):
    """What the walk does at an element."""

    KEEP = 0
    REPORT = 1
    ENTER = 2
    BULK = 3
    """Pixels: the walk stops here, and the caller goes on behind them."""
    SWITCH = 4
    """Reported, and the plan changes for what follows (Specific Character Set)."""
    DELIMITER = 5
    STRETCH = 6
    """Here may begin what was met before, byte for byte (``stretches.py``)."""


KEEP, REPORT, ENTER, BULK, SWITCH, DELIMITER, STRETCH = (int(kind) for kind in Kind)


class Slot(NamedTuple):
    """What a plan says about one attribute."""

    tag: int
    kind: int
    form: int
    rule: Any  # the caller's own object; the walk only hands it back
    child: "Plan | None" = None
    """Plan for the items, when entered."""


class Memory(Protocol):
    """Remembers what comes again."""

    def learn(self, plan: "Plan", data: bytes, found: "Walked", /) -> None:
        """Look at what was walked from the beginning under ``plan``."""


class Plan(dict[bytes, Slot], ABC):
    """Slots by the bytes that begin an element; made on first sight by ``slot_for``.

    Subclasses say what happens to an attribute.  A plan belongs to one syntax, one path of
    sequences and one character set.
    """

    opaque = False
    """Whether items are bytes and not elements (fragments of pixel data)."""
    memory: "Memory | None" = None
    """What remembers stretches, in the plan that an outermost data set begins with."""

    def __init__(self, syntax: Syntax) -> None:
        super().__init__()
        self.syntax = syntax

    @abstractmethod
    def slot_for(self, tag: int, vr: bytes) -> tuple[int, Any, "Plan | None"]:
        """Return kind, rule and child for an attribute; ``vr`` is empty if implicit."""

    def after(self, tag: int, value: bytes) -> "Plan":
        """Return the plan for what follows a ``SWITCH`` of this value."""
        del tag, value
        return self

    def __missing__(self, key: bytes) -> Slot:
        syntax = self.syntax
        if len(key) < syntax.key_width:
            raise ShortBuffer
        if not any(key):
            raise Zeros
        if len(self) >= MAX_SLOTS:
            self.clear()
        tag = syntax.tag_at(key, 0)
        if tag == 0xFFFEE00D:
            slot = Slot(tag, DELIMITER, IMPLICIT_FORM, None)
        elif tag >> 16 == 0xFFFE:
            raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} outside a sequence")
        elif not syntax.explicit:
            slot = self._slot(tag, b"", IMPLICIT_FORM)
        else:
            vr = key[4:6]
            slot = self._slot(tag, vr, _form_of(tag, vr))
        self[key] = slot
        return slot

    def _slot(self, tag: int, vr: bytes, form: int) -> Slot:
        kind, rule, child = self.slot_for(tag, vr)
        return Slot(tag, kind, form, rule, child)


def _form_of(tag: int, vr: bytes) -> int:
    if vr in SHORT_VRS:
        return SHORT_FORM
    if vr in LONG_VRS:
        return LONG_FORM
    if vr.isalpha() and vr.isupper():
        # PS3.5 7.1.2: a VR that is added in the future has a 32-bit length.
        return LONG_FORM
    raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} has no valid VR")


class ShortBuffer(LookupError):
    """The buffer ends inside an element header."""


class Zeros(ShortBuffer):
    """Zeros stand where an element has to begin: the file is filled up with them, or broken."""


class Mark(IntEnum):
    """In the place of a rule: a container with a defined length begins or ends."""

    OPEN = 1
    CLOSE = 2
    SKIP = 3
    """Reported because its length is odd, but inside something that goes."""


OPEN, CLOSE = Mark.OPEN, Mark.CLOSE

Event: TypeAlias = tuple[Any, int, int, int]
"""(rule, position of the element, start and stop of its value); for ``OPEN`` (mark, position of
the length field, length, 0)."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Stretch:
    """Elements of the outermost data set that come again, and what a walk over them told.

    In the place of a rule: all of them stand here.
    """

    data: bytes = field(repr=False)
    tops: tuple[int, ...]
    """Positions of the elements, in ``data``; as those of the events."""
    events: tuple[Event, ...] = field(repr=False)
    last: int
    """The last tag."""
    plan: Plan = field(repr=False)
    """The plan in force behind."""
    open_group: bytes = b""
    """How elements begin of a private group that it ends with; empty: it ends with none."""
    _told: dict[Callable[["Stretch"], Any], Any] = field(default_factory=dict, repr=False)

    def stands_at(self, data: bytes, pos: int) -> bool:
        """Return whether it stands there; a private group has to end with it, as it did before."""
        return data.startswith(self.data, pos) and not (
            self.open_group and data.startswith(self.open_group, pos + len(self.data))
        )

    def once(self, ask: Callable[["Stretch"], T]) -> T:
        """Return what ``ask`` says of the stretch; it is asked once."""
        if ask not in self._told:
            self._told[ask] = ask(self)
        told: T = self._told[ask]
        return told


@dataclass(slots=True)
class Walked:
    """Where a walk ended and what it reported."""

    events: list[Event] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)
    """Positions of the elements of the outermost data set."""
    stopped_at: tuple[Slot, int, int, int] | None = None
    """The element at which the walk stopped: slot, position, start of the value, length."""
    wants: int = 0
    """Bytes that the buffer must at least hold; 0 when it was enough."""
    plan: Plan | None = None
    """The plan in force at the end (the character set may have changed it)."""
    last: int = -1
    disorder: int = -1
    """First tag that is not above its forerunner, or -1."""
    odd: int = 0
    padding: int = -1
    """Where zeros begin that fill the file up behind the last element; or -1."""
    remembered: int = 0
    """How many of ``tops`` stand in stretches."""
