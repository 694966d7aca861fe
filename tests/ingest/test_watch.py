"""The loop in this process, mode inline: from a folder in an inbox to a batch at rest."""

import logging
import shutil
from pathlib import Path
from threading import Event, Timer

import pytest

from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.ingest import watch
from sendit.ingest.loop_lock import loop_is_alive, loop_process, only_loop
from sendit.pipeline import machine
from sendit.pipeline.preparation import prepare
from sendit.pipeline.runner import utc_now
from sendit.records.models import Batch, Finding
from sendit.terms import Status
from tests.support.installation import INSTALLATION, Installation
from tests.support.make_study import make_instance, make_study, not_dicom, write_instance

pytestmark = pytest.mark.django_db

INLINE = INSTALLATION.replace('mode = "pool"', 'mode = "inline"')
SECOND_INBOX = '[[inboxes]]\npath = "second"\nproject = "demo"\n'


@pytest.fixture
def configuration(installation: Installation, request: pytest.FixtureRequest) -> Configuration:
    (installation.root / "second").mkdir()
    installation.write_config(INLINE + SECOND_INBOX)
    return request.getfixturevalue("in_this_process")  # type: ignore[no-any-return]


def run(configuration: Configuration, *, strict: bool = False) -> int:
    keys = prepare(configuration)
    return watch.run(configuration, site_key=keys.site, once=True, strict=strict, stop=Event())


def statuses() -> dict[str, str]:
    return {batch.uid: batch.status for batch in Batch.objects.order_by("pk")}


def test_study_goes_from_the_inbox_to_the_target(
    configuration: Configuration, installation: Installation
) -> None:
    installation.add_study("ACC1", n_series=1, n_images=2)

    assert run(configuration) == 0

    assert statuses() == {"ACC1": Status.DONE}
    assert len(installation.delivered()) == 2
    assert list(installation.inbox.iterdir()) == []


def test_names_with_spaces_newlines_and_other_bytes_go_through(
    configuration: Configuration, installation: Installation
) -> None:
    for number, name in enumerate(("with space", "two\nlines", "M\udcfcller")):
        folder = installation.add_study(f"ACC{number}", n_series=1, n_images=1)
        file = next(folder.rglob("*.dcm"))
        file.rename(file.with_name("a b\nc\udcff"))
        folder.rename(installation.inbox / name)

    run(configuration)

    assert statuses() == {
        "M\\xfcller": Status.DONE,
        "two\nlines": Status.DONE,
        "with space": Status.DONE,
    }


def test_folder_that_is_being_filled_is_left_alone(
    configuration: Configuration, installation: Installation
) -> None:
    make_study(installation.inbox / "ACC1.tmp2343", n_series=1, n_images=1)

    run(configuration)

    assert statuses() == {}
    assert [path.name for path in installation.inbox.iterdir()] == ["ACC1.tmp2343"]


def test_link_to_a_folder_is_never_followed(
    configuration: Configuration, installation: Installation
) -> None:
    outside = installation.root / "outside"
    make_study(outside, n_series=1, n_images=1)
    (installation.inbox / "ACC1").symlink_to(outside, target_is_directory=True)

    run(configuration)

    assert statuses() == {}
    assert len(list(outside.rglob("*.dcm"))) == 1


def test_same_name_in_two_inboxes_makes_two_batches_one_after_the_other(
    configuration: Configuration, installation: Installation
) -> None:
    installation.add_study("ACC1", n_series=1, n_images=1)
    make_study(installation.root / "second/ACC1", n_series=1, n_images=1)

    run(configuration)

    assert statuses() == {"ACC1": Status.DONE, "ACC1~2": Status.DONE}
    assert len(installation.delivered()) == 2


def test_mended_err_folder_is_taken_in_again(
    configuration: Configuration, installation: Installation
) -> None:
    bad = installation.add_study("ACC1", n_series=1, n_images=1) / "notes"
    not_dicom(bad)
    run(configuration)
    (aside,) = installation.inbox.iterdir()
    first = Batch.objects.get()

    machine.accept(first.pk, reason="", now=utc_now())
    write_instance(aside / "notes", make_instance(seed="another", number=7))
    aside.rename(installation.inbox / "ACC1")
    run(configuration)

    assert aside.name == "ACC1.err"
    assert statuses() == {"ACC1": Status.DONE, "ACC1~2": Status.DONE}
    assert len(installation.delivered()) == 2
    assert list(installation.inbox.iterdir()) == []


