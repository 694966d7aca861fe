"""Every rule of the engine is switched off once, and the gate must notice.

Each mutant breaks the engine in one place, its own extraction of identifiers included; what it
writes leaks, lacks a marker or lost a value.  The gate shares no code with the engine, so it
has to refuse.  A mutant that passes is a hole in the release check.

Patching is the subject here, not a shortcut: a parameter that switches a rule of the engine
off would be a way to leak.
"""

import base64
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from sendit.deid import (
    Engine,
    Recipe,
    actions,
    compose,
    folding,
    knowledge,
    known,
    known_of,
    patterns,
    person_names,
    places,
    plans,
    profile,
    report_items,
    text,
    uids,
)
from sendit.deid.attributes import ROLES
from sendit.deid.files import Range
from sendit.deid.known import Known, kind_by_tag
from sendit.deid.pixels.pass_through import Passed
from sendit.deid.release_words import squeeze
from sendit.deid.rules import Note
from sendit.deid.walk_plan import KEEP, REPORT
from sendit.errors import Held, ImageError, Rejected
from sendit.terms import Reason
from tests.deid.engines import identities_for
from tests.support.make_study import make_instance, write_instance

Mutate = Callable[[pytest.MonkeyPatch], None]
GATE_REASONS = frozenset(
    (
        Reason.IDENTIFIER_LEFT,
        Reason.MARKERS_MISSING,
        Reason.VALUE_LOST,
        Reason.IOD_BROKEN,
        Reason.NUMBER_HIT,
    )
)
RESEARCH = Recipe.resolve(
    preset="research", options=("retain-longitudinal-modified-dates", "clean-structured-content")
)


ANYBODYS = (
    "abcdefab-cdef-abcd-efab-cdefabcdefa1",
    "abcdefabcdefabcdefabcdefabcdefa1",
    "host 192.168.17.44",
    "mac 00:1B:44:11:3A:B7",
    "pager 4711",
    "756.1234.5678.97",
    "nr 4857 773 9913",
    "nr 4857773",
    "case no 881",
    "hasta no: 8812",
    "at Wiesengasse 12",
    "see pacs.example.org for it",
    "in /home/user/data/x",
    "Dr. Hausdorf reported",
)
"""One line for each class of text that identifies anybody, found by no other rule."""


def plant(folder: Path) -> Path:
    """Write an instance in which every rule of the engine has something to do."""
    ds = make_instance(
        PatientName="Sandpiper^Amalia=鷸^天理",
        SpecificCharacterSet="ISO_IR 192",
        PatientAge="095Y",
        OperatorsName="Whimbrel^Jon",
        PatientAddress="Larkspur Road 7, 79106 Wexcombe",
        SeriesDescription="Thorax SANDPIPER_AMALIA",
        StudyDescription="asked by Whimbrel",
        ImageComments="call +49 761 5550123",
        PatientComments="seen on 14.03.2019, 鷸天理",
        ProtocolName="for b.linnet@example.org",
        AdditionalPatientHistory="as in MRN 4427810",
        ReceiveCoilName="Fieldfare",
        ConvolutionKernel="Kingfisher",
        BodyPartExamined="SANDPIPER",
        NameOfPhysiciansReadingStudy="Щербакова^Юлия",
        AcquisitionComments="as Schtscherbakowa saw",
        DerivationDescription="\n".join(ANYBODYS),
        ContrastBolusAgent="for a woman, 94 yo",
        FrameComments=f"key {base64.b64encode(b'<Sandpiper>').decode()}",
        PerformedProcedureStepDescription="MRT fuer Чаика",
        RequestingPhysician="Chaika^Ada",
    )
    source = Dataset()
    source.ReferencedSOPClassUID = ds.SOPClassUID
    source.ReferencedSOPInstanceUID = "1.2.826.0.1.3680043.9.9999.77.1"
    ds.SourceImageSequence = Sequence([source])
    request = Dataset()
    request.RequestedProcedureDescription = "CT for Sandpiper"
    request.ScheduledProcedureStepID = "SPS77"
    ds.RequestAttributesSequence = Sequence([request])
    ds.AcquisitionContextSequence = Sequence(
        [context("121033", NumericValue="95"), context("121031", Date="19300504")]
    )
    ds.private_block(0x0029, "ACME 1.1", create=True).add_new(1, "LO", "harmless")
    ds.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x23, "DS", "1.5")
    ds.add_new(0x60001500, "LO", "harmless")
    ds.add_new(0xFFFCFFFC, "OB", b"harmless")
    ds.PixelData += b"MRN4427810"
    return write_instance(folder / "Kingfisher_Ada" / "a.dcm", ds)


def context(concept: str, **content: str) -> Dataset:
    """Return a content item that says when somebody was born, or how old somebody is."""
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = concept, "DCM", "subject"
    item = Dataset()
    item.ConceptNameCodeSequence = Sequence([name])
    for keyword, value in content.items():
        setattr(item, keyword, value)
    return item


