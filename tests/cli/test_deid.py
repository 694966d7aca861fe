import json
import stat
from pathlib import Path

import pydicom
import pytest

from sendit.cli.deid import main
from tests.support.make_study import (
    empty,
    make_dicomdir,
    make_instance,
    make_study,
    not_dicom,
    truncate,
    write_instance,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report_of(here: Path, *words: str, code: int) -> dict:
    assert main(["in", "out", "--report", "report.json", *words]) == code
    return json.loads((here / "report.json").read_text())


def reasons(report: dict) -> dict:
    return {image["source"]: image["reason"] for image in report["images"]}


def test_folder_becomes_a_tree_of_new_names(here: Path) -> None:
    make_study(here / "in", n_series=2, n_images=2)

    report = report_of(here, code=0)

    files = sorted((here / "out").rglob("*.dcm"))
    assert len(files) == report["totals"]["written"] == 4
    for file in files:
        ds = pydicom.dcmread(file)
        parts = (ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        assert file.relative_to(here / "out") == Path(*parts).with_name(f"{parts[3]}.dcm")


def test_every_file_has_one_entry_in_path_order(here: Path) -> None:
    [first, second] = make_study(here / "in", n_series=1, n_images=2)
    (here / "in" / "copy.dcm").write_bytes(first.read_bytes())
    other = make_instance(seed=str(here / "in"), number=2, InstanceNumber="77")
    write_instance(here / "in" / "z-other.dcm", other)
    truncate(write_instance(here / "in" / "cut.dcm", make_instance(seed="cut")))
    empty(here / "in" / "empty.dcm")
    not_dicom(here / "in" / "notes.txt")
    make_dicomdir(here / "in" / "DICOMDIR", [second])
    (here / "in" / ".DS_Store").write_bytes(b"x")
    write_instance(here / "in" / "nobody.dcm", make_instance(seed="nobody", PatientID=""))

    report = report_of(here, code=1)

    assert reasons(report) == {
        "DICOMDIR": "DICOMDIR",
        "copy.dcm": None,
        "cut.dcm": "TRUNCATED",
        "empty.dcm": "EMPTY_FILE",
        "nobody.dcm": "NO_IDENTITY",
        "notes.txt": "NOT_DICOM",
        "series1/image001.dcm": "SAME_FILE",
        "series1/image002.dcm": None,
        "z-other.dcm": "SAME_UID",
    }
    assert list(reasons(report)) == sorted(reasons(report))
    assert len(list((here / "out").rglob("*.dcm"))) == report["totals"]["written"] == 2


def test_report_is_private_and_names_no_source_when_asked(here: Path) -> None:
    make_study(here / "in" / "SANDPIPER", n_series=1, n_images=1)

    report = report_of(here, "--no-sources", code=0)

    text = (here / "report.json").read_text()
    assert stat.S_IMODE((here / "report.json").stat().st_mode) == 0o600
    assert [image["source"] for image in report["images"]] == [1]
    assert "SANDPIPER" not in text.upper()


def test_link_that_leaves_the_folder_is_never_followed(here: Path) -> None:
    [outside] = make_study(here / "elsewhere", n_series=1, n_images=1)
    (here / "in").mkdir()
    (here / "in" / "link.dcm").symlink_to(outside)

    report = report_of(here, code=1)

    assert reasons(report) == {"link.dcm": "LINK_OUTSIDE"}


def test_name_of_a_file_sends_no_commands_to_the_terminal(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "in").mkdir()
    (here / "in" / "a\x1b[2J\nb").write_bytes(b"no")

    report_of(here, code=1)

    assert "a\\x1b[2J\\nb: NOT_DICOM" in capsys.readouterr().err


def test_link_that_leads_nowhere_or_to_itself_stops_nothing(here: Path) -> None:
    make_study(here / "in" / "study", n_series=1, n_images=1)
    (here / "in" / "circle").symlink_to("circle")
    (here / "in" / "nowhere").symlink_to("gone")

    report = report_of(here, code=1)

    assert [reasons(report)[name] for name in ("circle", "nowhere")] == ["LINK_OUTSIDE"] * 2
    assert report["totals"]["written"] == 1


def test_link_inside_the_folder_is_left_out_and_its_file_is_taken(here: Path) -> None:
    [file] = make_study(here / "in" / "study", n_series=1, n_images=1)
    (here / "in" / "a-link.dcm").symlink_to(file)

    report = report_of(here, code=0)

    assert reasons(report) == {
        "a-link.dcm": "SAME_FILE",
        f"{file.relative_to(here / 'in')}": None,
    }
    assert report["totals"]["written"] == 1


def test_project_that_stops_without_an_item_number_rejects_such_files(here: Path) -> None:
    make_study(here / "in" / "a", n_series=1, n_images=1, AccessionNumber="")
    [named, _] = make_study(here / "in" / "b", n_series=1, n_images=2)
    ds = pydicom.dcmread(named)
    ds.AccessionNumber = ""
    ds.save_as(named)
    (here / "p.toml").write_text('[deid]\ndefacing = "off"\n')

    report = report_of(here, "--project", "p.toml", code=1)

    assert list(reasons(report).values()) == ["NO_IDENTITY", None, None]
    remedy = 'AccessionNumber is empty or missing; on_missing = "derive" lets it go on'
    assert report["images"][0]["detail"] == remedy

    (here / "p.toml").write_text('[identity]\non_missing = "derive"\n[deid]\ndefacing = "off"\n')
    assert report_of(here, "--project", "p.toml", code=0)["totals"]["written"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["in", "in/out"],
        ["in/sub", "in"],
        ["in", "out", "--report", "out/report.json"],
        ["missing", "out"],
    ],
)
def test_places_that_lie_in_one_another_are_refused(here: Path, words: list[str]) -> None:
    make_study(here / "in" / "sub", n_series=1, n_images=1)

    assert main(words) == 1
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "words", [[], ["in"], ["in", "out", "--nonsense"], ["in", "o", "--jobs", "0"]]
)
def test_wrong_usage_is_exit_2(here: Path, words: list[str]) -> None:
    assert main(words) == 2


