import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sendit.pipeline import machine
from sendit.pipeline.machine.table import HELD_PERSON
from sendit.records.models import Batch, Finding, Image
from sendit.terms import Stage, Status
from tests.pipeline.files import tree
from tests.pipeline.line import Line
from tests.support.installation import PROJECT
from tests.support.make_study import (
    empty,
    giant_length,
    make_dicomdir,
    make_instance,
    make_study,
    not_dicom,
    truncate,
    without_preamble,
    write_instance,
)

STOP = PROJECT.replace("[accept]", '[accept]\non_bad_image = "stop"')


def reasons(batch: Batch) -> dict[str, str]:
    """Return why each image was left out, by its path."""
    return dict(
        Image.objects.filter(batch=batch)
        .exclude(reason="")
        .order_by("nr")
        .values_list("source", "reason")
    )


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (empty, "EMPTY_FILE"),
        (truncate, "TRUNCATED"),
        (not_dicom, "NOT_DICOM"),
        (giant_length, "TRUNCATED"),
    ],
)
def test_unreadable_file_stays_in_the_err_folder_and_the_rest_is_delivered(
    line: Line, spoil: Callable[[Path], Path], code: str
) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    bad = spoil(folder / "series1" / "image002.dcm").read_bytes()

    batch = line.run("ACC1")

    assert (batch.status, batch.stage, batch.held) == (
        Status.DONEPROCESSING,
        Stage.CLEAN_UP,
        HELD_PERSON,
    )
    assert (batch.has_error, batch.unreadable, line.codes(batch.pk)) == (True, 1, [code])
    assert Finding.objects.get().file == "series1/image002.dcm"
    assert set(Image.objects.values_list("status", flat=True)) == {Status.SENT}
    assert len(line.installation.delivered()) == 2
    assert [*tree(line.err_folder("ACC1"))] == ["series1/image002.dcm"]
    assert (line.err_folder("ACC1") / "series1/image002.dcm").read_bytes() == bad
    assert len(tree(line.workspace.phi(batch.pk))) == 2


def test_file_above_max_instance_is_too_large(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1)
    text = line.installation.config.read_text()
    line.installation.write_config(text.replace("[limits]", '[limits]\nmax_instance = "1 kB"'))
    line.configuration = line.installation.configuration()

    batch = line.run("ACC1")

    assert line.codes(batch.pk) == ["TOO_LARGE"]
    assert (batch.status, batch.held) == (Status.EMPTY, HELD_PERSON)


def test_accepting_cleans_up_and_keeps_the_err_folder(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    not_dicom(folder / "notes.txt")
    batch = line.run("ACC1")

    machine.accept(batch.pk, reason="", now=line.clock)
    line.work()

    batch = line.batch(batch.pk)
    assert (batch.status, batch.stage, batch.has_error) == (Status.DONE, "", False)
    assert not line.workspace.phi(batch.pk).exists()
    assert Finding.objects.get().file is None
    assert [*tree(line.err_folder("ACC1"))] == ["notes.txt"]


def test_err_folder_that_is_taken_gets_a_number(line: Line) -> None:
    (line.installation.inbox / "ACC1.err").mkdir()
    (line.installation.inbox / "ACC1.err2").write_text("a file")
    folder = line.installation.add_study("ACC1", n_series=1)
    not_dicom(folder / "notes.txt")

    line.run("ACC1")

    assert [*tree(line.installation.inbox / "ACC1.err3")] == ["notes.txt"]


def test_nothing_but_unreadable_files_is_empty_and_waits(line: Line) -> None:
    not_dicom(line.installation.inbox / "ACC1" / "notes.txt")

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error, batch.held) == (Status.EMPTY, True, HELD_PERSON)


def test_nothing_but_filtered_images_is_empty_without_an_error(line: Line) -> None:
    line.installation.add_study("ACC1", modality="US")

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error, batch.held) == (Status.EMPTY, False, "")
    assert set(reasons(batch).values()) == {"MODALITY"}
    assert [alert["code"] for alert in batch.alerts] == ["MODALITY"]
    assert len(tree(line.workspace.phi(batch.pk) / "excluded")) == 6
    assert list(line.installation.inbox.iterdir()) == []


