"""What import needs to know of a file, and whether a project takes it.

``read_header`` walks the outermost elements to the end of the file, so a truncated file or a
length that lies is found without reading pixels; ``screen`` applies the project's filters.
Nothing is changed here, and what is read may identify.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from sendit.deid.charsets import decode
from sendit.deid.files import FileSource, Source
from sendit.deid.identities import KnownValue
from sendit.deid.known import MAX_VALUE, tells_who
from sendit.deid.part10 import DIRECTORY, read_frame
from sendit.deid.passing_plans import (
    CHARSET_TAG,
    PIXEL_TAGS,
    DiscardPlan,
    Gathered,
    GatheringPlan,
    vr_of,
)
from sendit.deid.reading import read_data_set
from sendit.deid.segments import Scan
from sendit.deid.stretches import Stretches
from sendit.deid.syntax import Syntax
from sendit.deid.walk_plan import BULK, KEEP, REPORT, SWITCH, Event, Plan, Stretch
from sendit.dictionary import TAGS, listed_vr
from sendit.errors import Excluded, Unreadable
from sendit.terms import Reason

IDENTITY_FIELDS: Final = ("PatientID", "AccessionNumber", "PatientBirthDate", "StudyDate")
BURNED_IN_TAG: Final = TAGS["BurnedInAnnotation"]
MAX_BYTES: Final = 20_000_000_000
MAX_CHARSETS: Final = 64
OWN_FIELDS: Final = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("Modality", "BurnedInAnnotation"),
)


_TERMS: Final = """
    ANN AR AS ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG
    EEG EMG EOG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM
    OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE
    RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US
    VA VF XA XAPROTOCOL XC"""
_Gathered: TypeAlias = tuple[int, bytes, bytes | None, bytes]
"""Tag, VR, character set (None: the one of the whole data set) and value."""
MODALITIES: Final = frozenset(_TERMS.split())
"""The defined terms of Modality, the retired ones included (PS3.3 C.7.3.1.1.1)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What import and identify need to know of one instance."""

    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    burned_in_annotation: str | None
    """None when the attribute is absent; one that is there and empty is not ``NO`` either."""
    sop_instance_uid: str = field(repr=False)
    study_instance_uid: str = field(repr=False)
    series_instance_uid: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    """Decoded values of the keywords asked for; "" when absent or empty."""
    known: frozenset[KnownValue] = field(repr=False)
    """What says who somebody is, at any depth, if it was asked for."""
    size: int
    repairs: tuple[str, ...]
    """What was mended in reading, such as ``no-preamble``."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Which instances a project takes; an empty list takes all."""

    modalities: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()
    burned_in: str = "reject"
    """``reject``: Burned In Annotation must be absent or NO; ``clean``: the pixels decide."""


def known_modality(header: Header) -> str:
    """Return the modality if it is one of the standard's terms, else nothing.

    What a file says there may be anything, a name too; only a term may be kept in clear.
    """
    return header.modality if header.modality in MODALITIES else ""