def test_a_number_that_is_none_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["in", "out", "--jobs", "many"])

    assert '"many" is not a number of at least 1' in capsys.readouterr().err


def test_processes_give_the_same_bytes_as_one(here: Path) -> None:
    make_study(here / "in", n_series=2, n_images=40)

    one = report_of(here, "--jobs", "1", code=0)
    two = report_of(here, "--jobs", "2", code=0)

    assert one["images"] == two["images"]


def test_missing_accession_number_is_derived_and_pseudonyms_stay(here: Path) -> None:
    make_study(here / "in", n_series=1, n_images=1, AccessionNumber="")

    first = report_of(here, code=0)
    second = report_of(here, code=0)

    assert first["images"] == second["images"]
    [file] = (here / "out").rglob("*.dcm")
    assert pydicom.dcmread(file).AccessionNumber
    assert stat.S_IMODE((here / "sendit-data/keys/site.key").stat().st_mode) == 0o600


def test_file_name_that_is_no_text_is_escaped_in_the_report(here: Path) -> None:
    [source] = make_study(here / "in", n_series=1, n_images=1)
    source.rename(source.with_name("a b\nc\udcff.dcm"))

    report = report_of(here, code=0)

    assert [image["source"] for image in report["images"]] == ["series1/a b\nc\\xff.dcm"]


def test_a_new_site_key_is_told_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study(here / "in", n_series=1, n_images=1)

    assert main(["in", "out"]) == 0
    first = capsys.readouterr()
    assert main(["in", "again"]) == 0
    second = capsys.readouterr()

    assert f"Made a new site key, {here}/sendit-data/keys/site.key." in first.err
    assert second.err == ""
    assert (
        first.out
        == second.out
        == ("1 file: 1 written, 0 excluded, 0 held, 0 unreadable, 0 rejected\n")
    )


def test_a_result_takes_the_place_of_what_lies_there_and_nothing_else_is_touched(
    here: Path,
) -> None:
    make_study(here / "in", n_series=1, n_images=1)
    assert main(["in", "out"]) == 0
    [result] = (here / "out").rglob("*.dcm")
    right = result.read_bytes()
    result.write_bytes(b"of an earlier recipe")
    other = result.with_name("other.dcm")
    other.write_bytes(b"of an earlier run")

    assert main(["in", "out"]) == 0

    assert result.read_bytes() == right
    assert other.read_bytes() == b"of an earlier run"


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(here / "in", n_series=1, n_images=1)

    assert main(["in", "out", "--report", "nowhere/report.json"]) == 1

    assert "The report cannot be written: nowhere is no folder" in capsys.readouterr().err
    assert not (here / "out").exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_full_disk_is_told_with_what_to_do_and_leaves_no_part(
    here: Path, small_disk: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    make_study(here / "in", n_series=1, n_images=100)

    assert main(["in", str(small_disk), "--jobs", jobs]) == 1

    assert f"No space left on device: {small_disk}. Stopped after" in capsys.readouterr().err
    assert list(small_disk.rglob("*.part")) == []
