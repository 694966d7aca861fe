"""What an engine remembers of other headers changes nothing of what it makes of the next one."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from sendit.deid import Engine, Header, Identities, Identity, Recipe
from sendit.deid.files import MemorySource
from sendit.deid.part10 import read_frame
from sendit.deid.places import Place
from sendit.deid.plans import Plans
from sendit.deid.screen import _plan, header_of
from sendit.deid.segments import scan
from sendit.deid.stretches import MAX_BYTES, MAX_HEADER, MAX_STRETCHES, Stretches
from sendit.deid.syntax import EXPLICIT_LITTLE
from sendit.deid.walk_plan import ENTER, KEEP, REPORT, STRETCH, Plan, Stretch, Walked
from sendit.errors import ImageError
from sendit.terms import OUTCOME_OF, Outcome
from tests.deid.fuzz import spoiled
from tests.deid.real_files import packaged_files
from tests.support.corpus import MODALITIES, plant_corpus
from tests.support.make_study import make_instance, write_instance

RELEASES = [reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD]
PRESETS = ("basic", "research", "tcia", "keep-everything-safe")
RECIPES = {preset: Recipe.resolve(preset=preset, releases=RELEASES) for preset in PRESETS}
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID")
LARGEST = 1 << 20
ROUNDS = 3
"""Readings after which what comes again is remembered."""


class Anybody(dict[tuple[str, str], Identity]):
    """The same identity for every Study of every patient."""

    def __missing__(self, key: tuple[str, str]) -> Identity:
        return Identity("P1", "S1", -100)


def new_engine(preset: str) -> Engine:
    return Engine(RECIPES[preset], Identities(Anybody(), b"k" * 32))


def told(engine: Engine, content: bytes) -> tuple[object, ...]:
    """Return all that an engine makes of a file: bytes and report, or why it refuses it."""
    try:
        return engine.deidentify_bytes(MemorySource(content))
    except ImageError as error:
        return type(error), error.reason, error.detail


def seen(content: bytes) -> Header | tuple[object, ...]:
    """Return what import reads of a file."""
    try:
        return header_of(MemorySource(content), fields=("PatientID",), knowledge=True)
    except ImageError as error:
        return type(error), error.reason, error.detail


def assert_nothing_depends_on_others(contents: Sequence[bytes], preset: str) -> None:
    """Compare what comes of files that are read in turn, and of each alone."""
    alone = []
    for content in contents:
        _plan.cache_clear()
        alone.append((told(new_engine(preset), content), seen(content)))
    engine = new_engine(preset)
    for _ in range(ROUNDS):
        for content, expected in zip(contents, alone, strict=True):
            assert (told(engine, content), seen(content)) == expected


def one_of_a_series(chance: random.Random) -> Dataset:
    """Return a slice that has private elements, codes and texts, of which some vary."""
    ds = make_instance(number=chance.randrange(1, 9), ProtocolName="head of Sandpiper")
    ds.SoftwareVersions, ds.KVP, ds.ContentDate = "VB20", "120", "20190314"
    ds.ImageComments = chance.choice(("seen by Fieldfare", "seen by Fieldfare", "good"))
    siemens = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    siemens.add_new(0x0C, "IS", chance.choice(("0", "0", "1000")))
    siemens.add_new(0x0D, "CS", "NONE")
    unknown = ds.private_block(0x0021, "ACME OF SANDPIPER", create=True)
    unknown.add_new(0x01, "LO", "Sandpiper")
    unknown.add_new(0x02, "LO", chance.choice(("one", "two")))
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Sandpiper"
    ds.ProcedureCodeSequence = [code]
    answer = Dataset()
    answer.ConceptNameCodeSequence, answer.TextValue = [code], "seen by Fieldfare"
    ds.AcquisitionContextSequence = [answer]
    for element in list(ds):
        if element.keyword not in NEEDED and element.tag.group < 0x28 and chance.random() < 0.03:
            del ds[element.tag]
    return ds


def content_of(ds: Dataset, folder: Path, syntax: str) -> bytes:
    return write_instance(folder / "one.dcm", ds, transfer_syntax_uid=syntax).read_bytes()


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("preset", PRESETS)
def test_series(tmp_path: Path, preset: str, syntax: str) -> None:
    chance = random.Random(f"{preset} {syntax}")
    series = [content_of(one_of_a_series(chance), tmp_path, syntax) for _ in range(12)]

    assert_nothing_depends_on_others(series, preset)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(min_value=0, max_value=10**9),
    preset=st.sampled_from(PRESETS),
    syntax=st.sampled_from(SYNTAXES),
)
def test_series_with_spoiled_files(seed: int, preset: str, syntax: str) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        series = [content_of(one_of_a_series(chance), Path(folder), syntax) for _ in range(4)]

    assert_nothing_depends_on_others([*series, *(spoiled(one, chance) for one in series)], preset)


@pytest.mark.parametrize("preset", ["basic", "research"])
def test_planted_files_of_every_modality(tmp_path: Path, preset: str) -> None:
    planted = plant_corpus(tmp_path, seed=20261128, modalities=MODALITIES, studies=1, images=2)

    assert_nothing_depends_on_others([one.file.read_bytes() for one in planted], preset)


@pytest.mark.parametrize("preset", ["basic", "research"])
def test_files_that_packages_ship(preset: str) -> None:
    files = [path for path in packaged_files() if path.stat().st_size < LARGEST]

    assert_nothing_depends_on_others([path.read_bytes() for path in files], preset)


def walked(contents: Sequence[bytes]) -> Iterator[Walked]:
    """Yield what the walk over each data set reports, one after the other, under ``research``."""
    plan = Plans(RECIPES["research"], CTImageStorage).plan(Place((), EXPLICIT_LITTLE))
    for content in contents:
        frame = read_frame(MemorySource(content))
        yield scan(frame.source, frame.start, plan).segments[0].found


def test_most_of_a_series_is_remembered_from_its_third_header_on(tmp_path: Path) -> None:
    chance = random.Random(1)
    header = content_of(one_of_a_series(chance), tmp_path, ExplicitVRLittleEndian)

    first, second, *others = walked([header] * 4)

    assert first.remembered == second.remembered == 0
    for found in others:
        assert 3 * found.remembered > 2 * len(found.tops)
        assert found.tops == first.tops


def test_what_is_understood_by_its_forerunner_is_not_remembered(tmp_path: Path) -> None:
    header = content_of(one_of_a_series(random.Random(1)), tmp_path, ExplicitVRLittleEndian)

    found = list(walked([header] * 3))[-1]

    remembered = [one for one, *_ in found.events if type(one) is Stretch]
    assert remembered
    assert not any(b"99X" in one.data for one in remembered)


def test_private_elements_are_remembered_with_their_creator(tmp_path: Path) -> None:
    one = make_instance()
    block = one.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    for element in range(8, 16):
        block.add_new(element, "LO", "same")
    contents = []
    for number in range(3):
        block.add_new(0x10, "LO", f"other {number}")
        contents.append(content_of(one, tmp_path, ExplicitVRLittleEndian))

    found = list(walked([*contents, contents[-1]]))[-2]

    remembered = [rule for rule, *_ in found.events if type(rule) is Stretch]
    assert remembered
    assert not any(b"SIEMENS" in rule.data or b"same" in rule.data for rule in remembered)


def test_a_creator_stays_with_what_only_another_file_has_of_its_block(tmp_path: Path) -> None:
    contents = []
    for number in range(4):
        one = make_instance(number=number + 1)
        block = one.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x01, "LO", "goes")
        if number == 3:
            block.add_new(0x0C, "IS", "1000")
        # What stands behind the block varies.
        one.StudyInstanceUID = f"1.2.3.{number}"
        contents.append(content_of(one, tmp_path, ExplicitVRLittleEndian))

    assert_nothing_depends_on_others(contents, "research")


@pytest.mark.parametrize("preset", ["tcia", "keep-everything-safe"])
def test_a_concept_says_nothing_about_the_items_of_another_file(
    tmp_path: Path, preset: str
) -> None:
    concept, age, number = Dataset(), Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "121033", "DCM"
    concept.CodeMeaning = "Subject Age"
    age.ConceptNameCodeSequence = [concept]
    age.NumericValue = number.NumericValue = "95"
    contents = [
        content_of(
            make_instance(number=1, AcquisitionContextSequence=[item]),
            tmp_path,
            ExplicitVRLittleEndian,
        )
        for item in (age, number)
    ]

    assert_nothing_depends_on_others(contents, preset)


class AllKept(Plan):
    """Keeps every element."""

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Keep it."""
        del tag, vr
        return KEEP, None, None


