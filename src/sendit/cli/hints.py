"""What an operator does next, in words that can be copied into the same terminal."""

import shlex
import shutil
import sys
from pathlib import Path

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive

DAMAGED = "The database is damaged, or is none. Put it back from your backup."


def who_goes_on(configuration: Configuration) -> list[str]:
    """Return a line that says how work goes on, when nobody is at it."""
    if loop_is_alive(configuration.settings.work_dir):
        return []
    once, always = (words_for(name, configuration) for name in ("run --once", "start_watcher"))
    return [f'Nobody is at work now: run "{once}" or "{always}".']


def for_database(vendor: str) -> str:
    """Return what is done about a database that does not answer as it should."""
    if vendor == "sqlite":
        return (
            "see that this user may open and write its file and folder, that its disk has room, "
            "and that nobody else keeps it locked."
        )
    return (
        "start it, or mend database.url, its password, how many it lets in (max_connections) and "
        "the network between."
    )


def words_for(command: str, configuration: Configuration) -> str:
    """Return a command as it has to be typed here to mean this installation."""
    source = configuration.source
    if source is None or source == Path.cwd() / "sendit.toml":
        return f"{program()} {command}"
    return f"{program()} {command} --config {typed(source)}"


def shown(path: Path) -> str:
    """Return a path as the person at the keyboard would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def typed(path: Path) -> str:
    """Return a path as it stands in a command, whatever blanks are in it."""
    return shlex.quote(shown(path))


def program() -> str:
    """Return how this program was started."""
    started = Path(sys.argv[0])
    if started.name == "manage.py":
        return "python manage.py"
    if started.name != "sendit":
        return f"{python()} -m sendit"
    return "sendit" if shutil.which("sendit") else typed(started)


def python() -> str:
    """Return how this Python is started."""
    found = shutil.which("python")
    is_this = found is not None and Path(found).absolute() == Path(sys.executable).absolute()
    return "python" if is_this else typed(Path(sys.executable))
