from datetime import UTC, datetime
from pathlib import Path

import pytest

from sendit.config import Configuration, Project
from sendit.ingest.inbox import Candidate
from sendit.ingest.intake import DUPLICATE_FOLDER, KnownFolders, printable, take_in
from sendit.pipeline.machine.table import HELD_STATIC
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Finding, Profile
from sendit.terms import Stage, Status

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 10, 15, tzinfo=UTC)
INBOX = "/inbox"


@pytest.fixture
def project(in_this_process: Configuration) -> Project:
    return in_this_process.projects["demo"]


def take(name: str, project: Project, *, key: str = "1:1", inbox: str = INBOX) -> int | None:
    return take_in(Candidate(name, key), inbox=inbox, project=project, now=NOW)


def rest(batch_id: int | None, status: Status = Status.DONE, *, held: str = "") -> None:
    stage = "" if status == Status.DONE else Stage.SEND
    Batch.objects.filter(pk=batch_id).update(status=status, stage=stage, held=held)


def test_folder_becomes_a_batch_in_the_queue(project: Project) -> None:
    batch = Batch.objects.get(pk=take("ACC1", project, key="8:15"))

    assert (batch.status, batch.stage) == (Status.QUEUE, Stage.IMPORT)
    assert (batch.uid, batch.folder, batch.folder_key) == ("ACC1", "ACC1", "8:15")
    assert (batch.inbox, batch.project, batch.priority) == (INBOX, "demo", 0)
    assert batch.uid_digest == keyed_digest("ACC1")


def test_project_is_kept_once_as_it_is_now(project: Project) -> None:
    take("ACC1", project)
    take("ACC2", project, key="1:2")

    profile = Profile.objects.get()
    assert profile.digest == project.digest
    assert profile.content == project.snapshot()


def test_bytes_that_are_not_utf8_are_escaped_in_the_uid_and_kept_in_the_folder(
    project: Project,
) -> None:
    batch = Batch.objects.get(pk=take("M\udcfcller\n1", project))

    assert batch.uid == "M\\xfcller\n1"
    assert batch.folder == "M\udcfcller\n1"


@pytest.mark.parametrize(
    ("name", "text"),
    [("Müller", "Müller"), ("a\udcff\udcfeb", "a\\xff\\xfeb"), ("two\nlines", "two\nlines")],
    ids=["utf-8", "other bytes", "newline"],
)
def test_printable_names(name: str, text: str) -> None:
    assert printable(name) == text


def test_second_folder_waits_and_is_reported_once(project: Project) -> None:
    first = take("ACC1", project)

    again = [take("ACC1", project, key="1:2") for _ in range(3)]

    alert = Finding.objects.get()
    assert again == [None] * 3
    assert (alert.batch_id, alert.code, alert.severity) == (first, DUPLICATE_FOLDER, Finding.ALERT)
    batch = Batch.objects.get()
    assert [entry["code"] for entry in batch.alerts] == [DUPLICATE_FOLDER]
    assert not batch.has_error
    assert "ACC1" not in alert.message


@pytest.mark.parametrize("status", [Status.DONE, Status.ERROR], ids=str)
def test_second_folder_becomes_a_batch_of_its_own_when_the_first_is_at_rest(
    project: Project, status: Status
) -> None:
    rest(take("ACC1", project), status)

    second = take("ACC1", project, key="1:2")
    rest(second, status)
    third = take("ACC1", project, key="1:3")

    assert Batch.objects.get(pk=second).uid == "ACC1~2"
    assert Batch.objects.get(pk=third).uid == "ACC1~3"
    assert not Finding.objects.exists()


def test_third_folder_waits_for_the_second(project: Project) -> None:
    rest(take("ACC1", project))
    second = take("ACC1", project, key="1:2")

    assert take("ACC1", project, key="1:3") is None
    assert Finding.objects.get().batch_id == second


def test_static_store_is_at_rest_and_a_batch_that_waits_for_a_person_is_not(
    project: Project,
) -> None:
    rest(take("static", project), Status.DONEPROCESSING, held=HELD_STATIC)
    rest(take("waiting", project), Status.DONEPROCESSING, held="Waiting for a person.")

    assert take("static", project, key="1:2") is not None
    assert take("waiting", project, key="1:2") is None


def test_same_name_in_another_inbox_is_the_same_uid(project: Project) -> None:
    take("ACC1", project)

    assert take("ACC1", project, key="1:2", inbox="/other") is None


def test_folder_is_known_until_it_is_imported(project: Project) -> None:
    known = KnownFolders(INBOX)
    before = known.now()

    first = take("ACC1", project, key="1:1")
    take("ACC2", project, key="1:2")
    take("elsewhere", project, key="1:3", inbox="/other")
    queued = known.now()
    rest(first)

    assert before == frozenset()
    assert queued == {("1", "ACC1"), ("2", "ACC2")}
    assert known.now() == {("2", "ACC2")}


def test_names_of_known_folders_are_decrypted_once(
    project: Project, django_assert_num_queries: "pytest.FixtureRequest"
) -> None:
    known = KnownFolders(INBOX)
    take("ACC1", project)
    known.now()

    with django_assert_num_queries(1):  # type: ignore[operator]
        known.now()


def test_no_name_stands_in_clear_in_the_database(project: Project, tmp_path: Path) -> None:
    take("CANARY77", project)
    take("CANARY77", project, key="1:2")

    rows = [*Batch.objects.values(), *Finding.objects.values(), *Profile.objects.values()]
    in_clear = [
        {column: value for column, value in row.items() if column not in ("uid", "folder", "file")}
        for row in rows
    ]
    assert "CANARY77" not in str(in_clear)