def run(original: Path, folder: Path) -> Path:
    """De-identify the instance as a worker does."""
    result = folder / "result.dcm"
    names = [f"{original.parent.name}/{original.name}"]
    Engine(RESEARCH, identities_for(original), extra_known=names).deidentify_to(original, result)
    return result


def acts(name: str, other: str = "keep") -> Mutate:
    """Let one action do what another one does."""
    return lambda patch: patch.setattr(actions, name, getattr(actions, other))


def answers(owner: object, name: str, value: Any) -> Mutate:
    """Let a function return one value whatever it is asked."""
    return lambda patch: patch.setattr(owner, name, lambda *_, **__: value)


def removes_nothing(patch: pytest.MonkeyPatch) -> None:
    def keep_instead(self: Any, tag: int, vr: bytes, action: str, name: str) -> Any:
        return self._rule(tag, vr, Note("", action, name), actions.keep)

    patch.setattr(plans.DeidPlan, "_removal", keep_instead)


def removes_all_unlisted(patch: pytest.MonkeyPatch) -> None:
    kept = plans.DeidPlan._kept

    def remove(self: Any, tag: int, vr: bytes, discard: Any) -> Any:
        if tag in ROLES:
            return kept(self, tag, vr, discard)
        return REPORT, self._removal(tag, vr, "X", "mutant"), discard

    patch.setattr(plans.DeidPlan, "_kept", remove)


def keeps_private(patch: pytest.MonkeyPatch) -> None:
    def keep(self: Any, tag: int, vr: bytes) -> Any:
        return KEEP, None, self._discard.child(vr)

    patch.setattr(plans.DeidPlan, "_private", keep)


def skips_sequences(patch: pytest.MonkeyPatch) -> None:
    def keep(self: Any, tag: int, written_vr: bytes, decision: Any) -> Any:
        return KEEP, None, self._discard.child(b"SQ")

    patch.setattr(plans.DeidPlan, "_sequence", keep)


def passes_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        compose,
        "pass_through",
        lambda bulk, *_, **__: Passed((Range(bulk.offset, bulk.length),)),
    )


def copies_preamble(patch: pytest.MonkeyPatch) -> None:
    build = compose.build_meta
    patch.setattr(
        compose,
        "build_meta",
        lambda **values: b"harmless".ljust(128, b"\0") + build(**values)[128:],
    )


def forgets_marker(index: int) -> Mutate:
    def mutate(patch: pytest.MonkeyPatch) -> None:
        stamps = compose.stamps

        def fewer(*given: Any) -> Any:
            every = stamps(*given)
            return (*every[:index], *every[index + 1 :])

        patch.setattr(compose, "stamps", fewer)

    return mutate


def blind_to_names(patch: pytest.MonkeyPatch) -> None:
    collect = knowledge.collect
    patch.setattr(
        knowledge,
        "collect",
        lambda values, **more: collect([one for one in values if one[1] != "PN"], **more),
    )


def mixes_uids(patch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count(1)
    patch.setattr(uids.NewUids, "of", lambda self, uid: b"2.25.%d" % next(numbers))


def shifts_unevenly(patch: pytest.MonkeyPatch) -> None:
    shift = actions.shift_values
    days = itertools.count(-300)
    patch.setattr(
        actions,
        "shift_values",
        lambda value, **how: shift(value, **{**how, "days": next(days)}),
    )


# Without the first, UIDs in a text are still found one by one (``actions.UID_LIKE``).
ALL_PATTERNS = [
    *enumerate((*patterns._WITH_DIGITS, *((*one, None) for one in patterns._WITHOUT_DIGITS)))
][1:]
NEVER = re.compile("(?!)")


def forgets_pattern(index: int) -> Mutate:
    """Let one class of text pass; all of them stand in the planted report."""
    forgotten = ALL_PATTERNS[index - 1][1][0]

    def mutate(patch: pytest.MonkeyPatch) -> None:
        for name in ("_WITH_DIGITS", "_WITHOUT_DIGITS"):
            rows = [
                (NEVER if pattern is forgotten else pattern, *rest)
                for pattern, *rest in getattr(patterns, name)
            ]
            patch.setattr(patterns, name, tuple(rows))

    return mutate


def moves_births(patch: pytest.MonkeyPatch) -> None:
    decide = profile.Profile.decide

    def shift(self: Any, tag: int, **known: Any) -> Any:
        decision = decide(self, tag, **known)
        return profile.Decision("C", "mutant") if tag == 0x00100030 else decision

    patch.setattr(profile.Profile, "decide", shift)


def keeps_scripts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folding, "_LETTERS", {})
    folding.fold_char.cache_clear()
    patch.setattr(folding, "fold_char", folding.fold_char.__wrapped__)


