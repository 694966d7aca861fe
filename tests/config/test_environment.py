from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendit.config.environment import RESERVED, read_environment, slots_of
from sendit.config.settings import Settings
from tests.config.conftest import Installation

INBOX = '[[inboxes]]\npath = "inbox"\nproject = "irb-1"\n'


def test_the_environment_wins_over_the_file(installation: Installation) -> None:
    installation.write("sendit.toml", f"[limits]\nbatches_at_once = 3\n{INBOX}")

    settings = installation.load(
        {
            "SENDIT_LIMITS_BATCHES_AT_ONCE": "5",
            "SENDIT_LIMITS_MIN_FREE_DISK": "1 GiB",
            "SENDIT_INGEST_SETTLE": "3 s",
            "SENDIT_WEB_HOST": "localhost",
            "SENDIT_MODE": "inline",
        }
    ).settings

    assert settings.limits.batches_at_once == 5
    assert settings.limits.min_free_disk == 2**30
    assert settings.ingest.settle.total_seconds() == 3
    assert settings.web.host == "localhost"
    assert settings.mode == "inline"


def test_every_variable_means_one_key() -> None:
    variables = [slot.variable for slot in slots_of(Settings)]

    assert len(variables) == len(set(variables))
    assert not set(variables) & set(RESERVED)
    assert {"SENDIT_LIMITS_BATCHES_AT_ONCE", "SENDIT_DATABASE_URL"} <= set(variables)


def test_reserved_names_and_other_programs_are_left_alone(installation: Installation) -> None:
    environ = {"SENDIT_TEST_REQUIRE_ALL": "1", "SENDIT_TEST_DICOM": "/data", "PATH": "/bin"}

    assert installation.problems(environ) == []


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SENDIT_LIMTS_MAX_INSTANCE", "1 GB", 'did you mean "SENDIT_LIMITS_MAX_INSTANCE"?'),
        ("SENDIT_WEB_ALLOWED_HOSTS", "a", "is not known"),
        ("SENDIT_INBOXES", "a", "is not known"),
        ("SENDIT_MODE_FILE", "mode", "only secrets are read from files; set SENDIT_MODE"),
        ("SENDIT_WORKERS_CHUNK", "many", "is not of the right type; allowed: a whole number"),
        ("SENDIT_WORKERS_CHUNK", "\u0661", "is not of the right type; allowed: a whole number"),
        ("SENDIT_WEB_PORT", "\uff18\uff10", "is not of the right type; allowed: a whole number"),
        ("SENDIT_WORKERS_CHUNK", "9" * 5000, "is not of the right type; allowed: a whole number"),
        ("SENDIT_WORKERS_CHUNK", "0", "is too small; allowed: 1 and more"),
        ("SENDIT_WEB_SECRET_KEY", "short", "is too short; allowed: 32 characters or more"),
        ("SENDIT_WORKERS_CHUNK", "", "is empty; unset it, or give it a value"),
        ("SENDIT_MODE", "pol", 'did you mean "pool"?'),
        ("SENDIT_DATABASE_URL_FILE", "missing", "cannot be read (No such file or directory)"),
        ("SENDIT_DATABASE_URL_FILE", ".", "cannot be read (Is a directory)"),
        ("SENDIT_DATABASE_URL_FILE", "empty", "is empty"),
        ("SENDIT_DATABASE_URL_FILE", "latin1", "is not UTF-8"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    installation: Installation, variable: str, value: str, says: str
) -> None:
    installation.write("empty", "\n")
    (installation.root / "latin1").write_bytes(b"\xe4")

    [problem] = installation.problems({variable: value})

    assert problem.startswith(f"environment: {variable}: ")
    assert says in problem


def test_a_secret_comes_from_a_file(installation: Installation) -> None:
    installation.write("secret", "postgresql://u:p@h/n\n")

    settings = installation.load({"SENDIT_DATABASE_URL_FILE": "secret"}).settings

    assert settings.database.url.get_secret_value() == "postgresql://u:p@h/n"
    assert "u:p" not in repr(settings)


def test_a_secret_given_twice_is_named(installation: Installation) -> None:
    installation.write("secret", "postgresql://u:p@h/n\n")

    [problem] = installation.problems(
        {"SENDIT_DATABASE_URL": "postgresql://h/n", "SENDIT_DATABASE_URL_FILE": "secret"}
    )

    assert problem == (
        "environment: SENDIT_DATABASE_URL_FILE: is set twice, also as SENDIT_DATABASE_URL"
    )


def test_a_table_that_is_none_stays_a_problem(installation: Installation) -> None:
    installation.write("sendit.toml", f"limits = 3\n{INBOX}")

    [problem] = installation.problems({"SENDIT_LIMITS_BATCHES_AT_ONCE": "5"})

    assert problem.startswith("sendit.toml: limits: is not of the right type")


@given(st.dictionaries(st.text().map("SENDIT_{}".format), st.text()))
def test_no_environment_breaks_the_reader(environ: dict[str, str]) -> None:
    slots = tuple(slots_of(Settings))

    given_values, problems = read_environment(
        environ, settings=slots, plugins=(), cwd=Path("/nowhere")
    )

    assert len(given_values) + len(problems) >= len(set(environ) - set(RESERVED))
