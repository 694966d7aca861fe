"""The program itself: words to command, errors to exit codes.

What Django need not see runs in this process; the rest as a user runs it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import load_command_class

from sendit import __version__
from sendit.cli.command import actions_of
from sendit.cli.main import main
from sendit.cli.overview import COMMANDS, commands, summary
from tests.support.installation import Installation

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration; what main does to the environment ends with the test."""
    monkeypatch.setenv("SENDIT_CONFIG", "nowhere.toml")
    monkeypatch.setenv("TZ", "UTC")
    return installation.config


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["flush", "--noinput"],
        ["createsuperuser", "--help"],
        ["status", "--no-such-option"],
        ["status", "1", "2"],
        ["resolve", "1"],
        ["resolve", "1", "--accept", "--reject"],
        ["retry"],
        ["run", "--workers", "0"],
        ["summary_metrics", "--days", "x"],
        ["key"],
        ["status", "--config"],
        ["status", "--config", "nowhere.toml"],
        ["--config=nowhere.toml", "status"],
        ["deid"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(
    config: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2

    said = capfd.readouterr()
    assert said.out == ""
    assert said.err
    assert "Traceback" not in said.err


def test_near_command_is_suggested(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["statsu"])

    assert 'Did you mean "status"?' in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]], ids=repr)
def test_help_lists_every_command_with_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0

    text = capsys.readouterr().out
    for path in COMMANDS.glob("[a-z]*.py"):
        assert f"  {path.stem} " in text
        assert summary(path) in text
    assert "deid" in text


@pytest.mark.parametrize("line", commands().values(), ids=str)
def test_what_the_overview_says_of_a_command_is_a_whole_sentence(line: str) -> None:
    assert line.endswith(".")
    assert len(f"  export_metrics   {line}") <= 110


