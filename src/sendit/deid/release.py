"""The release check: nothing leaves before this module has read it afresh and agreed.

It fails closed.  It reads the written file and its original with its own reader, extracts the
original's identifiers with its own code, and refuses when any of them, or anything that looks
like one, is still there; when a marker is missing; when the object lost what its IOD needs; or
when a value that science needs is another one than before.  With the engine it shares nothing
but the vocabulary, the errors and the standard's tables.

A :class:`Gate` lives as long as a batch: headers of one series are nearly the same, and what
was judged once is not judged again.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sendit.deid.release_changes import Movement
from sendit.deid.release_compare import Comparison
from sendit.deid.release_content import Content, Key, Level, key_of, tag_name
from sendit.deid.release_dossier import Dossier
from sendit.deid.release_known import Known
from sendit.deid.release_looked import MOST_HELD_BYTES, OVERHEAD, Looked
from sendit.deid.release_marks import (
    PrivateElement,
    PrivateSign,
    check_frame,
    check_markers,
    check_private,
    options_of,
    private_sign,
)
from sendit.deid.release_pixels import PixelCheck
from sendit.deid.release_reader import Reader
from sendit.deid.release_references import sources_of
from sendit.deid.release_search import Searcher
from sendit.deid.release_sources import Kind, tells_how_old
from sendit.deid.release_streams import check_streams
from sendit.deid.release_table import FULL_DATES, RETAIN_UIDS, Profile, kept_uids
from sendit.deid.release_text import is_defined, readings
from sendit.deid.release_words import dates_in, parts_of_dates, without_worded_dates
from sendit.errors import Held, Rejected
from sendit.terms import Reason

_PATIENT_ID, _STUDY, _SOP_CLASS = 0x00100020, 0x0020000D, 0x00080016
_TEXTS_WITH_DATES = frozenset(
    int.from_bytes(vr, "big") for vr in (b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"PN")
)
_TOLD_TEXT, _TOLD_UID = key_of(_PATIENT_ID, "LO"), key_of(_STUDY, "UI")
_VERSIONS = frozenset(
    (0x00181019, 0x0018101A, 0x00181020, 0x00189316, 0x3010001A, 0x00080103, 0x00120063)
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the recipe lets stand or change, beyond what the standard's table says."""

    options: frozenset[str]
    """The options of the profile, by the names of the project file."""
    touched: frozenset[int] = frozenset()
    """Attributes that site rules keep, remove or set; they are searched, not compared."""
    by_value: frozenset[int] | None = None
    """Attributes of which site rules take away single values; None: no rule looks at values."""
    private: frozenset[PrivateElement] = frozenset()
    """Private elements that a site vouches for, beyond the standard's list."""
    pixels_changed: bool = False
    """Whether pixels may have been blanked."""
    numbers: bool = False
    """Whether identifiers may stand in numbers and codes, since a person has looked."""

    def __post_init__(self) -> None:
        folded = frozenset((one[0], one[1].casefold(), one[2]) for one in self.private)
        object.__setattr__(self, "private", folded)

    @property
    def kinds(self) -> Kind:
        """Return the kinds of identifiers that may stand."""
        kinds = Kind(0)
        if "retain-institution-identity" in self.options:
            kinds |= Kind.INSTITUTION
        if "retain-device-identity" in self.options:
            kinds |= Kind.DEVICE
        return kinds


@dataclass(slots=True)
class _Judge:
    """What one Known says of values, and which it has found clean."""

    known: Known
    searcher: Searcher
    clean: dict[bytes, Looked] = field(default_factory=lambda: defaultdict(Looked), repr=False)
    whole: set[tuple[object, bytes]] = field(default_factory=set, repr=False)
    """Items that are clean whatever else will be known of UIDs and dates, and whatever the dates
    moved by: their marks, with a character set."""
    held_bytes: int = 0


