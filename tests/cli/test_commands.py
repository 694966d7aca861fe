"""The commands, called in this process on rows that stand in the database."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from sendit.cli import broker
from sendit.config import Configuration
from sendit.errors import KeyProblem, UsageError
from sendit.pipeline.machine import NewFinding, note
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_PERSON
from sendit.pipeline.pausing import pause
from sendit.pipeline.preparation import prepare
from sendit.records.audit_tables import AuditEntry
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Delivery, Finding, Profile, StageRun
from sendit.terms import DeliveryState, Reason, Stage, Status, Verdict
from tests.support.batches import NOW, add_unreadable, make_batch
from tests.support.installation import Installation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def prepared(in_this_process: Configuration) -> None:
    prepare(in_this_process)


def say(*words: str) -> str:
    """Run a command and return what it says on stdout."""
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def batch(uid: str, **columns: object) -> Batch:
    given = {"status": Status.DONE, "uid_digest": keyed_digest(uid), **columns}
    return make_batch(uid, **given)  # type: ignore[arg-type]


def with_error(uid: str) -> Batch:
    made = batch(uid, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP, held=HELD_PERSON)
    add_unreadable(made, nr=3, file="a/notes.txt")
    return made


# BATCH: number or uid.


def test_batch_is_found_by_number_and_by_uid() -> None:
    made = batch("ACC1")

    for word in (str(made.pk), f"#{made.pk}", "ACC1"):
        assert [found["batch"] for found in json.loads(say("status", word, "--json"))] == [made.pk]


def test_number_that_is_also_a_uid_is_refused_until_it_is_clear() -> None:
    first = batch("ACC1")
    second = batch(str(first.pk))

    with pytest.raises(UsageError, match=f'"#{first.pk}" or "#{second.pk}"'):
        say("status", str(first.pk))
    assert json.loads(say("status", f"#{first.pk}", "--json"))[0]["uid"] == "ACC1"


@pytest.mark.parametrize("word", ["99999", "nobody", "#1x", "9" * 30], ids=str)
@pytest.mark.parametrize("command", ["status", "batch_logs", "retry", "upload_finished"], ids=str)
def test_unknown_batch_is_refused(command: str, word: str) -> None:
    with pytest.raises(UsageError, match="No batch has this number or uid"):
        say(command, word)


# What only tells.


@pytest.mark.parametrize(
    "words",
    [("status",), ("batch_logs",), ("show_times",), ("pause",), ("clean",)],
    ids=" ".join,
)
def test_folder_of_a_target_is_not_made_by_what_sends_nothing(
    installation: Installation, words: tuple[str, ...]
) -> None:
    installation.out.rmdir()

    say(*words)

    assert not installation.out.exists()


@pytest.mark.parametrize("command", ["targets", "check"])
def test_new_target_is_made_by_what_tries_it(installation: Installation, command: str) -> None:
    installation.out.rmdir()

    say(command)

    assert installation.out.is_dir()


# status, batch_logs.


def test_status_lists_batches_newest_last() -> None:
    batch("ACC1")
    batch("ACC2", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)

    listed = json.loads(say("status", "--json"))
    table = say("status").splitlines()

    assert [entry["uid"] for entry in listed] == ["ACC1", "ACC2"]
    assert table[0].split()[:4] == ["batch", "uid", "project", "status"]
    assert [line.split()[1] for line in table[1:]] == ["ACC1", "ACC2"]


def test_status_table_is_plain_text_on_one_line_a_batch() -> None:
    batch("two\nlines\x1b[31m")

    table = say("status")

    assert len(table.splitlines()) == 2
    assert "\x1b" not in table
    assert "two\\nlines\\x1b[31m" in table


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_status_shortens_long_names_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"CT {'long' * 50} of May"
    batch(name)
    monkeypatch.setenv("COLUMNS", "120")
    screen = Terminal()

    call_command("status", stdout=screen)

    assert max(map(len, screen.getvalue().splitlines())) <= 120
    assert name not in screen.getvalue()
    assert "of May" in screen.getvalue()
    assert name in say("status")
    told = Terminal()
    call_command("status", "--json", stdout=told)
    assert json.loads(told.getvalue())[0]["uid"] == name


def test_status_says_what_keeps_the_queue_waiting(in_this_process: Configuration) -> None:
    (in_this_process.settings.work_dir / "phi/.sendit-volume").unlink()
    batch("ACC1", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)

    said = say("status")

    assert "Nothing is let in: " in said
    assert "phi is not mounted" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, 'The node is paused. Run "sendit resume" when it may go on.'),
        ({"target": "out"}, 'Paused: target out. Run "sendit resume" with its name.'),
    ],
    ids=["node", "target"],
)
def test_status_says_what_is_paused(
    in_this_process: Configuration, words: dict[str, str], expected: str
) -> None:
    batch("ACC1", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)
    assert "aused" not in say("status")
    pause(in_this_process, **words)

    said = say("status")

    assert expected in said.splitlines()
    assert "Nothing is let in" not in said


def test_status_names_the_err_folders_of_each_inbox(installation: Installation) -> None:
    (installation.inbox / "ACC1.err").mkdir()
    (installation.inbox / "M\udcfcller.err2").mkdir()

    said = say("status")

    assert f"Set aside in {installation.inbox}, mend one and drop its extension (2):" in said
    assert "  ACC1.err\n" in said
    assert "  M\\xfcller.err2\n" in said


def test_status_names_what_lies_beside_the_folders(installation: Installation) -> None:
    (installation.inbox / "IM0001").touch()

    assert f"Not in a folder in {installation.inbox}, put them into one (1):\n  IM0001\n" in say(
        "status"
    )


def test_status_of_one_batch_tells_its_errors() -> None:
    with_error("ACC1")

    said = say("status", "ACC1")

    assert "NOT_DICOM: 1 file is not DICOM; kept in the .err folder. [a/notes.txt]" in said
    assert HELD_PERSON in said


def test_batch_logs_prints_a_heading_and_a_line_an_error() -> None:
    batch("fine")
    flagged = with_error("ACC1")

    lines = say("batch_logs").splitlines()

    assert lines[0] == f"ACC1 (batch {flagged.pk})"
    assert len(lines) == 2
    assert "NOT_DICOM" in lines[1]
    assert say("batch_logs", "ACC1").splitlines() == lines
    assert say("batch_logs", "fine") == "None of these batches has an error.\n"
    Batch.objects.filter(pk=flagged.pk).update(has_error=False)
    assert say("batch_logs") == "No batch has an error.\n"


# upload_finished, retry, resolve.


def manual(uid: str) -> Batch:
    return batch(uid, status=Status.DONEPROCESSING, stage=Stage.SEND, held=HELD_MANUAL)


def test_upload_finished_lets_all_that_wait_go_on() -> None:
    one, other = manual("ACC1"), manual("ACC2")

    said = say("upload_finished")

    assert f"Batch {one.pk} goes on" in said
    assert f"Batch {other.pk} goes on" in said
    assert "run --once --config " in said  # as it has to be typed: not the one of this folder
    assert not Batch.objects.exclude(held="").exists()
    assert say("upload_finished") == "No batch is waiting for upload_finished.\n"


def test_upload_finished_refuses_a_named_batch_that_does_not_wait() -> None:
    waiting, done = manual("ACC1"), batch("ACC2")

    with pytest.raises(SystemExit) as ended:
        say("upload_finished", "ACC1", "ACC2")

    assert ended.value.code == 1
    assert Batch.objects.get(pk=waiting.pk).held == ""
    assert Batch.objects.get(pk=done.pk).status == Status.DONE


def test_retry_gives_a_stopped_batch_its_stage_again() -> None:
    stopped = batch("ACC1", status=Status.ERROR, stage=Stage.IDENTIFY)

    assert f"Batch {stopped.pk} is tried again at identify." in say("retry", "ACC1")
    assert Batch.objects.get(pk=stopped.pk).status == Status.PROCESSING


def test_who_lets_a_batch_go_on_or_tries_it_again_stands_in_the_audit_log() -> None:
    waiting = batch("ACC1", status=Status.DONEPROCESSING, stage=Stage.SEND, held=HELD_MANUAL)
    stopped = batch("ACC2", status=Status.ERROR, stage=Stage.IDENTIFY)
    failed = batch("ACC3", status=Status.DONEPROCESSING, stage=Stage.SEND)
    Delivery.objects.create(batch=failed, target="out", kind="folder", state=DeliveryState.FAILED)

    say("upload_finished", "ACC1")
    say("retry", "ACC2")
    say("retry", "ACC3", "--target", "out")

    entries = [
        (entry.actor, entry.action, entry.subject, entry.details)
        for entry in AuditEntry.objects.order_by("number")
    ]
    assert entries == [
        (broker.user(), "batch upload_finished", f"batch {waiting.pk}", {}),
        (broker.user(), "batch retry", f"batch {stopped.pk}", {}),
        (broker.user(), "batch retry", f"batch {failed.pk}", {"target": "out"}),
    ]


def test_what_moves_no_batch_leaves_no_entry_in_the_audit_log() -> None:
    batch("ACC1")

    with pytest.raises(SystemExit):
        say("upload_finished", "ACC1")
    with pytest.raises(UsageError):
        say("retry", "ACC1")

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("words", "subject"),
    [((), "node"), (("--target", "out"), "target out")],
    ids=["node", "target"],
)
def test_who_pauses_and_resumes_stands_in_the_audit_log(
    words: tuple[str, ...], subject: str
) -> None:
    for command in ("pause", "pause", "resume", "resume"):
        say(command, *words)

    entries = AuditEntry.objects.order_by("number").values_list("actor", "action", "subject")
    assert list(entries) == [
        (broker.user(), "pause", subject),
        (broker.user(), "resume", subject),
    ]


def test_retry_says_that_a_batch_keeps_the_project_file_it_came_with() -> None:
    (project,) = settings.SENDIT.projects.values()
    at_send = {"project": project.name, "status": Status.ERROR, "stage": Stage.SEND}
    stopped = batch("ACC1", **at_send)
    as_now = {"digest": project.digest, "project": project.name, "content": project.snapshot()}

    assert f"resolve {stopped.pk} --reject" in say("retry", "ACC1")

    same = batch("ACC2", **at_send)
    Batch.objects.filter(pk=same.pk).update(profile=Profile.objects.create(**as_now))
    assert "keeps the project file" not in say("retry", "ACC2")


def test_retry_refuses_when_there_is_nothing_to_retry() -> None:
    batch("ACC1")

    with pytest.raises(UsageError, match="nothing to retry"):
        say("retry", "ACC1")


@pytest.mark.parametrize(
    ("decision", "status"), [("accept", Status.DONE), ("reject", Status.ERROR)], ids=str
)
def test_resolve_decides(decision: str, status: Status) -> None:
    made = with_error("ACC1")

    said = say("resolve", "ACC1", f"--{decision}", "--reason", "seen")

    made.refresh_from_db()
    assert f"Batch {made.pk} is {decision}ed." in said
    assert made.status == status
    assert made.errors[0]["resolved"] == f"{decision}ed"
    assert json.loads(say("status", "--json"))[0]["errors"][0]["resolved"] == f"{decision}ed: seen"
    assert not made.has_error
    [entry] = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.subject, entry.reason) == (
        broker.user(),
        f"batch {decision}",
        f"batch {made.pk}",
        "seen",
    )


def test_status_says_why_a_stage_is_tried_again() -> None:
    later = NOW + timedelta(days=36_500)
    made = batch("ACC1", status=Status.PROCESSING, stage=Stage.IDENTIFY, retry_at=later)
    for code in ("DISK_FULL", "IDENTITY_UNAVAILABLE"):
        StageRun.objects.create(
            batch=made, stage=Stage.IDENTIFY, worker="w", attempt=1, started=NOW, ended=NOW,
            outcome="failed", code=code,
        )  # fmt: skip

    said = say("status", "ACC1")

    assert "failed    identify: IDENTITY_UNAVAILABLE" in said


def test_resolve_refuses_when_nothing_is_open() -> None:
    batch("ACC1")

    with pytest.raises(UsageError):
        say("resolve", "ACC1", "--accept")
    assert not AuditEntry.objects.exists()


def test_release_stands_in_the_audit_log_with_who_ran_it() -> None:
    made = batch(
        "ACC1", status=Status.PROCESSING, stage=Stage.DEIDENTIFY, held=HELD_PERSON, alerts=[]
    )
    made.images.filter(nr=2).update(verdict=Verdict.HELD, reason=Reason.PIXELS_UNREAD)

    say("release", "ACC1", "--image", "2", "--reason", "looked at")

    [entry] = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.subject, entry.reason) == (
        broker.user(),
        "batch release",
        f"batch {made.pk}",
        "looked at",
    )
    assert entry.details == {"images": 1}


# metrics.


def test_show_times_tells_each_done_batch_and_counts_the_rest() -> None:
    batch("ACC1", bytes=5_000_000)
    batch("ACC2", status=Status.PROCESSING, stage=Stage.IDENTIFY)

    assert say("show_times").splitlines() == [
        "ACC1 5.0 MB 2.00 minutes",
        "1 batch is not yet DONE, EMPTY or ERROR.",
    ]


def test_summary_metrics_refuses_more_days_than_there_were() -> None:
    with pytest.raises(UsageError, match="from 1 to 36500"):
        say("summary_metrics", "--days", "999999999")


def test_summary_metrics_is_json() -> None:
    said = json.loads(say("summary_metrics", "--days", "3"))

    assert list(said) == ["timestamp", "gb_per_day", "days"]
    assert (said["gb_per_day"], said["days"]) == (0.0, 3)


def test_export_metrics_prints_the_path(tmp_path: Path) -> None:
    batch("ACC1")

    path = Path(say("export_metrics", "--output", str(tmp_path)).strip())

    assert path.parent == tmp_path
    assert len(path.read_text().splitlines()) == 2


def test_export_metrics_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        say("export_metrics", "--output", str(tmp_path / "none"))


# key.


def test_keys_are_copied_and_verified(in_this_process: Configuration, tmp_path: Path) -> None:
    say("key", "backup", str(tmp_path / "safe"))

    keys = in_this_process.settings.keys
    assert (tmp_path / "safe/site.key").read_bytes() == keys.site_file.read_bytes()
    assert (tmp_path / "safe/site.key").stat().st_mode & 0o777 == 0o600
    assert say("key", "verify").startswith("Both keys are there")


def test_missing_key_is_missed(in_this_process: Configuration) -> None:
    say("key", "verify")
    in_this_process.settings.keys.site_file.unlink()

    with pytest.raises(KeyProblem, match="is missing"):
        say("key", "verify")


# What is said of several files.


def test_what_was_said_of_many_images_is_said_once(in_this_process: Configuration) -> None:
    made = batch("ACC1", status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP, held=HELD_PERSON)
    for nr in range(3, 10):
        add_unreadable(made, nr=nr, file=f"a/notes{nr}.txt")

    errors = [line for line in say("status", "ACC1").splitlines() if line.startswith("error")]
    logged = say("batch_logs", "ACC1").splitlines()

    assert len(errors) == 1
    assert "(7 times) [a/notes3.txt, " in errors[0]
    assert "and 2 more]" in errors[0]
    assert len(logged) == 1 + 7


def test_held_image_is_named_by_the_number_that_release_takes() -> None:
    made = batch("ACC1", status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP, held=HELD_PERSON)
    image = made.images.get(nr=2)
    words = "1 image is held for a person; nothing of it was sent."
    found = NewFinding(
        Reason.PHOTO, words, Stage.DEIDENTIFY, severity=Finding.ALERT, file="a/b", image_id=image.pk
    )
    note(made.pk, [found], now=NOW)

    said = say("status", "ACC1")

    assert f"PHOTO: {words} [image 2 a/b]" in said
    assert f"to do     sendit release {made.pk} --reason TEXT, or sendit resolve" in said