MUTANTS: dict[str, Mutate] = {
    "X off": removes_nothing,
    "Z off": acts("empty"),
    "D off": acts("replace_by_dummy"),
    "U off": acts("replace_uids"),
    "C off": acts("clean"),
    "unlisted text unsearched": acts("search"),
    "codes unsearched": acts("search_codes"),
    "dates stay": acts("shift_dates"),
    "ages stay": acts("cap_age", "keep_noted"),
    "patient's name stays": acts("patient_pseudonym"),
    "study's number stays": acts("study_pseudonym"),
    "private elements stay": keeps_private,
    "sequences stay": skips_sequences,
    "safe private lost": answers(places, "safe_private_of", None),
    "unlisted lost": removes_all_unlisted,
    "everything emptied": answers(plans.DeidPlan, "_required", 0),
    "nothing known": answers(knowledge.Knowledge, "known", Known()),
    "no names known": blind_to_names,
    "no patterns": answers(text, "find_patterns", ()),
    "no dates in text": answers(text, "find_dates", ()),
    "nothing found": answers(text.Finder, "find", ()),
    "births moved": moves_births,
    **{f"no {rule} {at}": forgets_pattern(at) for at, (_, rule, _) in ALL_PATTERNS},
    "no persons": answers(patterns, "_persons", ()),
    "ages in text": answers(patterns, "find_ages", ()),
    "ages in reports": answers(report_items, "_capped", None),
    "births in reports": lambda patch: patch.setattr(report_items, "BIRTH_DATES", frozenset()),
    "no other forms": answers(text, "inner_texts", ()),
    "no other spellings": answers(person_names, "romanised", ()),
    "no other scripts": keeps_scripts,
    "pixels uncut": passes_padding,
    "preamble copied": copies_preamble,
    "uids mixed up": mixes_uids,
    "uneven shift": shifts_unevenly,
    "no option counts": lambda patch: patch.setattr(
        profile.Profile, "decide", lambda self, tag, **_: None
    ),
    **{f"marker {index} missing": forgets_marker(index) for index in range(4)},
}


def test_the_engine_unchanged_passes(tmp_path: Path) -> None:
    original = plant(tmp_path)

    assert run(original, tmp_path).is_file()


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS)
def test_a_broken_rule_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutate: Mutate
) -> None:
    original = plant(tmp_path)
    mutate(monkeypatch)

    with pytest.raises(ImageError) as caught:
        run(original, tmp_path)

    assert isinstance(caught.value, Rejected | Held)
    assert caught.value.reason in GATE_REASONS
    assert not list(tmp_path.glob("*.dcm*"))


@pytest.mark.parametrize("tag", sorted(kind_by_tag()), ids=keyword_for_tag)
def test_the_gate_knows_each_attribute_that_the_engine_knows(tmp_path: Path, tag: int) -> None:
    short = {"SH": "ZWIRB4711K", "AE": "ZWIRB4711K", "CS": "ZWIRB4711K", "IS": "471147"}
    value = (short | {"UR": "zwirbelkofen-4711"}).get(dictionary_VR(tag), "Zwirbelkofen 4711")
    ds = make_instance()
    if dictionary_VR(tag) not in ("SQ", "UI") and tag >> 16 > 2:
        ds.add_new(tag, dictionary_VR(tag), value)

        found = known_of(write_instance(tmp_path / "a.dcm", ds))

        assert squeeze(value) in {*found.words, *found.long, *found.numbers}


EXTRACTION: dict[str, tuple[dict[str, str], str, Mutate]] = {
    "names in texts": (
        {"SeriesDescription": "Grausvogel^Ada"},
        "by Grausvogel",
        answers(known, "_caret_names", ()),
    ),
    "joined names": (
        {"PatientName": "Ng^Ada"},
        "by NgAda",
        answers(person_names, "_full_names", ()),
    ),
    "lost accents": (
        {"PatientName": "Müller^Jörg"},
        "by M?ller",
        lambda patch: patch.setattr(
            person_names, "_parts", lambda word: iter([person_names.squeeze(word)])
        ),
    ),
    "misread": (
        {"PatientName": "Müller^Jörg"},
        "by MÃ¼ller",
        answers(person_names, "_misread", ()),
    ),
    "digits of an id": (
        {"PatientID": "AB123456C"},
        "nr 123456",
        lambda patch: patch.setattr(known, "_LONG_RUN", NEVER),
    ),
    "words of a place": (
        {"InstitutionName": "Klinikum Zwirbelkofen"},
        "at Zwirbelkofen",
        lambda patch: patch.setattr(
            known,
            "_place_forms",
            lambda value, kind, **_: iter([known.Identifier(known.squeeze(value), True, kind)]),
        ),
    ),
}


@pytest.mark.parametrize(("told", "text", "mutate"), EXTRACTION.values(), ids=EXTRACTION)
def test_what_the_engine_forgets_to_look_for_is_caught(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, str],
    text: str,
    mutate: Mutate,
) -> None:
    ds = make_instance(SpecificCharacterSet="ISO_IR 192", ImageComments=text, **told)
    original = write_instance(tmp_path / "a.dcm", ds)
    assert run(original, tmp_path).is_file()
    mutate(monkeypatch)

    with pytest.raises(Rejected) as caught:
        run(original, tmp_path)

    assert caught.value.reason is Reason.IDENTIFIER_LEFT
