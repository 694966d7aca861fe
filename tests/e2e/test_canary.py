"""The canary test: values that identify are looked for everywhere that they must not be.

The instances are full of marked values, in every way that a file can be bad; a whole run is
made by the program itself, with the log at its most talkative. What is found of the marks
outside of originals is a leak. Only ``status``, ``batch_logs`` and ``show_times`` may show a
name of a folder or file, on the terminal; they are not asked here.
"""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.support.installation import PROJECT, Installation
from tests.support.make_study import make_instance, truncate, write_instance

MARK = "QXCNRYXQ"
"""Stands in every marked value; short enough for SH with a number, and too long to come by chance:
the database has encrypted text, and four letters are met there once in a thousand runs."""
UID_MARK = "2.25.90909090909090"
"""Begins every original UID."""
MARKED = '[delivery]\nincomplete_series = "send-marked"\n'
"""An image of the series is rejected; the others go all the same."""
PEOPLE = (
    *("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"),
    *("ReferringPhysicianName", "PhysiciansOfRecord", "PerformingPhysicianName"),
    *("OperatorsName", "RequestingPhysician", "NameOfPhysiciansReadingStudy"),
)
TEXTS = (
    *("PatientID", "OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers"),
    *("PatientComments", "EthnicGroup", "Occupation", "AdditionalPatientHistory"),
    *("PatientReligiousPreference", "MedicalAlerts", "Allergies", "MilitaryRank"),
    *("RegionOfResidence", "AccessionNumber", "StudyID", "InstitutionName"),
    *("InstitutionAddress", "InstitutionalDepartmentName", "StationName"),
    *("DeviceSerialNumber", "StudyDescription", "SeriesDescription", "ProtocolName"),
    *("RequestedProcedureDescription", "PerformedProcedureStepDescription"),
    *("ImageComments", "ContrastBolusAgent", "RequestedProcedureID", "AdmissionID"),
    *("CurrentPatientLocation", "PerformedStationName", "PlateID", "DetectorID"),
)


def marked(number: int, **attributes: object) -> Dataset:
    """Return an instance with marks in every attribute that identifies, and in private ones."""
    ds = make_instance(number=number, seed="canary")
    for keyword in PEOPLE:
        setattr(ds, keyword, f"{MARK}{keyword}^Given{MARK}"[:60])
    for nr, keyword in enumerate(TEXTS):
        setattr(ds, keyword, f"{MARK}{nr:03}XYZ")
    item = Dataset()
    item.ScheduledProcedureStepDescription = f"{MARK} step of {MARK}PatientName"
    item.AccessionNumber = f"{MARK}INSIDE"
    ds.RequestAttributesSequence = Sequence([item])
    block = ds.private_block(0x0029, f"{MARK} PRIVATE", create=True)
    block.add_new(0x10, "LO", f"{MARK}PRIVATEVALUE")
    for keyword, value in (
        ("StudyInstanceUID", f"{UID_MARK}.1"),
        ("SeriesInstanceUID", f"{UID_MARK}.2"),
        ("SOPInstanceUID", f"{UID_MARK}.3.{number}"),
        ("FrameOfReferenceUID", f"{UID_MARK}.4"),
        *attributes.items(),
    ):
        setattr(ds, keyword, value)
    return ds


def fill(inbox: Path) -> None:
    """Make one batch with something of every fate."""
    folder = inbox / f"{MARK}FOLDER"
    for number in range(1, 5):
        write_instance(folder / f"{MARK}SUB" / f"{MARK}FILE{number}.dcm", marked(number))
    write_instance(folder / f"{MARK}TWIN.dcm", marked(1, InstanceNumber="77"))
    write_instance(folder / f"{MARK}FILTERED.dcm", marked(6, Modality="US"))
    write_instance(folder / f"{MARK}HELD.dcm", marked(7, SOPClassUID="1.2.826.0.1.3680043.10.9"))
    truncate(write_instance(folder / f"{MARK}SHORT.dcm", marked(8)))
    (folder / f"{MARK}NOTES.txt").write_text(f"{MARK} called about the scan")
    late = bytes.fromhex("10002010") + b"SH" + (4).to_bytes(2, "little") + MARK.encode()
    disordered = write_instance(folder / f"{MARK}DISORDER.dcm", marked(9))
    disordered.write_bytes(disordered.read_bytes() + late)
    nameless = inbox / f"{MARK}NAMELESS"
    write_instance(nameless / f"{MARK}X.dcm", marked(1, PatientID="", SOPInstanceUID="2.25.5"))


