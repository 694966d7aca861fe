"""The one program behind ``sendit``, ``python -m sendit`` and ``python manage.py``.

Finds ``--config`` wherever it stands, runs ``deid`` without Django and every other command
with it, and turns what sendit raises on purpose into an exit code: 1 refused or failed,
2 wrong usage, 130 interrupted.  What a command does is in ``management/commands``.
"""

import atexit
import gc
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from sendit import __version__
from sendit.errors import ConfigurationInvalid, SenditError, UsageError

logger = logging.getLogger(__name__)

REFUSED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
WITHOUT_DJANGO = frozenset({"deid", "diff", "recipe"})
WITH_A_FOLDER_OF_ITS_OWN = "demo"
OUR_ROOM = "sendit.cli"
HELP_WORDS = ("--help", "-h", "help")

# Else the collector looks through all that is left of a program that ends: a fifth of the cost
# of a short command.
atexit.register(gc.freeze)

# numpy would start a thread of linear algebra for every further processor, which spins for a
# while and then has nothing to do here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    withhold_warnings()
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # A name in letters that the terminal's character set lacks must end nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    if words is None:
        gc.disable()  # until ``_loaded``
    try:
        return _run(_understand(sys.argv[1:] if words is None else words))
    except _WrongUsage as error:
        return _say(str(error), code=WRONG_USAGE)
    except SenditError as error:
        return _say(str(error), code=REFUSED)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader (head, less) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if error.filename is None:  # as what goes by > to a disk that is full
            return _say(f"The operating system refused something: {error.strerror}.", code=REFUSED)
        return _say(f"{error.strerror}: {error.filename}", code=REFUSED)
    except KeyboardInterrupt:
        return _say("interrupted", code=INTERRUPTED)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)


class _WrongUsage(Exception):
    """The words make no command."""


@dataclass(frozen=True, slots=True)
class _Request:
    command: str
    words: list[str]


def _understand(words: Sequence[str]) -> _Request:
    """Take ``--config FILE`` out from wherever it stands, and find the command."""
    left: list[str] = []
    config: str | None = None
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            left += [word, *waiting]
        elif word == "--config":
            config = next(waiting, "")
        elif word.startswith("--config="):
            config = word.removeprefix("--config=")
        else:
            left.append(word)
    if config is not None:
        _use_config(config)
    if left and left[0] == "help":
        left = [*left[1:2], "--help"]
    return _Request(left[0], left[1:]) if left else _Request("--help", [])


def _use_config(config: str) -> None:
    try:
        path = Path(config).expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
    except (RuntimeError, ValueError):  # a user who is nobody; a character that no path has
        is_file = is_folder = False
    if not config or not is_file:
        why = "is a folder" if config and is_folder else "does not exist"
        raise _WrongUsage(f'--config names no file: "{config}" {why}.')
    os.environ["SENDIT_CONFIG"] = str(path.absolute())


def _run(request: _Request) -> int:
    if request.command == "--version":
        sys.stdout.write(f"sendit {__version__}\n")
        return 0
    if request.command in WITHOUT_DJANGO:
        # Imported here: the engine's commands need neither Django nor a database, and the
        # other commands do not need the engine to start.
        engine = importlib.import_module(f"sendit.cli.{request.command}")
        _loaded()
        return int(engine.main(request.words))
    if request.command in HELP_WORDS:
        # As below.
        sys.stdout.write(importlib.import_module("sendit.cli.overview").overview())
        return 0
    try:
        return _run_with_django(request)
    except ConfigurationInvalid as error:
        _refuse_unknown(request.command)
        if request.command == "check" and "--json" in request.words:
            problems = str(error).splitlines()
            told = {"ok": False, "problems": problems, "warnings": [], "checks": []}
            sys.stdout.write(json.dumps(told, indent=2) + "\n")
            return REFUSED
        raise


def _run_with_django(request: _Request) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "sendit.server.settings"  # whatever the shell says
    if request.command == WITH_A_FOLDER_OF_ITS_OWN and not {*HELP_WORDS} & {*request.words}:
        # As above; the demo's folder holds the configuration that Django is about to read.
        folder = importlib.import_module("sendit.cli.demo_folder")
        _use_config(str(folder.configuration_of(request.words)))
    # Imported here: Django takes longer to load than ``sendit deid`` needs for a study, and
    # its settings are the configuration that --config has just named.
    django = importlib.import_module("django")
    management = importlib.import_module("django.core.management")
    database = importlib.import_module("django.db")
    try:
        django.setup()
    except UsageError as error:
        raise _WrongUsage(str(error)) from None
    sys.excepthook = report_crash
    rooms = management.get_commands()
    if rooms.get(request.command) != OUR_ROOM:  # Django's own would empty tables, or add users
        _refuse_unknown(request.command)
    command = management.load_command_class(rooms[request.command], request.command)
    _loaded()
    try:
        command.run_from_argv(["sendit", request.command, *request.words])
    except database.OperationalError as error:
        # As above.
        hints = importlib.import_module("sendit.cli.hints")
        remedy = hints.for_database(database.connection.vendor)
        return _say(f"The database cannot be used ({str(error).strip()}): {remedy}", code=REFUSED)
    except database.DatabaseError as error:
        if type(error) is not database.DatabaseError:  # ours, and its text may quote a value
            raise
        return _say(importlib.import_module("sendit.cli.hints").DAMAGED, code=REFUSED)
    return 0


def _loaded() -> None:
    """Let the collector pass over what was loaded, now and whenever it looks at everything.

    It stays as long as the program; looking through it was a tenth of the start.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _refuse_unknown(command: str) -> None:
    """Raise unless this is one of our commands."""
    # As above.
    ours = importlib.import_module("sendit.cli.overview").commands()
    if command not in ours:
        near = get_close_matches(command, ours, n=1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        raise _WrongUsage(f'There is no command "{command}".{meant} See "sendit --help".')


def withhold_warnings() -> None:
    """Let no library print a warning: pydicom's quote the values that they warn about."""
    logging.captureWarnings(True)  # noqa: FBT003 - the library's own signature
    logging.getLogger("py.warnings").setLevel(logging.CRITICAL)


def report_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log what nobody expected: its type and where, not its text, which may quote a value."""
    logger.critical("stopped by an error in sendit itself", exc_info=(kind, error, trace))


def _say(message: str, *, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
