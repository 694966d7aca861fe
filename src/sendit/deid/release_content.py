"""One file as the release check sees it: levels of elements, without the pixels.

Each element is a number that holds its tag and VR, and its value in little endian.
``release_reader`` makes these, the other parts of the gate look at them.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
EXPLICIT = "1.2.840.10008.1.2.1"


_CHARSET = 0x00080005
_ODD_GROUP = 1 << 32

Key: TypeAlias = int
"""``tag << 16 | VR``, the VR as two ASCII bytes."""
Element: TypeAlias = tuple[Key, bytes]
Creators: TypeAlias = frozenset[tuple[int, str]]


@dataclass(slots=True)
class Level:
    """One data set: the main one, or an item of a sequence."""

    leaves: list[Element] = field(default_factory=list, repr=False)
    sequences: list[tuple[Key, list["Level"]]] = field(default_factory=list, repr=False)
    base: "Level | None" = field(default=None, repr=False)
    """A level whose leaves are among these, and among those of other files; no tag is in both."""
    own: list[Element] = field(default_factory=list, repr=False)
    """The leaves that are not of the base, when there is one."""
    mark: object = field(default=None, repr=False)
    """Stands for a level that others hold, where it was looked at; no other has it."""
    _by_tag: dict[int, Element] | None = field(default=None, repr=False)
    _elements: frozenset[Element] | None = field(default=None, repr=False)
    _odd: list[Element] | None = field(default=None, repr=False)
    _creators: dict[int, str] | None = field(default=None, repr=False)

    def by_tag(self) -> dict[int, Element]:
        """Return the leaves by tag; asked for once reading is done."""
        if self._by_tag is None:
            self._by_tag = {leaf[0] >> 16: leaf for leaf in self.leaves}
        return self._by_tag

    def build_on(self, base: "Level", own: list[Element]) -> None:
        """Tell a base, and the leaves beside it; unless a tag stands twice, so order matters."""
        by_tag = base.by_tag() | {leaf[0] >> 16: leaf for leaf in own}
        if len(by_tag) == len(self.leaves):
            self.base, self.own, self._by_tag = base, own, by_tag

    def value(self, tag: int) -> bytes:
        """Return one value without its padding; nothing when it is not there."""
        leaf = self.by_tag().get(tag)
        return leaf[1].strip(b" \0") if leaf is not None else b""

    def charset(self, inherited: bytes) -> bytes:
        """Return the Specific Character Set in force, one of the first elements if there."""
        for key, value in self.leaves[:3]:
            if key >> 16 == _CHARSET:
                return value.strip(b" \0")
        return inherited

    def creators(self) -> dict[int, str]:
        """Return the private creators, in small letters, by their own tags (PS3.5 7.8.1).

        Asked for by each private element, once reading is done.
        """
        if self._creators is None:
            leaves = self.leaves if self.base is None else self.own
            self._creators = {
                key >> 16: value.decode("latin-1").strip(" \0").casefold()
                for key, value in leaves
                if key & _ODD_GROUP and 0x10 <= (key >> 16 & 0xFFFF) <= 0xFF
            }
            if self.base is not None:
                self._creators |= self.base.creators()
        return self._creators

    def creators_set(self) -> Creators:
        """Return the private creators to remember by: what their elements say depends on them."""
        return frozenset(self.creators().items())

    def odd(self) -> list[Element]:
        """Return the leaves of private groups and of overlays; asked for once reading is done."""
        if self._odd is None:
            leaves = self.leaves if self.base is None else self.own
            self._odd = [leaf for leaf in leaves if _is_odd(leaf[0])]
            if self.base is not None:
                self._odd += self.base.odd()
        return self._odd

    def elements(self) -> frozenset[Element]:
        """Return the leaves as a set; asked for once reading is done."""
        if self._elements is None:
            if self.base is None:
                self._elements = frozenset(self.leaves)
            else:
                self._elements = self.base.elements().union(self.own)
        return self._elements


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixels of a file lie; ``fragments`` is None when they are not encapsulated."""

    key: Key
    offset: int
    length: int
    fragments: tuple[int, ...] | None = None


@dataclass(slots=True)
class Content:
    """One file as the gate sees it."""

    preamble: bytes = field(default=b"", repr=False)
    has_prefix: bool = False
    meta: list[Element] = field(default_factory=list, repr=False)
    transfer_syntax_uid: str = IMPLICIT
    level: Level = field(default_factory=Level, repr=False)
    pixels: PixelData | None = None
    mislabelled: bool = False
    """The data set is in implicit VR although the file says otherwise."""
    size: int = 0
    problem: str = ""
    """Why reading stopped early; what was read until then stands in ``level``."""
    rest: bytes = field(default=b"", repr=False)
    """The bytes that could not be read as elements."""
    inflated: bytes = field(default=b"", repr=False)
    """The data set of a deflated file, to which the places of its pixels refer."""


def vr_of(key: Key) -> str:
    """Return the VR of an element's key."""
    return (key & 0xFFFF).to_bytes(2, "big").decode("ascii", "replace")


def key_of(tag: int, vr: str) -> Key:
    """Return the key of a tag and a VR."""
    return tag << 16 | int.from_bytes(vr.encode("ascii"), "big")


def _is_odd(key: Key) -> bool:
    return bool(key & _ODD_GROUP) or key >> 40 in (0x50, 0x60)


def creator_tag(tag: int) -> int:
    """Return the tag of the creator that reserves a private element's block."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def tag_name(tag: int) -> str:
    """Return a tag as people write it: ``(0010,0020)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