def read_header(
    path: Path,
    *,
    fields: Sequence[str] = IDENTITY_FIELDS,
    knowledge: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Header:
    """Read the header of one file.

    Parameters
    ----------
    fields
        Keywords of attributes of the outermost level to return in ``values``.
    knowledge
        Whether to return in ``known`` everything that names somebody, nested or private.
    max_bytes
        A larger file is not read.

    Raises
    ------
    sendit.errors.Unreadable
        ``EMPTY_FILE NOT_DICOM TRUNCATED MALFORMED TOO_LARGE NO_PERMISSION``.
    sendit.errors.Excluded
        ``DICOMDIR``.
    """
    with FileSource(path) as source:
        if source.size > max_bytes:
            raise Unreadable(Reason.TOO_LARGE, "is larger than max_instance allows")
        return header_of(source, fields=tuple(fields), knowledge=knowledge)


def header_of(source: Source, *, fields: tuple[str, ...], knowledge: bool = False) -> Header:
    """Read the header of one source; see ``read_header``."""
    frame = read_frame(source)
    frame, found = read_data_set(
        frame, lambda syntax: _plan(syntax, fields, knowledge=knowledge), in_order=False
    )
    raw: dict[int, bytes] = {}
    for segment in found.segments:
        _add_wanted(segment.data, segment.found.events, raw)
    charset = raw.get(CHARSET_TAG, b"")
    values = dict.fromkeys((*OWN_FIELDS, *fields), "")
    for keyword in values:
        if value := raw.get(TAGS[keyword]):
            values[keyword] = _text(TAGS[keyword], value, charset, frame.syntax)
    if frame.media_sop_class_uid == DIRECTORY or values["SOPClassUID"] == DIRECTORY:
        raise Excluded(Reason.DICOMDIR)
    if not values["SOPClassUID"] or not values["SOPInstanceUID"]:
        raise Unreadable(Reason.NOT_DICOM, "has no SOP Class UID or no SOP Instance UID")
    return Header(
        sop_class_uid=values["SOPClassUID"],
        transfer_syntax_uid=frame.transfer_syntax_uid,
        modality=values["Modality"],
        burned_in_annotation=(values["BurnedInAnnotation"] if BURNED_IN_TAG in raw else None),
        sop_instance_uid=values["SOPInstanceUID"],
        study_instance_uid=values["StudyInstanceUID"],
        series_instance_uid=values["SeriesInstanceUID"],
        values={keyword: values[keyword] for keyword in fields},
        known=_known(found, charset) if knowledge else frozenset(),
        size=source.size,
        repairs=(*frame.repairs, *found.repairs),
    )


def screen(header: Header, *, accept: Accept) -> None:
    """Return if the project takes the instance.

    Raises
    ------
    sendit.errors.Excluded
        ``MODALITY``, ``SOP_CLASS`` or ``BURNED_IN``.
    """
    if accept.modalities and header.modality not in accept.modalities:
        raise Excluded(Reason.MODALITY, "(0008,0060)")
    if accept.sop_classes and header.sop_class_uid not in accept.sop_classes:
        raise Excluded(Reason.SOP_CLASS, "(0008,0016)")
    if accept.burned_in == "reject" and header.burned_in_annotation not in (None, "NO"):
        raise Excluded(Reason.BURNED_IN, "(0028,0301)")


class _HeaderPlan(Plan):
    """Reports the wanted attributes of the outermost level, and nothing else."""

    def __init__(self, syntax: Syntax, wanted: frozenset[int]) -> None:
        super().__init__(syntax)
        self._wanted = wanted
        self._inside = DiscardPlan(syntax)

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Report what is wanted, stop at pixels, keep the rest."""
        if tag in PIXEL_TAGS:
            return BULK, tag, self._inside.child(b"OB")
        kind = REPORT if tag in self._wanted else KEEP
        return kind, tag, self._inside.child(vr)


class _KnowingPlan(_HeaderPlan):
    """Reports the wanted attributes, and what names somebody at any depth."""

    def __init__(self, syntax: Syntax, wanted: frozenset[int], charset: bytes = b"") -> None:
        super().__init__(syntax, wanted)
        self._gathering = GatheringPlan(syntax, charset)
        self._others: dict[bytes, _KnowingPlan] = {charset: self}

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Report what is wanted or names somebody, enter sequences, stop at pixels."""
        if tag == CHARSET_TAG:
            return SWITCH, tag, None
        if tag in PIXEL_TAGS or tag in self._wanted:
            return super().slot_for(tag, vr)
        return self._gathering.slot_for(tag, vr)

    def after(self, tag: int, value: bytes) -> "_KnowingPlan":
        """Return the plan for what follows another character set."""
        del tag
        charset = value.strip(b" \0")
        found = self._others.get(charset)
        if found is None:
            if len(self._others) >= MAX_CHARSETS:
                self._others.clear()
            found = self._others[charset] = _KnowingPlan(self.syntax, self._wanted, charset)
        return found


@lru_cache(maxsize=32)
def _plan(syntax: Syntax, fields: tuple[str, ...], *, knowledge: bool) -> _HeaderPlan:
    wanted = {TAGS[keyword] for keyword in (*OWN_FIELDS, *fields)} | {CHARSET_TAG}
    plan = (_KnowingPlan if knowledge else _HeaderPlan)(syntax, frozenset(wanted))
    plan.memory = Stretches(lambda _: True)
    return plan


def _text(tag: int, value: bytes, charset: bytes, syntax: Syntax) -> str:
    """Return a value as text, a binary number (US) as its digits."""
    vr = listed_vr(tag)
    if vr != "US":
        return decode(value, charset, vr.encode("ascii"))
    order: Literal["little", "big"] = "little" if syntax.little else "big"
    numbers = (value[at : at + 2] for at in range(0, len(value), 2))
    return "\\".join(str(int.from_bytes(one, order)) for one in numbers)


def _add_wanted(data: bytes, events: Sequence[Event], raw: dict[int, bytes]) -> None:
    """Add the values of the wanted attributes, of each the first one."""
    for tag, _pos, start, stop in events:
        if type(tag) is int:
            raw.setdefault(tag, data[start:stop])
        elif type(tag) is Stretch:
            for one, value in tag.once(_wanted_of).items():
                raw.setdefault(one, value)


def _wanted_of(stretch: Stretch) -> dict[int, bytes]:
    raw: dict[int, bytes] = {}
    _add_wanted(stretch.data, stretch.events, raw)
    return raw


def _known(found: Scan, charset: bytes) -> frozenset[KnownValue]:
    """Return what says who somebody is: persons, ids, places, devices, births."""
    gathered: set[_Gathered] = set()
    for segment in found.segments:
        _gather(segment.data, segment.found.events, gathered)
    return frozenset(
        (tag, vr.decode("ascii"), text)
        for tag, vr, own, value in gathered
        if tells_who(tag, vr, value)
        and (text := decode(value, charset if own is None else own, vr))
    )


def _gather(data: bytes, events: Sequence[Event], gathered: set[_Gathered]) -> None:
    for rule, _pos, start, stop in events:
        if type(rule) is Stretch:
            gathered.update(rule.once(_gathered_of))
        elif 0 < stop - start <= MAX_VALUE:
            if type(rule) is Gathered:
                gathered.add((rule.tag, rule.vr, rule.charset, data[start:stop]))
            elif type(rule) is int:
                gathered.add((rule, vr_of(rule, b""), None, data[start:stop]))


def _gathered_of(stretch: Stretch) -> set[_Gathered]:
    gathered: set[_Gathered] = set()
    _gather(stretch.data, stretch.events, gathered)
    return gathered