def test_err_folder_handed_in_too_early_waits_in_the_inbox(
    configuration: Configuration, installation: Installation
) -> None:
    not_dicom(installation.add_study("ACC1", n_series=1, n_images=1) / "notes")
    run(configuration)
    (aside,) = installation.inbox.iterdir()

    aside.rename(installation.inbox / "ACC1")
    run(configuration)

    assert statuses() == {"ACC1": Status.DONEPROCESSING}
    assert [path.name for path in installation.inbox.iterdir()] == ["ACC1"]
    assert Finding.objects.filter(code="DUPLICATE_FOLDER").count() == 1


def test_inbox_that_goes_away_is_said_once_and_the_others_go_on(
    configuration: Configuration, installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    (installation.root / "second").rmdir()
    installation.add_study("ACC1", n_series=1, n_images=1)

    with caplog.at_level(logging.INFO, logger="sendit"):
        run(configuration)

    said = [record.message for record in caplog.records if "cannot be used" in record.message]
    assert len(said) == 1
    assert str(installation.root / "second") in said[0]
    assert statuses() == {"ACC1": Status.DONE}


def test_plain_files_beside_the_folders_are_said_once_without_their_names(
    configuration: Configuration, installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    (installation.inbox / "CANARY1").write_text("x")
    (installation.inbox / "Thumbs.db").write_text("x")
    installation.add_study("ACC1", n_series=1, n_images=1)

    with caplog.at_level(logging.DEBUG):
        run(configuration)

    said = [record for record in caplog.records if "beside the folders" in record.message]
    assert len(said) == 1
    assert "not taken in (1)" in said[0].message
    assert "CANARY1" not in caplog.text
    assert (installation.inbox / "CANARY1").is_file()


def test_no_name_from_an_inbox_gets_into_the_log(
    configuration: Configuration, installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    folder = installation.add_study("CANARY2", n_series=1, n_images=1)
    not_dicom(folder / "CANARY3.txt")
    make_study(installation.root / "second/CANARY2", n_series=1, n_images=1)

    with caplog.at_level(logging.DEBUG):
        run(configuration)

    assert "CANARY" not in caplog.text
    assert "batch 1 " in caplog.text.replace(f"batch {Batch.objects.first().pk} ", "batch 1 ")  # type: ignore[union-attr]


def test_full_disk_keeps_batches_in_the_queue_and_says_why(
    installation: Installation, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    installation.write_config(INLINE.replace('"1 MB"', '"900 TB"'))
    configuration = request.getfixturevalue("in_this_process")
    installation.add_study("ACC1", n_series=1, n_images=1)

    with caplog.at_level(logging.INFO, logger="sendit"):
        run(configuration)

    assert statuses() == {"ACC1": Status.QUEUE}
    assert (installation.inbox / "ACC1").is_dir()
    assert len([record for record in caplog.records if "min_free_disk" in record.message]) == 1


def test_try_that_is_put_off_is_not_waited_for(
    configuration: Configuration, installation: Installation
) -> None:
    shutil.rmtree(installation.out)
    installation.out.write_text("in the way")
    installation.add_study("ACC1", n_series=1, n_images=1)

    run(configuration)

    assert statuses()["ACC1"] in (Status.DONEPROCESSING, Status.ERROR)


@pytest.mark.parametrize(("strict", "code"), [(True, 1), (False, 0)], ids=["strict", "not"])
def test_batches_with_an_error_fail_a_strict_run_only(
    configuration: Configuration, installation: Installation, strict: bool, code: int
) -> None:
    for name in ("ACC1", "ACC2"):
        not_dicom(installation.add_study(name, n_series=1, n_images=1) / "notes")

    assert run(configuration, strict=strict) == code


def test_loop_ends_when_it_is_told_to(configuration: Configuration) -> None:
    keys = prepare(configuration)
    stop = Event()
    timer = Timer(0.05, stop.set)
    timer.start()

    assert watch.run(configuration, site_key=keys.site, once=False, stop=stop) == 0

    assert not loop_is_alive(configuration.settings.work_dir)


def test_second_loop_on_one_working_folder_is_refused(
    configuration: Configuration, tmp_path: Path
) -> None:
    prepare(configuration)

    with only_loop(configuration.settings.work_dir):
        assert loop_process(configuration.settings.work_dir) is not None
        with pytest.raises(UsageError, match="already at work"):
            run(configuration)

    assert loop_process(configuration.settings.work_dir) is None


def test_folders_that_belong_to_no_batch_are_reported(
    configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(configuration)
    (configuration.settings.work_dir / "phi/4711").mkdir()

    with caplog.at_level(logging.WARNING, logger="sendit"):
        run(configuration)

    assert "phi/4711" in caplog.text
    assert (configuration.settings.work_dir / "phi/4711").is_dir()