class AllEntered(Plan):
    """Enters sequences under the same plan, and reports the rest."""

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Enter a sequence, else report."""
        return (ENTER, None, self) if vr == b"SQ" else (REPORT, tag, None)


def test_stretches_are_not_looked_for_in_items() -> None:
    plan = AllEntered(EXPLICIT_LITTLE)
    plan.memory = Stretches(lambda _: True)
    element = EXPLICIT_LITTLE.element
    tags = (0x00181020, 0x00181030, 0x00181040, 0x00181050)
    same = b"".join(element(tag, b"LO", b"same") for tag in tags)
    item = b"\xfe\xff\x00\xe0" + len(same).to_bytes(4, "little") + same
    data = same + element(0x00189346, b"SQ", item)

    *_, found = (scan(MemorySource(data), 0, plan).segments[0].found for _ in range(ROUNDS))

    assert found.remembered == len(tags)
    assert [rule for rule, *_ in found.events if type(rule) is int] == list(tags)


def test_answers_are_remembered_as_long_as_what_they_are_about(tmp_path: Path) -> None:
    engine, ds = new_engine("research"), make_instance()
    for number in range(40):
        # Nothing but the tags comes again from three files to the next three.
        for tag in range(0x00181010, 0x00181050):
            ds.add_new(tag, "LO", f"value {number}")
        ds.ICCProfile = bytes((number,)) * (1 << 16)
        for _ in range(4):
            engine.deidentify_bytes(MemorySource(content_of(ds, tmp_path, ExplicitVRLittleEndian)))

    (context,) = engine._contexts.values()
    assert 0 < sum(len(stretch.data) for stretch in context.stretches) <= MAX_BYTES + MAX_HEADER


def test_memory_is_bounded() -> None:
    plan = AllKept(EXPLICIT_LITTLE)
    plan.memory = Stretches(lambda _: True)
    element = EXPLICIT_LITTLE.element
    for number in range(3 * MAX_STRETCHES):
        # Each header begins with another tag, and comes twice.
        tags = range(0x00100000 + 16 * number, 0x00100000 + 16 * number + 8, 2)
        data = b"".join(element(tag, b"LO", b"same") for tag in tags)
        for _ in range(2):
            scan(MemorySource(data), 0, plan)

    assert 0 < sum(slot.kind == STRETCH for slot in plan.values()) <= MAX_STRETCHES