def leaks(root: Path, *, but: tuple[str, ...] = ()) -> list[str]:
    """Return where a mark is found in names or bytes below a folder."""
    found = []
    for path in sorted(root.rglob("*")):
        place = str(path.relative_to(root))
        if place.startswith(but) or not path.exists():
            continue
        if shows(place.encode("utf-8", "surrogateescape")):
            found.append(f"name of {place}")
        if path.is_file() and shows(path.read_bytes()):
            found.append(place)
    return found


def shows(content: bytes) -> bool:
    """Say whether a mark stands in these bytes, in one of the ways that text is written."""
    lowered = content.lower()
    marks = [MARK.lower(), UID_MARK]
    spellings = [mark.encode(code) for mark in marks for code in ("ascii", "utf-16-le")]
    return any(spelling in lowered for spelling in spellings)


def test_a_planted_mark_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"..." + "xQxCnryXqx".encode("utf-16-le"))
    (tmp_path / f"{MARK}.txt").write_text("")
    (tmp_path / "c").write_text(f"uid {UID_MARK}.3")

    assert leaks(tmp_path) == [f"name of {MARK}.txt", "a", "c"]


@pytest.mark.timeout(240)
def test_no_identifying_value_is_found_where_it_must_not_be(installation: Installation) -> None:
    installation.write_config('log_level = "debug"\n' + installation.config.read_text())
    installation.write_project(
        PROJECT.replace('originals = "remove"', 'excluded = "remove"\nresults = "keep"') + MARKED
    )
    fill(installation.inbox)
    (installation.root / "metrics").mkdir()
    said: dict[str, str] = {}

    def run(*words: str) -> None:
        done = installation.run(*words)
        said[" ".join(words)] = done.stdout + done.stderr

    run("run", "--once")
    assert "import of batch" in said["run --once"]
    batches = {b["uid"]: b for b in installation.status()}
    reports = (
        ("check",),
        ("report", "--output", str(installation.root / "page.html")),
        ("report", "--json"),
        ("summary_metrics",),
        ("export_metrics", "--output", str(installation.root / "metrics")),
        ("upload_finished",),
    )
    for words in reports:
        run(*words)

    whole = batches[f"{MARK}FOLDER"]
    assert whole["status"] == "DONEPROCESSING"
    assert whole["excluded"] + whole["held_images"] + whole["rejected"] + whole["unreadable"] == 6
    assert batches[f"{MARK}NAMELESS"]["status"] == "ERROR"
    assert len(installation.delivered()) == 4
    assert leaks(installation.root, but=("inbox", "work/phi", "arriving")) == []
    assert [words for words, text in said.items() if shows(text.encode())] == []

    run("resolve", str(whole["batch"]), "--accept")
    run("resolve", str(batches[f"{MARK}NAMELESS"]["batch"]), "--reject")
    run("run", "--once")
    run("report", "--json")

    assert {b["status"] for b in installation.status()} == {"DONE", "ERROR"}
    assert leaks(installation.root, but=("inbox",)) == []
    assert [words for words, text in said.items() if shows(text.encode())] == []
    assert sorted(path.name for path in installation.inbox.iterdir()) == [
        f"{MARK}FOLDER.err",
        f"{MARK}NAMELESS.err",
    ]


def test_results_still_hold_what_is_no_identifier(installation: Installation) -> None:
    installation.write_project(PROJECT + MARKED)
    fill(installation.inbox)

    installation.run("run", "--once")

    found = dcmread(installation.delivered()[0])
    assert (found.Modality, found.Rows, found.Columns) == ("CT", 16, 16)