@pytest.mark.parametrize("said", ["YES", ""], ids=["yes", "empty"])
def test_burned_in_annotation_that_does_not_say_no_is_excluded(line: Line, said: str) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    write_instance(folder / "late.dcm", make_instance(seed="x", BurnedInAnnotation=said))

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert [image.reason for image in batch.images.filter(verdict="EXCLUDED")] == ["BURNED_IN"]


def test_empty_folder_is_empty_and_says_so(line: Line) -> None:
    (line.installation.inbox / "ACC1" / "nothing").mkdir(parents=True)

    batch = line.run("ACC1")

    assert (batch.status, batch.stage, batch.has_error) == (Status.EMPTY, "", False)
    assert [alert["code"] for alert in batch.alerts] == ["EMPTY_FOLDER"]
    assert list(line.installation.inbox.iterdir()) == []


def test_file_in_an_unknown_transfer_syntax_is_rejected_and_the_rest_goes_on(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=2, n_images=1)
    file = folder / "series1" / "image001.dcm"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.2.1\0"))

    batch = line.run("ACC1")

    assert (batch.status, line.codes(batch.pk)) == (Status.DONEPROCESSING, ["UNSUPPORTED"])
    assert len(line.installation.delivered()) == 1
    assert (line.workspace.phi(batch.pk) / "1.dcm").is_file()
    assert list(line.installation.inbox.iterdir()) == []


@pytest.mark.parametrize("name", ["L" * 255, "\u00e9" * 127], ids=["ascii", "utf-8"])
def test_longest_name_leaves_room_for_err_and_the_folder_comes_back_whole(
    line: Line, name: str
) -> None:
    folder = line.installation.add_study(name, n_series=1, n_images=1)
    not_dicom(folder / "notes.txt")
    before = tree(folder)

    batch = line.run(name)
    (err,) = line.installation.inbox.iterdir()
    assert batch.status == Status.DONEPROCESSING
    assert err.name.endswith(".err")
    assert name.startswith(err.name.removesuffix(".err"))

    machine.turn_down(batch.pk, reason="", now=line.clock)
    line.work()

    assert tree(err) == before
    assert list(line.installation.inbox.iterdir()) == [err]


def test_file_deeper_than_a_path_stays_and_the_rest_is_delivered(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)

    batch = line.run("ACC1")

    assert (batch.status, line.codes(batch.pk)) == (Status.DONEPROCESSING, ["NO_PERMISSION"])
    assert batch.errors[0]["message"].startswith("1 folder may not be read, with all that lies in")
    assert len(line.installation.delivered()) == 1
    assert line.err_folder("ACC1").is_dir()


def test_batch_whose_inbox_is_away_says_so_and_retry_goes_on(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1)
    batch_id = line.hand_in("ACC1")
    away = line.installation.inbox.rename(line.installation.root / "away")

    line.work()
    stopped = line.batch(batch_id)
    away.rename(line.installation.inbox)
    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert stopped.errors[0]["message"].startswith("The inbox is not there; nothing was taken in.")
    assert line.batch(batch_id).status == Status.DONE


def test_second_file_with_the_same_bytes_is_left_out(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    shutil.copy(folder / "series1/image001.dcm", folder / "series1/image003.dcm")

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error) == (Status.DONE, False)
    assert [image.reason for image in batch.images.filter(verdict="EXCLUDED")] == ["SAME_FILE"]
    assert len(line.installation.delivered()) == 2


def test_second_file_with_the_same_uid_and_other_bytes_is_rejected(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
    first = make_instance(seed=str(folder.parent.parent / "arriving" / "ACC1"), number=1)
    first.InstanceNumber = "7"
    write_instance(folder / "series1" / "later.dcm", first)

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error) == (Status.DONEPROCESSING, True)
    assert reasons(batch) == {"series1/later.dcm": "SAME_UID"}
    assert line.codes(batch.pk) == ["SAME_UID"]
    assert len(line.installation.delivered()) == 1


def test_dicomdir_is_left_out_and_kept_as_long_as_excluded_images(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    make_dicomdir(folder / "DICOMDIR", sorted(folder.rglob("*.dcm")))

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error) == (Status.DONE, False)
    assert [image.reason for image in batch.images.filter(verdict="EXCLUDED")] == ["DICOMDIR"]
    assert len(line.installation.delivered()) == 3
    assert len(tree(line.workspace.phi(batch.pk) / "excluded")) == 1


