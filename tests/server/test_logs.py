import json
import logging
import subprocess
import sys

import pytest

from sendit.errors import TargetUnavailable
from sendit.pipeline.log_context import working_on
from sendit.server.logs import ContextFilter, JsonFormatter, TextFormatter
from sendit.terms import Stage

CANARY = "CANARY^ONE"


def make_record(name: str, message: str, *args: object, failed: bool = False) -> logging.LogRecord:
    exc_info = sys.exc_info() if failed else None
    record = logging.LogRecord(name, logging.INFO, __file__, 1, message, args, exc_info)
    ContextFilter().filter(record)
    return record


def raise_from(error: Exception, cause: Exception) -> None:
    try:
        raise cause
    except type(cause) as first:
        raise error from first


def test_line_says_what_is_being_worked_on() -> None:
    with working_on(batch=42, stage=Stage.SEND), working_on(image=7):
        line = TextFormatter().format(make_record("sendit.pipeline", "sent %d instances", 3))

    assert line.endswith("Z INFO batch=42 image=7 stage=send sent 3 instances")


def test_context_ends_with_its_block() -> None:
    with working_on(batch=42):
        pass

    line = TextFormatter().format(make_record("sendit.pipeline", "idle"))

    assert "batch" not in line


def test_json_line_is_one_object() -> None:
    with working_on(batch=42):
        line = json.loads(JsonFormatter().format(make_record("sendit.pipeline", "sent")))

    assert line["time"].endswith("Z")
    assert {key: line[key] for key in ("level", "logger", "message", "batch")} == {
        "level": "info",
        "logger": "sendit.pipeline",
        "message": "sent",
        "batch": 42,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_message_of_a_foreign_library_is_withheld(formatter: logging.Formatter) -> None:
    line = formatter.format(make_record("pydicom.config", f"invalid value {CANARY}"))

    assert CANARY not in line
    assert "pydicom.config" in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_text_of_a_foreign_exception_is_withheld(formatter: logging.Formatter) -> None:
    try:
        raise_from(TargetUnavailable("out did not answer"), FileNotFoundError(2, "gone", CANARY))
    except TargetUnavailable:
        line = formatter.format(make_record("sendit.pipeline", "failed", failed=True))

    assert CANARY not in line
    assert "TargetUnavailable: out did not answer" in line
    assert "FileNotFoundError" in line
    assert "test_logs.py" in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_server_speaks_of_its_processes_and_of_no_request(formatter: logging.Formatter) -> None:
    died = make_record("gunicorn.error", "Worker (pid:%s) exited with code %s.", 7, 1)
    quoted = make_record("gunicorn.error", f"Invalid request from ip=127.0.0.1: {CANARY}")
    failed = make_record("gunicorn.error", "Error handling request %s", f"/batches/?q={CANARY}")

    assert "Worker (pid:7) exited with code 1." in formatter.format(died)
    assert CANARY not in formatter.format(quoted) + formatter.format(failed)


def test_configuration_shows_ours_and_silences_what_quotes_values() -> None:
    script = (
        "import logging.config, sendit.server.logs as logs;"
        "logging.config.dictConfig(logs.logging_configuration(log_format='text', level='info'));"
        "logging.getLogger('sendit.web').info('ready');"
        f"logging.getLogger('pydicom').warning('{CANARY}');"
        f"logging.getLogger('urllib3').warning('{CANARY}');"
        "logging.getLogger('google.auth._default').warning('no project')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "INFO ready" in done.stderr
    assert "google" not in done.stderr
    assert CANARY not in done.stdout + done.stderr
