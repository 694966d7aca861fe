"""The commands about delivery, as a user runs them."""

import json
from pathlib import Path

import pytest

from tests.support.installation import PROJECT, Installation

SECOND = '[[targets]]\nname = "second"\nkind = "folder"\npath = "../second"\nrequired = false\n'


@pytest.fixture
def delivered(installation: Installation) -> Installation:
    """Return an installation that has delivered one batch and keeps its originals a while."""
    installation.write_project(
        PROJECT.replace('originals = "remove"', 'originals = "7 days"\nresults = "keep"')
    )
    installation.add_study("ACC1", n_series=1, n_images=2, PatientID="MRN-QX4711")
    assert installation.run("run", "--once").returncode == 0
    assert len(installation.delivered()) == 2
    return installation


def test_targets_are_tried_and_their_last_receipt_is_shown(delivered: Installation) -> None:
    done = delivered.run("targets", "--json")

    [told] = json.loads(done.stdout)
    assert done.returncode == 0
    assert (told["target"], told["kind"], told["health"], told["required"]) == (
        *("out", "folder", "ok"),
        True,
    )
    assert told["error"] is None
    assert told["last_receipt"]["n_instances"] == 2
    assert told["last_receipt"]["location"] == str(delivered.out)
    assert "batch 1, 2 instances" in delivered.run("targets").stdout


def test_a_required_target_that_is_down_is_exit_1(delivered: Installation) -> None:
    delivered.out.rename(delivered.root / "away")

    done = delivered.run("targets", "--json")
    table = delivered.run("targets")

    [told] = json.loads(done.stdout)
    assert (done.returncode, table.returncode) == (1, 1)
    assert (told["health"], told["error"]["code"]) == ("down", "TARGET_UNAVAILABLE")
    assert "mount its volume" in table.stdout


def test_a_paused_target_is_marked_with_what_lets_it_go_on(delivered: Installation) -> None:
    assert delivered.run("pause", "--target", "out").returncode == 0

    table = delivered.run("targets")

    [told] = json.loads(delivered.run("targets", "--json").stdout)
    assert (told["health"], told["paused"]) == ("ok", True)
    assert "ok, paused" in table.stdout
    assert "resume --target out" in table.stdout
    assert delivered.run("resume", "--target", "out").returncode == 0
    [told] = json.loads(delivered.run("targets", "--json").stdout)
    assert told["paused"] is False
    assert "paused" not in delivered.run("targets").stdout


def test_an_optional_target_that_is_down_is_only_told(installation: Installation) -> None:
    installation.write_project(PROJECT + SECOND)
    (installation.root / "second").write_text("in the way")

    done = installation.run("targets", "--json")

    assert done.returncode == 0
    assert {one["target"]: one["health"] for one in json.loads(done.stdout)} == {
        "out": "ok",
        "second": "down",
    }


def test_clean_says_what_would_go_and_removes_only_what_may(delivered: Installation) -> None:
    original = delivered.work_dir / "phi" / "1" / "1.dcm"
    assert original.is_file()

    planned = delivered.run("clean", "--dry-run")
    done = delivered.run("clean")

    assert (planned.returncode, done.returncode) == (0, 0)
    assert "Batch 1: originals (2 files, " in planned.stdout
    assert " at 20" in planned.stdout
    assert "Nothing may go now." in done.stdout
    assert original.is_file()


def test_recall_of_what_was_not_deidentified_promises_no_hold(installation: Installation) -> None:
    as_is = PROJECT.replace('kind = "folder"', 'kind = "folder"\naccepts_identified = true')
    installation.write_project(as_is.replace('title = "Demo"', 'title = "Demo"\nanonymize = false'))
    installation.add_study("ACC1", n_series=1, n_images=1)
    assert installation.run("run", "--once").returncode == 0

    done = installation.run("recall", "--batch", "ACC1", "--reason", "x")

    assert (done.returncode, "It was not de-identified" in done.stdout) == (1, True)
    assert "it is held" not in done.stdout
    assert "it is not held" in done.stdout


