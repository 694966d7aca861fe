"""What a rule is: one attribute at one place under one recipe, and what is done with it.

A ``Rule`` knows its action and turns the bytes of a value into the bytes of a whole new element.
The answer depends on the value and on the ``Context`` (who the patient becomes) alone, so the
engine remembers it.  The actions themselves stand in ``actions``.
"""

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias
from weakref import WeakKeyDictionary

from sendit.deid.identities import Identity
from sendit.deid.syntax import Syntax
from sendit.deid.text import Cleaner
from sendit.deid.uids import NewUids
from sendit.deid.walk_plan import Stretch
from sendit.errors import Unreadable
from sendit.terms import Reason

MAX_TEXT: Final = 1 << 19
"""Bytes of text in one instance; a long report has a tenth of that."""
MAX_REMEMBERED: Final = 20_000
"""Answers of one rule beyond which they are forgotten with the next instance."""
LONG_VALUE: Final = 4096


class Note(NamedTuple):
    """What was done, for the report: a path of tags, an action, a rule."""

    path: str
    action: str
    rule: str


Result: TypeAlias = tuple[bytes | None, Note | None]
"""The whole new element (None: as it was, empty: gone) and what to say about it."""

UNCHANGED: Final[Result] = (None, None)


class Act(Protocol):
    """How an action turns a value into a result."""

    def __call__(self, rule: "Rule", value: bytes, context: "Context", /) -> Result:
        """Return what becomes of the element."""


@dataclass(slots=True)
class Answer:
    """What becomes of a value, for each time that it comes again (identifying)."""

    new: bytes | None = field(repr=False)
    note: Note | None
    cost: int
    """Bytes of text that were looked at for it."""
    counted: int
    """The instance in which they were counted last, by its number."""


@dataclass(slots=True)
class Context:
    """Who one patient's Study becomes, and the answers given so far (identifying)."""

    identity: Identity
    uids: NewUids
    cleaner: Cleaner = field(repr=False)
    memos: list[dict[bytes, Answer]] = field(default_factory=list, repr=False)
    """By the index of a rule: value → answer; of code meanings, those that name nobody."""
    stretches: MutableMapping[Stretch, tuple[bytes | None, Sequence[Note], int]] = field(
        default_factory=WeakKeyDictionary, repr=False
    )
    """What stands in the place of a stretch (None: it stays), what was done, and how many bytes of
    text were looked at for it; as long as the stretch itself is remembered."""
    concept: bytes = b""
    """Code of the concept name that was met last: what a content item speaks of."""
    unit: bytes = b""
    """Code of the unit of the measured value that is being read."""
    number: int = 0
    """How many instances were begun."""
    text_left: int = MAX_TEXT
    """Bytes of text of the instance at hand that may still be looked at."""
    scheme: bytes = b""
    """Coding Scheme Designator of the coded term that is being read."""
    listed: Mapping[str, re.Pattern[str]] = field(default_factory=dict, repr=False)
    """What finds the values that lists of the site took from the instance, by list."""
    last_long: dict[int, bytes] = field(default_factory=dict, repr=False)
    """By the index of a rule: the one long value that is remembered."""
    overgrown: bool = False
    """Whether more is remembered than is meant to be."""

    def begin(self) -> None:
        """Turn to another data set, whose texts count afresh and whose items said nothing yet."""
        self.concept = self.unit = self.scheme = b""
        self.number += 1
        self.text_left = MAX_TEXT
        # Not in between: a text that an instance has twice counts once, whatever others had.
        if self.overgrown:
            self.overgrown = False
            for memo in self.memos:
                if len(memo) >= MAX_REMEMBERED:
                    memo.clear()

    def ask(self, act: "Act", rule: "Rule", value: bytes) -> Answer:
        """Return what becomes of a value, and what it cost."""
        left = self.text_left
        new, note = act(rule, value, self)
        return Answer(new, note, left - self.text_left, self.number)

    def remember(self, rule: "Rule", value: bytes, answer: Answer) -> None:
        """Keep the answer of a rule for when the value comes again."""
        memo = self.memos[rule.index]
        if len(value) > LONG_VALUE:
            # Of long values (vendor headers) only the last is kept: it often comes again.
            memo.pop(self.last_long.get(rule.index, value), None)
            self.last_long[rule.index] = value
        if len(memo) >= MAX_REMEMBERED:
            self.overgrown = True
            if not answer.cost:
                return
        memo[value] = answer

    def count(self, answer: Answer) -> None:
        """Count the text of a value that comes again: once in each instance, as if it were new."""
        if answer.counted != self.number:
            answer.counted = self.number
            self.spend(answer.cost)

    def spend(self, length: int) -> None:
        """Count text that is looked at.

        Raises
        ------
        sendit.errors.Unreadable
            With ``TOO_LARGE``, so that no file can keep a process busy for minutes.
        """
        self.text_left -= length
        if self.text_left < 0:
            raise Unreadable(Reason.TOO_LARGE, f"has more than {MAX_TEXT} bytes of text")


@dataclass(slots=True, eq=False)
class Rule:
    """One attribute at one place."""

    index: int
    tag: int
    vr: bytes
    syntax: Syntax
    charset: bytes
    """Value of Specific Character Set in force."""
    note: Note
    act: "Act"
    fixed: Result | None = None
    """The result, when it is the same for every value."""
    role: str = ""
    """What the engine itself needs the value for."""
    gathers: bool = False
    """Whether the value may say who somebody is."""
    required: bool = False
    """Whether the IOD wants a value here (type 1)."""
    conceptual: bool = False
    """Whether the result depends on the concept of the content item around it."""
    block: int = 0
    """Level and tag of the private creator that has to stay with the element."""
    as_utf8: bool = False
    """Whether texts are written in UTF-8, since the declared character set is wrong."""

    @property
    def drops(self) -> bool:
        """Whether the element goes, whatever it holds."""
        return self.fixed is not None and self.fixed[0] == b""

    def element(self, value: bytes) -> bytes:
        """Return the element with another value."""
        return self.syntax.element(self.tag, self.vr, value)
