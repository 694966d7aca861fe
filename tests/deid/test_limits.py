"""A small file that would keep a process busy for minutes, or fill its memory, is refused.

Each file here is of a kind that did.  Nothing is timed: that the error comes bounds the work.
"""

import itertools
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from sendit.deid import Engine, Recipe
from sendit.errors import Unreadable
from sendit.terms import Reason
from tests.deid.engines import identities_for
from tests.support.make_study import make_instance, write_instance

RESEARCH = Recipe.resolve(preset="research")
LONG = (b"OB", b"OW", b"SQ", b"UC", b"UN", b"UT")
LETTERS = str.maketrans("0123456789", "abcdefghij")
FIRST_PATIENT_ATTRIBUTE = b"\x10\x00\x10\x00PN"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    length = struct.pack("<2xI" if vr in LONG else "<H", len(value))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + length + value


def items(contents: Iterable[bytes]) -> bytes:
    return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(one)) + one for one in contents)


def persons(count: int) -> bytes:
    return items(element(0x00081048, b"PN", b"Name%06d" % number) for number in range(count))


def charsets(count: int) -> bytes:
    return items(element(0x00080005, b"CS", b"X%05d" % number) for number in range(count))


FILES = {
    "items": (element(0x00081140, b"SQ", items([b""] * 150_000)), "items"),
    "items in UN": (element(0x00091001, b"UN", items([b""] * 150_000)), ""),
    "attributes": (
        b"".join(element(0x00091001 + at, b"LO", b"") for at in range(0xEFFF)),
        "different attributes",
    ),
    "places": (element(0x00081140, b"SQ", charsets(11_000)), "places"),
    "persons": (element(0x00081140, b"SQ", persons(5_001)), "persons, ids and days"),
    "text": (element(0x00082111, b"UN", b"a lazy dog " * 100_000), "bytes of text"),
    "texts": (
        element(
            0x00081140,
            b"SQ",
            items(element(0x00081030, b"LO", b"%064d" % number) for number in range(8_500)),
        ),
        "bytes of text",
    ),
    "codes": (element(0x00089205, b"UN", b"AB\\" * 400_000), "text"),
    "code": (element(0x00080119, b"UC", b"1\\" * 600_000), "more text than is searched"),
}


@pytest.mark.parametrize(("planted", "told"), FILES.values(), ids=FILES)
def test_what_costs_far_more_than_its_size_is_refused(
    tmp_path: Path, planted: bytes, told: str
) -> None:
    source = write_instance(tmp_path / "in.dcm", make_instance())
    identities = identities_for(source)
    content = source.read_bytes()
    at = content.index(FIRST_PATIENT_ATTRIBUTE)
    source.write_bytes(content[:at] + planted + content[at:])

    if not told:
        Engine(RESEARCH, identities).deidentify_to(source, tmp_path / "out.dcm")
        return
    with pytest.raises(Unreadable) as refusal:
        Engine(RESEARCH, identities).deidentify_to(source, tmp_path / "out.dcm")

    assert refusal.value.reason is Reason.TOO_LARGE
    assert told in (refusal.value.detail or "")
    assert sorted(tmp_path.iterdir()) == [source]


def texts(numbers: Iterable[int], *, meanings: bool = False) -> list[Dataset]:
    """Return items, each with a text of 64 letters."""
    found = []
    for number in numbers:
        item = Dataset()
        text = f"{number:064d}".translate(LETTERS)
        if meanings:
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "DCM", text
        else:
            item.SeriesDescription = text
        found.append(item)
    return found


@pytest.mark.parametrize("meanings", [False, True], ids=["texts", "meanings of codes"])
def test_a_file_with_too_much_text_is_refused_each_time(tmp_path: Path, meanings: bool) -> None:
    ds = make_instance(ReferencedImageSequence=texts(range(8_500), meanings=meanings))
    source = write_instance(tmp_path / "in.dcm", ds)
    engine = Engine(RESEARCH, identities_for(source))

    for _ in range(3):
        with pytest.raises(Unreadable, match="bytes of text"):
            engine.deidentify_to(source, tmp_path / "out.dcm")