class Gate:
    """The release check of one batch.

    Parameters
    ----------
    allowance
        What the recipe lets stand.  None: what each result's own markers say.
    extra
        Folder and file names of the batch; they may name somebody.
    descriptions
        What its headers describe; a folder may be called like it.
    """

    def __init__(
        self,
        allowance: Allowance | None = None,
        *,
        extra: Sequence[str] = (),
        descriptions: Sequence[str] = (),
    ) -> None:
        self._allowance = allowance
        self._extra = tuple(extra)
        self._descriptions = tuple(descriptions)
        self._reader = Reader()
        self._pixels = PixelCheck()
        self._dossiers: dict[bytes, Dossier] = {}
        self._judges: dict[tuple[int, Allowance], _Judge] = {}
        self._comparisons: dict[Allowance, Comparison] = {}
        self._private: set[tuple[PrivateSign, Allowance]] = set()

    def known_of(self, source: Path, *, extra: Sequence[str] = ()) -> Known:
        """Return what an original, and the originals of its patient so far, know."""
        content = self._reader.read(source)
        dossier = self._dossiers.setdefault(_patient(content), Dossier())
        if extra or self._extra:
            names = (*self._extra, *extra) if extra else self._extra
            dossier.learn_folders(names, content, descriptions=self._descriptions)
        return dossier.learn(content)

    def check(self, path: Path, *, known: Known, original: Path | None = None) -> str:
        """Return when the result may leave, and say from which instances it was derived.

        Parameters
        ----------
        path
            The result as it was written.
        known
            What ``known_of`` said of its original.
        original
            The original, to compare the pixels with.

        Returns
        -------
        str
            Their UIDs, with spaces between (``release_references``).

        Raises
        ------
        sendit.errors.Rejected
            ``IDENTIFIER_LEFT``, ``MARKERS_MISSING``, ``VALUE_LOST`` or ``IOD_BROKEN``; the
            detail names a tag or a rule.
        sendit.errors.Held
            ``NUMBER_HIT``: an identifier stands in a number or a code.
        """
        content = self._reader.read(path)
        check_frame(content)
        allowance = self._allowance or Allowance(options_of(content))
        before = known.content
        check_markers(content, before, allowance.options)
        comparison, moved = self._comparison(allowance), Movement()
        if before is not None and not before.problem:
            sop_class = before.level.value(_SOP_CLASS).decode("latin-1")
            moved = comparison.compare(before.level, content.level, sop_class=sop_class)
        judge = self._judge(known, allowance)
        self._search(content.level, b"", "", judge, allowance, moved.days)
        searcher = judge.searcher
        check_streams(content, path, searcher.find_in_bytes, searcher.find_in_picture)
        if original is not None and before is not None and not allowance.pixels_changed:
            self._pixels.check(content, path, before, original)
        comparison.keep(moved)
        return sources_of(content.level)

    def check_names(
        self, texts: Iterable[str], uids: Iterable[str], *, known: Known, keeps_uids: bool
    ) -> None:
        """Return when names and UIDs that are told beside results may leave.

        Raises
        ------
        sendit.errors.Rejected
            ``IDENTIFIER_LEFT``: one of them stands in the originals; the detail names the rule.
        """
        searcher = Searcher(known, allowed=Kind(0), keeps_uids=keeps_uids)
        told = [(_TOLD_TEXT, text) for text in texts] + [(_TOLD_UID, uid) for uid in uids]
        for key, value in told:
            hit = searcher.find(key, value.encode(), b"ISO_IR 192")
            if hit is not None:
                raise Rejected(Reason.IDENTIFIER_LEFT, f"manifest {hit.rule}")

    def _comparison(self, allowance: Allowance) -> Comparison:
        comparison = self._comparisons.get(allowance)
        if comparison is None:
            comparison = self._comparisons[allowance] = Comparison(
                Profile(allowance.options),
                touched=allowance.touched,
                by_value=allowance.by_value,
                pixels_changed=allowance.pixels_changed,
            )
        return comparison

    def _judge(self, known: Known, allowance: Allowance) -> _Judge:
        place = id(known.words), allowance
        judge = self._judges.get(place)
        if judge is None or judge.known.version != known.version:
            profile = Profile(allowance.options)
            searcher = Searcher(
                known,
                allowed=allowance.kinds,
                keeps_uids=RETAIN_UIDS in allowance.options,
                kept_uids=kept_uids(allowance.options),
                keeps_dates=FULL_DATES in allowance.options,
                vouched=lambda tag: tag in allowance.touched or profile.names_things(tag),
            )
            judge = self._judges[place] = _Judge(known, searcher)
        return judge

    def _check_private(self, level: Level, allowance: Allowance, path: str) -> None:
        sign = private_sign(level)
        if sign is None or (sign, allowance) in self._private:
            return
        check_private(level, allowance.options, allowance.private, path)
        self._private.add((sign, allowance))

    def _search(
        self,
        level: Level,
        charset: bytes,
        path: str,
        judge: _Judge,
        allowance: Allowance,
        days: int | None,
    ) -> None:
        if level.leaves or level.sequences:
            self._check_private(level, allowance, path)
        inherited, charset = charset, level.charset(charset)
        if not is_defined(charset):
            raise Rejected(Reason.IOD_BROKEN, f"{path}(0008,0005)")
        if judge.held_bytes > MOST_HELD_BYTES:
            judge.clean.clear()
            judge.whole.clear()
            judge.held_bytes = 0
        clean = judge.clean[charset]
        # In the order of tags: what is found first must not depend on how a set is laid out.
        for element in sorted(clean.new_in(level)):
            key, value = element
            hit = judge.searcher.find(key, value, charset)
            if hit is not None and not (hit.in_number and allowance.numbers):
                kind, reason = (
                    (Held, Reason.NUMBER_HIT)
                    if hit.in_number
                    else (Rejected, Reason.IDENTIFIER_LEFT)
                )
                raise kind(reason, f"{path}{tag_name(key >> 16)} {hit.rule}")
            dates, parts = _dates_of(key, value, charset)
            if not (dates or parts or judge.searcher.asked):
                clean.add(element)
                judge.held_bytes += OVERHEAD + len(value)
            elif FULL_DATES not in allowance.options and _known_dates(
                dates, parts, judge.known, days
            ):
                detail = f"{path}{tag_name(key >> 16)} pattern:date"
                raise Rejected(Reason.IDENTIFIER_LEFT, detail)
        for key, items in level.sequences:
            for item in items:
                if tells_how_old(key >> 16, item):
                    raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(key >> 16)} age")
                if (item.mark, charset) in judge.whole:
                    continue
                deeper = f"{path}{tag_name(key >> 16)}/"
                self._search(item, charset, deeper, judge, allowance, days)
        if level.mark is not None and not level.sequences and not clean.new_in(level):
            judge.whole.add((level.mark, inherited))
            judge.held_bytes += OVERHEAD


