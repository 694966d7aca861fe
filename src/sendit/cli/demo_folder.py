"""The folder of ``sendit demo``: made anew each time, with a configuration of its own.

It is made before Django starts, since its configuration is the one that the command runs
under.  A folder that was not made here is never touched.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sendit.errors import UsageError
from sendit.ingest.loop_lock import loop_is_alive

DEFAULT = "sendit-demo"
MARKER = ".sendit-demo"

INSTALLATION = """\
# Made by "sendit demo", which makes this folder anew each time it runs.
mode = "pool"
work_dir = "work"

[workers]
processes = 2

[limits]
min_free_disk = "100 MB"

[ingest]
settle = "1 s"
scan = "0.5 s"

[[inboxes]]
path = "inbox"
project = "demo"
"""

PROJECT = """\
# A study protocol: which images go on, under which names, cleaned how, to where.

title = "Demo"

[accept]
modalities = ["CT", "MR"]
burned_in = "reject"            # images that say they have text burned in are left out

[identity]
kind = "keyed"                  # pseudonyms derived from the site key, without any table
shift_days = [-730, -1]         # one shift for each patient
on_missing = "derive"           # a study without Accession Number goes by its Study Instance UID

[deid]
preset = "basic"
options = ["retain-longitudinal-modified-dates"]
defacing = "off"                # faces in head scans are not removed
pixels = "off"                  # pictures are not searched for text; without this line,
                                # derived ones would be held for a person
pixels_off_reason = "the CT and MR slices of this demo show no text"

[[targets]]
name = "out"
kind = "folder"
path = "../out"

[retention]
originals = "remove"            # once every required target holds the study, proven
excluded = "30 days"
"""


def configuration_of(words: Sequence[str]) -> Path:
    """Make the folder that the command line names and return its configuration.

    Raises
    ------
    sendit.errors.UsageError
        When the folder is somebody else's, or in use.
    """
    # All words are read here, so that a mistyped one leaves the last demo's folder as it is.
    parser = argparse.ArgumentParser(prog="sendit demo", add_help=False, allow_abbrev=False)
    parser.add_argument("--dir", type=Path, default=Path(DEFAULT))
    parser.add_argument("-v", "--verbose", action="store_true")
    return make(parser.parse_args(words).dir)


def make(folder: Path) -> Path:
    """Make the folder anew and return its configuration; see ``configuration_of``."""
    folder = folder.expanduser().absolute()
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text('Made by "sendit demo"; removed when it runs again.\n')
    for name in ("inbox", "out", "projects"):
        (folder / name).mkdir()
    (folder / "projects" / "demo.toml").write_text(PROJECT)
    configuration = folder / "sendit.toml"
    configuration.write_text(INSTALLATION)
    return configuration


def _clear(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name another one with --dir.")
    if not any(folder.iterdir()):
        return
    if not (folder / MARKER).is_file():
        raise UsageError(
            f'{folder} was not made by "sendit demo", so it is left alone; '
            "name another folder with --dir."
        )
    if loop_is_alive(folder / "work"):
        raise UsageError(f"A sendit is at work in {folder}; end it first.")
    shutil.rmtree(folder)