def test_text_counts_though_other_files_had_all_of_it(tmp_path: Path) -> None:
    """Each file but the last has a third of it, in a part of its header that comes again."""
    places = ("ReferencedImageSequence", "ContrastBolusAgentSequence", "DeviceSequence")
    engine = Engine(RESEARCH, identities_for(write_instance(tmp_path / "0.dcm", make_instance())))
    for place in places:
        for number in range(5):
            ds = make_instance(**{other: texts([number]) for other in places})
            setattr(ds, place, texts(range(2_800)))
            source = write_instance(tmp_path / "in.dcm", ds)
            engine.deidentify_to(source, tmp_path / "out.dcm")
    ds = make_instance(**{place: texts(range(2_800)) for place in places})
    source = write_instance(tmp_path / "in.dcm", ds)

    with pytest.raises(Unreadable, match="bytes of text"):
        engine.deidentify_to(source, tmp_path / "out.dcm")


def test_text_that_comes_again_in_a_file_counts_once(tmp_path: Path) -> None:
    ds = make_instance(ReferencedImageSequence=texts([7]) * 10_000)
    source = write_instance(tmp_path / "in.dcm", ds)

    Engine(RESEARCH, identities_for(source)).deidentify_to(source, tmp_path / "out.dcm")

    assert (tmp_path / "out.dcm").is_file()


def test_a_long_text_counts_each_time_that_another_stood_between(tmp_path: Path) -> None:
    """Only the last long one is remembered, so what stands in turn is looked at each time."""

    def write(words: Iterable[str]) -> Path:
        items = [Dataset() for _ in range(120)]
        for item, word in zip(items, itertools.cycle(words)):
            item.ImageComments = word * 1_000
        ds = make_instance(ReferencedImageSequence=items)
        return write_instance(tmp_path / "in.dcm", ds)

    engine = Engine(RESEARCH, identities_for(write(["a dog "])))

    for _ in range(2):
        engine.deidentify_to(write(["a dog "]), tmp_path / "out.dcm")
        with pytest.raises(Unreadable, match="bytes of text"):
            engine.deidentify_to(write(["a dog ", "a cat "]), tmp_path / "out.dcm")


def test_text_among_bytes_is_counted(tmp_path: Path) -> None:
    ds = make_instance()
    ds.ICCProfile = b"\0\1text" * 100_000
    source = write_instance(tmp_path / "in.dcm", ds)

    with pytest.raises(Unreadable, match="bytes of text"):
        Engine(RESEARCH, identities_for(source)).deidentify_to(source, tmp_path / "out.dcm")


def test_fragments_without_a_picture_are_counted(tmp_path: Path) -> None:
    ds = make_instance()
    ds.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    ds["PixelData"].VR = "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    source = tmp_path / "in.dcm"
    ds.save_as(source, enforce_file_format=True)
    identities = identities_for(source)
    content = source.read_bytes()
    pixels = content.index(b"\xe0\x7f\x10\x00OB") + 12
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    source.write_bytes(content[:pixels] + items([b""] * 110_000) + end)

    with pytest.raises(Unreadable, match="fragments"):
        Engine(RESEARCH, identities).deidentify_to(source, tmp_path / "out.dcm")


def test_the_file_after_a_refused_one_is_read(tmp_path: Path) -> None:
    good = write_instance(tmp_path / "good.dcm", make_instance())
    bad = write_instance(tmp_path / "bad.dcm", make_instance())
    content = bad.read_bytes()
    at = content.index(FIRST_PATIENT_ATTRIBUTE)
    engine = Engine(RESEARCH, identities_for(good))
    bad.write_bytes(content[:at] + FILES["attributes"][0] + content[at:])

    with pytest.raises(Unreadable):
        engine.deidentify_to(bad, tmp_path / "out.dcm")
    engine.deidentify_to(good, tmp_path / "out.dcm")

    assert (tmp_path / "out.dcm").is_file()