@pytest.mark.parametrize("name", sorted(path.stem for path in COMMANDS.glob("[a-z]*.py")), ids=str)
def test_every_command_has_help_with_an_example(
    config: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0

    text = capsys.readouterr().out
    assert f"example:\n  sendit {name}" in text
    assert "--config" in text
    assert "-v" in text
    assert summary(COMMANDS / f"{name}.py")


def _actions() -> list[tuple[str, ...]]:
    """Every action of a command that has some, as it is typed."""
    return [
        tuple(parser.prog.split()[1:])
        for path in sorted(COMMANDS.glob("[a-z]*.py"))
        for parser in actions_of(
            load_command_class("sendit.cli", path.stem).create_parser("sendit", path.stem)
        )
    ]


@pytest.mark.parametrize("words", _actions(), ids=" ".join)
def test_every_action_has_help_with_an_example(
    config: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0

    text = capsys.readouterr().out
    assert f"  sendit {' '.join(words)}" in text.partition("example")[2]
    assert "--config" in text
    assert "-v" in text


@pytest.mark.parametrize("words", [["-v", "verify"], ["verify", "-v"]], ids=" ".join)
def test_verbose_is_said_before_or_after_the_action(words: list[str]) -> None:
    parser = load_command_class("sendit.cli", "audit").create_parser("sendit", "audit")

    assert parser.parse_args(words).verbose is True
    assert parser.parse_args(["verify"]).verbose is False


def test_help_of_a_command_can_be_asked_for_by_name(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", "status"]) == 0

    assert "usage: sendit status" in capsys.readouterr().out


def test_only_our_commands_are_suggested(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--config", str(config)]) == 2

    assert "Did you mean" not in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"sendit {__version__}\n"


def test_status_without_a_configuration_says_where_it_looked(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}

    done = subprocess.run(
        [sys.executable, "-m", "sendit", "status"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"There is no sendit.toml in {tmp_path}" in done.stdout


@pytest.mark.parametrize("config", ["folder", "nowhere.toml"])
def test_what_is_no_configuration_file_is_said_truly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str
) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / config

    assert main(["status", "--config", str(path)]) == 2

    words = "is a folder" if config == "folder" else "does not exist"
    assert f'"{path}" {words}' in capsys.readouterr().err


def test_config_is_found_before_and_after_the_command(installation: Installation) -> None:
    other = installation.root / "other"
    other.mkdir()
    config = str(installation.config)

    before = installation.run("--config", config, "status", SENDIT_CONFIG="")
    after = installation.run("status", f"--config={config}", SENDIT_CONFIG="")

    assert (before.returncode, after.returncode) == (0, 0), before.stderr + after.stderr
    assert before.stdout == after.stdout == "No batch yet in work.\n"
    assert not (installation.root / "sendit-data").exists()


def test_every_problem_of_the_configuration_is_told_at_once(installation: Installation) -> None:
    installation.write_config('mode = "pol"\nfoo = 1\n')

    done = installation.run("status")
    checked = installation.run("check", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert any(line.startswith("sendit.toml: mode: ") for line in lines)
    assert checked.returncode == 1
    told = json.loads(checked.stdout)
    assert told == {"ok": False, "problems": lines, "warnings": [], "checks": []}


def test_an_inbox_that_is_away_keeps_only_those_from_going_on_who_take_in(
    installation: Installation,
) -> None:
    assert installation.run("start_watcher").returncode == 0
    installation.inbox.rename(installation.root / "away")
    problem = f"sendit.toml: inboxes[1].path: {installation.inbox} is not a folder; make it, or"

    try:
        status = installation.run("status")
        pause = installation.run("pause")
    finally:
        stop = installation.run("stop_watcher")
    run = installation.run("run", "--once")
    check = installation.run("check")

    assert (status.returncode, pause.returncode, stop.returncode) == (0, 0, 0), stop.stderr
    assert problem in status.stdout
    assert (run.returncode, run.stderr[: len(problem)]) == (1, problem)
    assert check.returncode == 1
    assert f"FAILED  inboxes\n        {problem}" in check.stdout


def test_unknown_command_is_wrong_usage_beside_a_broken_configuration(
    installation: Installation,
) -> None:
    installation.write_config("foo = 1\n")

    done = installation.run("statuss")

    assert done.returncode == 2
    assert 'Did you mean "status"?' in done.stderr


def test_environment_that_names_no_configuration_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("status", SENDIT_CONFIG="nowhere.toml").returncode == 2


def test_without_configuration_the_default_is_used(installation: Installation) -> None:
    empty = installation.root / "empty"
    empty.mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "sendit", "status", "--json"],
        cwd=empty,
        env={**installation.environ(), "SENDIT_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert (empty / "sendit-data").is_dir()


@pytest.mark.parametrize("command", ["run", "check"])
def test_default_that_cannot_be_made_is_told_by_its_key(
    installation: Installation, command: str
) -> None:
    empty = installation.root / "empty"
    empty.mkdir()
    (empty / "sendit-data").touch()

    done = subprocess.run(
        [sys.executable, "-m", "sendit", command],
        cwd=empty,
        env={**installation.environ(), "SENDIT_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"work_dir, {empty}/sendit-data, cannot be used (" in said
    assert "run sendit as the user whose it is" in said


def test_manage_py_is_the_same_program(installation: Installation) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "batch_logs"],
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "No batch has an error.\n"), done.stderr


def test_known_error_is_a_message_and_no_traceback(installation: Installation) -> None:
    done = installation.run("status", "99")

    assert done.returncode == 1
    assert done.stderr == 'No batch has this number or uid; "sendit status" lists them all.\n'


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere"])
@pytest.mark.parametrize("command", ["run", "status"])
def test_working_folder_that_cannot_be_used_is_told_by_its_key(
    installation: Installation, command: str, place: str
) -> None:
    database = f"sqlite:///{installation.root}/db.sqlite3"

    done = installation.run(command, SENDIT_WORK_DIR=place, SENDIT_DATABASE_URL=database)

    assert done.returncode == 1
    assert done.stderr.startswith(f"work_dir, {place}, cannot be used (")
    assert done.stderr.count("\n") == 1


def test_database_that_cannot_be_opened_is_a_message(installation: Installation) -> None:
    installation.run("status")

    done = installation.run("status", SENDIT_DATABASE_URL="sqlite:////dev/null/nothing")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "may open and write its file" in done.stderr


def test_server_of_the_database_that_is_away_is_told_with_what_to_do(
    installation: Installation,
) -> None:
    done = installation.run("status", SENDIT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "start it, or mend database.url" in done.stderr


def test_crash_is_told_without_what_it_quotes(installation: Installation) -> None:
    crash = (
        "import sys; sys.argv = ['sendit', 'status']\n"
        "from sendit.cli.main import main\n"
        "main()\n"
        "int('CANARY')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", crash],
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "CRITICAL stopped by an error in sendit itself" in done.stderr
    assert "ValueError" in done.stderr
    assert "CANARY" not in done.stderr


def test_output_that_nobody_reads_is_no_error(installation: Installation) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sendit", "status", "--help"],
            env=installation.environ(),
            cwd=installation.root,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)

    assert "Traceback" not in done.stderr


def test_export_metrics_is_named_after_the_local_day(installation: Installation) -> None:
    done = installation.run("export_metrics", TZ="Etc/GMT-14")
    other = installation.run("export_metrics", TZ="Etc/GMT+12")

    assert (done.returncode, other.returncode) == (0, 0), done.stderr
    assert done.stdout != other.stdout  # 26 hours apart: never the same day
    assert (installation.root / done.stdout.strip()).is_file()


def test_output_that_has_no_room_is_told(installation: Installation) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sendit", "status"],
            cwd=installation.root,
            env=installation.environ(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "The operating system refused something: No space left on device.\n"


def test_what_the_terminal_has_no_letters_for_is_escaped(installation: Installation) -> None:
    (installation.inbox / "Müller 日本.err").mkdir()

    done = installation.run("status", PYTHONIOENCODING="latin-1")

    assert done.returncode == 0, done.stderr
    assert "ller \\u65e5\\u672c.err" in done.stdout


def test_damaged_database_is_told_in_one_line(installation: Installation) -> None:
    installation.work_dir.mkdir()
    (installation.work_dir / "sendit.sqlite3").write_bytes(b"not a database" * 1000)

    done = installation.run("status")

    assert done.returncode == 1
    assert done.stderr == "The database is damaged, or is none. Put it back from your backup.\n"


@pytest.mark.parametrize("mode", ["inline", "pool"])
def test_value_that_a_library_warns_about_is_not_printed(
    installation: Installation, mode: str
) -> None:
    text = installation.config.read_text()
    installation.write_config(text.replace('mode = "pool"', f'mode = "{mode}"'))
    installation.add_study("ACC1", n_series=1, n_images=1)
    file = next(installation.inbox.rglob("*.dcm"))
    content = file.read_bytes()
    charset = b"\x08\x00\x05\x00CS\x06\x00CANARY"
    at = content.index(b"\x08\x00\x08\x00CS")
    file.write_bytes(content[:at] + charset + content[at:])

    done = installation.run("run", "--once", "-v")

    assert "1 DONE" in done.stdout
    assert "CANARY" not in done.stderr


def test_settings_of_another_django_project_are_not_ours(installation: Installation) -> None:
    assert installation.run("status", DJANGO_SETTINGS_MODULE="os").returncode == 0