def test_recall_takes_back_and_holds_what_comes_again(delivered: Installation) -> None:
    words = ("recall", "--patient", "MRN-QX4711", "--reason", "consent withdrawn")

    first = delivered.run(*words)

    assert first.returncode == 1, "results are kept here, and a person must remove them"
    assert "removed, and shown to be gone" in first.stdout
    assert "Retention keeps them in" in first.stdout
    assert delivered.delivered() == []
    for path in (delivered.work_dir / "clean" / "1").rglob("*.dcm"):
        path.unlink()
    again = delivered.run(*words)
    assert (again.returncode, "No copy is left anywhere." in again.stdout) == (0, True)
    delivered.add_study("ACC2", n_series=1, n_images=1, PatientID="MRN-QX4711")
    assert delivered.run("run", "--once").returncode == 0
    assert delivered.delivered() == []
    held = delivered.status()[-1]
    assert (held["held_images"], held["alerts"][0]["code"]) == (1, "RECALLED")
    assert "MRN-QX4711" not in first.stdout + first.stderr + again.stdout
    assert "consent" not in (Path(delivered.work_dir) / "sendit.sqlite3").read_bytes().decode(
        "latin-1"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("recall", "--reason", "x"),
        ("recall", "--patient", "1"),
        ("recall", "--patient", "1", "--study", "2", "--reason", "x"),
        ("targets", "now"),
        ("clean", "--dry"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_wrong_usage(installation: Installation, words: tuple[str, ...]) -> None:
    assert installation.run(*words).returncode == 2


def test_recall_of_nobody_known_is_refused(installation: Installation) -> None:
    done = installation.run("recall", "--patient", "nobody", "--reason", "x")

    assert (done.returncode, "No patient is known" in done.stderr) == (1, True)


@pytest.mark.parametrize("scope", ["--patient", "--study", "--batch"])
def test_recall_of_nothing_is_refused_in_words(installation: Installation, scope: str) -> None:
    done = installation.run("recall", scope, "", "--reason", "x")

    assert done.returncode == 1
    assert f"No {scope[2:]} is known under that name" in done.stderr
    assert "error in sendit itself" not in done.stderr


def test_recall_of_an_unknown_batch_says_what_a_batch_is_called(installation: Installation) -> None:
    done = installation.run("recall", "--batch", "nobody", "--reason", "x")

    assert done.returncode == 1
    assert 'Give its number or its uid, as "sendit status" shows them.' in done.stderr


def test_recall_does_not_guess_between_a_number_and_a_uid(installation: Installation) -> None:
    installation.add_study("2", n_series=1, n_images=1, PatientID="MRN-QX4711")
    installation.run("run", "--once")
    installation.add_study("ACC2", n_series=1, n_images=1, PatientID="MRN-QX4712")
    installation.run("run", "--once")
    assert len(installation.delivered()) == 2

    refused = installation.run("recall", "--batch", "2", "--reason", "x")
    left = len(installation.delivered())
    done = installation.run("recall", "--batch", "#2", "--reason", "x")

    assert (refused.returncode, left) == (1, 2)
    assert 'write "#1" or "#2"' in refused.stderr
    assert "of batch 2: removed" in done.stdout
    assert len(installation.delivered()) == 1


def test_retry_of_one_target_leaves_the_other(installation: Installation) -> None:
    installation.write_project(PROJECT + SECOND.replace("false", "true"))
    second = installation.root / "second"
    second.write_text("in the way")
    installation.add_study("ACC1", n_series=1, n_images=1)
    installation.run("run", "--once")
    second.unlink()
    second.mkdir()

    refused = installation.run("retry", "1", "--target", "out")
    tried = installation.run("retry", "1", "--target", "second")
    installation.run("run", "--once")

    assert (refused.returncode, tried.returncode) == (1, 0)
    batch = installation.status()[0]
    assert batch["status"] == "DONE"
    assert [(one["target"], one["attempts"]) for one in batch["deliveries"]] == [
        ("out", 1),
        ("second", 1),
    ]