def known_of(source: Path, *, extra: Sequence[str] = ()) -> Known:
    """Return what one original knows; ``extra`` are its folder and file names."""
    return Gate().known_of(source, extra=extra)


def check_release(
    path: Path, *, known: Known, original: Path | None = None, allowance: Allowance | None = None
) -> None:
    """Return when the result at ``path`` may leave; see :meth:`Gate.check`."""
    Gate(allowance).check(path, known=known, original=original)


def _patient(content: Content) -> bytes:
    """Return what tells the patients of a batch apart; an id alone may be one of many "1"."""
    return content.level.value(_PATIENT_ID) + b"\\" + content.level.value(_STUDY)


def _dates_of(key: Key, value: bytes, charset: bytes) -> tuple[set[str], set[str]]:
    """Return the whole dates of a text, and what tells a part of one."""
    if key & 0xFFFF not in _TEXTS_WITH_DATES or key >> 16 in _VERSIONS:
        return set(), set()
    whole, parts = set[str](), set[str]()
    for text in readings(value, charset):
        whole |= dates_in(text)
        # The month of a whole date that was moved may be that of another one.
        parts |= parts_of_dates(without_worded_dates(text))
    return whole, parts


def _known_dates(dates: set[str], parts: set[str], known: Known, days: int | None) -> bool:
    """Return whether a date of the original stands there, and not by the shift of another."""
    if parts and any(date[:6] in parts or date[4:] in parts for date in known.dates):
        return True
    found = dates & known.dates
    if not found or days is None:
        return bool(found)
    step = datetime.timedelta(days=days)
    shifted = {f"{datetime.date.fromisoformat(date) + step:%Y%m%d}" for date in known.dates}
    return not found <= shifted