def test_file_without_preamble_is_read(line: Line) -> None:
    folder = line.installation.inbox / "ACC1"
    for path in make_study(folder, n_series=1, n_images=1, transfer_syntax_uid="1.2.840.10008.1.2"):
        without_preamble(path)

    batch = line.run("ACC1")

    assert (batch.status, batch.errors) == (Status.DONE, [])
    assert len(line.installation.delivered()) == 1


class TestLinks:
    def test_link_inside_the_folder_is_the_same_file(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        (folder / "again.dcm").symlink_to("series1/image001.dcm")

        batch = line.run("ACC1")

        assert (batch.status, batch.has_error) == (Status.DONE, False)
        assert [i.reason for i in batch.images.filter(verdict="EXCLUDED")] == ["SAME_FILE"]
        assert list(line.installation.inbox.iterdir()) == []

    @pytest.mark.parametrize("kind", ["outside", "dangling", "loop", "folder", "absolute"])
    def test_link_that_leads_elsewhere_is_never_followed(self, line: Line, kind: str) -> None:
        secret = line.installation.root / "secret"
        outside = make_study(secret, n_series=1, n_images=1)[0]
        folder = line.installation.add_study("ACC1", n_series=1)
        target = {
            "outside": "../../secret/series1/image001.dcm",
            "dangling": "nowhere.dcm",
            "loop": "link",
            "folder": "../../secret",
            "absolute": str(outside),
        }[kind]
        (folder / "link").symlink_to(target)
        before = tree(secret)

        batch = line.run("ACC1")

        assert line.codes(batch.pk) == ["LINK_OUTSIDE"]
        assert batch.images.count() == 3
        assert len(line.installation.delivered()) == 3
        assert (line.err_folder("ACC1") / "link").is_symlink()
        assert tree(secret) == before

    def test_pipe_is_not_waited_for(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        os.mkfifo(folder / "pipe")

        batch = line.run("ACC1")

        assert line.codes(batch.pk) == ["NOT_DICOM"]

    def test_link_put_in_the_place_of_a_file_that_was_looked_at_is_not_taken(
        self, line: Line
    ) -> None:
        secret = make_study(line.installation.root / "secret", n_series=1, n_images=1)[0]
        mode = secret.stat().st_mode
        folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
        batch_id = line.hand_in("ACC1")
        original = folder / "series1/image001.dcm"
        Image.objects.create(
            batch_id=batch_id, nr=1, source="series1/image001.dcm", sop_digest="x", size=9
        )
        original.unlink()
        original.symlink_to(secret)

        line.work()

        assert line.batch(batch_id).status == Status.ERROR
        assert "was not followed" in line.batch(batch_id).errors[0]["message"]
        assert secret.stat().st_mode == mode
        assert not line.workspace.original(batch_id, 1).exists()


@pytest.mark.parametrize(
    "name",
    ["with space", "new\nline", 'tab\tand "quotes"', "ümläut", b"raw\xff\xfebytes", "-rf", "a%s{}"],
)
def test_any_name_of_folder_and_file_is_fine(line: Line, name: str | bytes) -> None:
    text = os.fsdecode(name)
    folder = line.installation.add_study("plain", n_series=1)
    folder = folder.rename(line.installation.inbox / text)
    (folder / "series1" / "image001.dcm").rename(folder / text)
    not_dicom(folder / f"{text}.txt")
    originals = tree(folder)

    batch = line.run(text)

    assert (batch.status, line.codes(batch.pk)) == (Status.DONEPROCESSING, ["NOT_DICOM"])
    assert Finding.objects.get().file == f"{text}.txt"
    assert len(line.installation.delivered()) == 3
    machine.turn_down(batch.pk, reason="", now=line.clock)
    line.work()
    assert tree(line.err_folder(text)) == originals


def test_files_at_any_depth_are_found_whatever_they_are_called(line: Line) -> None:
    deep = line.installation.inbox / "ACC1" / "/".join("abcdefgh")
    write_instance(deep / "IM000001", make_instance(number=1))
    write_instance(deep.parent / "x.tmp", make_instance(number=2))
    (deep / ".DS_Store").write_text("junk")
    (deep.parent / "Thumbs.db").write_text("junk")

    batch = line.run("ACC1")

    assert (batch.status, batch.images.count()) == (Status.DONE, 2)
    assert list(line.installation.inbox.iterdir()) == []


class TestFolderThatGoesAway:
    def test_not_when_its_volume_is_mounted_anew_under_another_number(self, line: Line) -> None:
        line.installation.add_study("ACC1", n_series=1)
        batch_id = line.hand_in("ACC1")
        inode = line.batch(batch_id).folder_key.rpartition(":")[2]
        Batch.objects.filter(pk=batch_id).update(folder_key=f"4711:{inode}")

        line.work()

        assert line.batch(batch_id).status == Status.DONE

    def test_before_import(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        batch_id = line.hand_in("ACC1")
        elsewhere = folder.rename(line.installation.root / "elsewhere")
        line.work()
        assert line.batch(batch_id).status == Status.ERROR
        assert "no longer in the inbox" in line.batch(batch_id).errors[0]["message"]

        elsewhere.rename(folder)
        machine.retry(batch_id, target=None, now=line.clock)
        line.work()

        assert line.batch(batch_id).status == Status.DONE
        assert len(line.installation.delivered()) == 3

    def test_another_folder_of_the_name_is_not_taken_for_it(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        batch_id = line.hand_in("ACC1")
        folder.rename(line.installation.root / "elsewhere")
        other = line.installation.add_study("ACC1", n_series=1, PatientID="other")
        before = tree(other)

        line.work()

        assert line.batch(batch_id).status == Status.ERROR
        assert tree(other) == before

    @pytest.mark.parametrize("after", [1, 2, 3])
    def test_while_it_is_read(
        self, line: Line, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        elsewhere = line.installation.root / "elsewhere"
        opened = count_opens(monkeypatch, ".dcm", after, lambda: folder.rename(elsewhere))
        batch_id = line.hand_in("ACC1")

        line.work()

        assert opened()
        batch = line.batch(batch_id)
        assert (batch.status, line.codes(batch_id)) == (Status.ERROR, ["STOPPED"])
        assert "went away" in batch.errors[0]["message"]
        elsewhere.rename(folder)
        machine.retry(batch_id, target=None, now=line.clock)
        line.work()
        assert (line.batch(batch_id).status, len(line.installation.delivered())) == (Status.DONE, 3)

    def test_between_looking_and_moving(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        elsewhere = line.installation.root / "elsewhere"
        rename = os.rename
        moved = []

        def rename_once(source: Path, destination: Path) -> None:
            moved.append(source)
            rename(source, destination)
            if len(moved) == 1:
                rename(folder, elsewhere)

        monkeypatch.setattr("os.rename", rename_once)
        batch_id = line.hand_in("ACC1")
        line.work()
        monkeypatch.undo()
        assert "2 of the folder's files went away" in line.batch(batch_id).errors[0]["message"]

        elsewhere.rename(folder)
        machine.retry(batch_id, target=None, now=line.clock)
        line.work()

        assert (line.batch(batch_id).status, len(line.installation.delivered())) == (Status.DONE, 3)


def count_opens(
    monkeypatch: pytest.MonkeyPatch, suffix: str, number: int, then: Callable[[], object]
) -> Callable[[], bool]:
    """Let something happen just before a file of that suffix is opened for so manyth time."""
    real = os.open
    seen: list[str] = []

    def opening(path: str | Path, *arguments: int, **keywords: int) -> int:
        if str(path).endswith(suffix):
            seen.append(str(path))
            if len(seen) == number:
                then()
        return real(path, *arguments, **keywords)

    monkeypatch.setattr("os.open", opening)
    return lambda: len(seen) >= number


def test_file_that_took_the_place_of_one_that_was_moved_overwrites_nothing(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    batch_id = line.hand_in("ACC1")
    Image.objects.create(
        batch_id=batch_id, nr=1, source="series1/image001.dcm", sop_digest="x", size=9
    )
    phi = line.workspace.phi(batch_id)
    phi.mkdir()
    shutil.copy(folder / "series1/image002.dcm", phi / "1.dcm")
    before = tree(phi), tree(folder)

    line.work()

    assert line.batch(batch_id).status == Status.ERROR
    assert "was replaced" in line.batch(batch_id).errors[0]["message"]
    assert (tree(phi), tree(folder)) == before


def test_file_that_arrives_while_the_others_are_moved_is_taken_too(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    late = make_instance(seed="late")
    rename = os.rename
    moved = []

    def rename_and_add(source: Path, destination: Path) -> None:
        rename(source, destination)
        moved.append(source)
        if len(moved) == 2:
            write_instance(folder / "late.dcm", late)

    monkeypatch.setattr("os.rename", rename_and_add)

    batch = line.run("ACC1")

    assert (batch.status, batch.images.count()) == (Status.DONE, 3)


def test_link_in_the_place_of_a_folder_is_not_gone_through(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
    outside = line.installation.root / "outside"
    make_study(outside / "ACC1", n_series=1, n_images=1)
    before = tree(outside)

    def swap() -> None:
        (folder / "series1").rename(line.installation.root / "away")
        (folder / "series1").symlink_to(outside / "ACC1" / "series1")

    opened = count_opens(monkeypatch, "image001.dcm", 1, swap)
    batch_id = line.hand_in("ACC1")
    line.work()

    assert opened()
    assert line.codes(batch_id) == ["STOPPED"]
    assert tree(outside) == before
    assert not tree(line.workspace.phi(batch_id))


def test_working_folder_of_another_database_is_neither_mixed_in_nor_removed(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1)
    batch_id = line.hand_in("ACC1")
    foreign = line.workspace.phi(batch_id) / "2.dcm"
    foreign.parent.mkdir()
    foreign.write_bytes(b"the only copy")

    line.work()

    assert line.codes(batch_id) == ["STOPPED"]
    assert "knows nothing of" in line.batch(batch_id).errors[0]["message"]
    assert len(tree(line.installation.inbox)) == 1

    result = line.workspace.clean(batch_id) / "a/b.dcm"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"the only result")
    machine.turn_down(batch_id, reason="", now=line.clock)
    line.work()

    assert (foreign.read_bytes(), result.read_bytes()) == (b"the only copy", b"the only result")
    assert line.err_folder("ACC1").is_dir()


def test_batch_goes_on_when_the_folder_of_another_database_is_out_of_its_way(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1)
    batch_id = line.hand_in("ACC1")
    foreign = line.workspace.phi(batch_id) / "2.dcm"
    foreign.parent.mkdir()
    foreign.write_bytes(b"the only copy")
    line.work()

    foreign.parent.rename(line.installation.root / "elsewhere")
    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert line.batch(batch_id).status == Status.DONE
    assert (line.installation.root / "elsewhere/2.dcm").read_bytes() == b"the only copy"


def test_modality_is_kept_only_if_it_is_a_term_of_the_standard(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    write_instance(folder / "named.dcm", make_instance(seed="x", Modality="SANDPIPER"))

    batch = line.run("ACC1")

    kept = Image.objects.filter(batch=batch).values_list("modality", flat=True)
    assert set(kept) == {"CT", ""}


class TestStop:
    def test_batch_with_a_bad_file_stops_and_goes_on_when_accepted(self, line: Line) -> None:
        line.set_project(STOP)
        folder = line.installation.add_study("ACC1", n_series=1)
        not_dicom(folder / "notes.txt")

        batch = line.run("ACC1")

        assert (batch.status, batch.stage) == (Status.ERROR, Stage.IMPORT)
        assert line.codes(batch.pk) == ["NOT_DICOM", "STOPPED"]
        assert line.installation.delivered() == []
        machine.accept(batch.pk, reason="", now=line.clock)
        line.work()
        assert line.batch(batch.pk).status == Status.DONE
        assert len(line.installation.delivered()) == 3

    def test_batch_with_a_bad_file_is_given_back_when_rejected(self, line: Line) -> None:
        line.set_project(STOP)
        folder = line.installation.add_study("ACC1", n_series=1)
        not_dicom(folder / "notes.txt")
        originals = tree(folder)
        batch = line.run("ACC1")

        machine.turn_down(batch.pk, reason="", now=line.clock)
        line.work()

        assert tree(line.err_folder("ACC1")) == originals
        assert (line.batch(batch.pk).status, line.batch(batch.pk).stage) == (Status.ERROR, "")

    def test_retry_alone_does_not_take_it_on(self, line: Line) -> None:
        line.set_project(STOP)
        folder = line.installation.add_study("ACC1", n_series=1)
        not_dicom(folder / "notes.txt")
        batch = line.run("ACC1")

        machine.retry(batch.pk, target=None, now=line.clock)
        line.work()

        assert line.batch(batch.pk).status == Status.ERROR
