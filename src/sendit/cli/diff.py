"""``sendit diff ORIGINAL RESULT``: one instance before and after, side by side.

What it shows identifies the patient, so it writes to a terminal and nowhere else.
"""

import argparse
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from sendit.cli.arguments import add_common
from sendit.deid.release import check_release, known_of
from sendit.deid.syntax import tag_text
from sendit.errors import ImageError

EXAMPLE = """\
example:
  sendit diff inbox/ACC0001/0001 clean/P7C2/2.25.1/2.25.2/2.25.3.dcm

marks: - gone   + new   ~ changed   (unchanged attributes are not shown; --all shows them)
exit code: 0 the result differs only where it may, 1 it lost something, or something is left
"""
LONGEST_VALUE = 200
UNREADABLE = (
    *(OSError, InvalidDicomError, BytesLengthException, struct.error, zlib.error),
    *(ValueError, LookupError, AttributeError, TypeError, EOFError),
    RuntimeError,  # nested too deeply, or a VR that pydicom does not know
)
"""What pydicom raises at a broken file, at once or when a value is asked for."""


def main(argv: Sequence[str], *, screen: TextIO | None = None) -> int:
    """Run the command and return its exit code; ``screen`` is stdout unless a test says else."""
    try:
        words = _parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    screen = screen or sys.stdout
    if not screen.isatty():
        return _say("diff shows what identifies the patient; it writes to a terminal only.")
    before = after = None
    try:
        before = pydicom.dcmread(words.original)
        after = pydicom.dcmread(words.result)
        lines = list(rows(before, after))
    except UNREADABLE as error:
        which = "ORIGINAL" if before is None else "RESULT" if after is None else "A file"
        return _say(f"{which} cannot be read: {type(error).__name__}.")
    width = max((shutil.get_terminal_size().columns - 20) // 2, 20)
    for mark, path, old, new in lines:
        if mark != " " or words.all:
            screen.write(f"{mark} {path}\n    {old[:width]:{width}}  {new[:width]}\n")
    try:
        check_release(words.result, known=known_of(words.original), original=words.original)
    except ImageError as error:
        return _say(f"The release check refuses this result: {error}.")
    return 0


def rows(before: Dataset, after: Dataset, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield mark, path with name, value before, value after, in order of tags."""
    for tag in sorted({*before.keys(), *after.keys()}):
        old: DataElement | None = before.get(tag)
        new: DataElement | None = after.get(tag)
        either = old or new
        assert either is not None  # noqa: S101 - the tag is of one of the two
        path = prefix + tag_text(int(tag))
        if either.VR == "SQ":
            yield from _items(old, new, path, str(either.name))
            continue
        texts = _text(old), _text(new)
        mark = "-" if new is None else "+" if old is None else " " if texts[0] == texts[1] else "~"
        yield (mark, f"{path} {either.name}", *texts)


def _items(
    old: DataElement | None, new: DataElement | None, path: str, name: str
) -> Iterator[tuple[str, str, str, str]]:
    ours, theirs = (list(one.value) if one is not None else [] for one in (old, new))
    if len(ours) != len(theirs):
        mark = "-" if new is None else "+" if old is None else "~"
        yield mark, f"{path} {name}", f"{len(ours)} items", f"{len(theirs)} items"
    for number in range(min(len(ours), len(theirs))):
        yield from rows(ours[number], theirs[number], f"{path}[{number + 1}]/")


def _text(element: DataElement | None) -> str:
    if element is None:
        return ""
    if isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    shown = " ".join(str(element.value)[:LONGEST_VALUE].split())
    # A terminal obeys what stands behind an escape.
    return "".join(char if char.isprintable() else "\ufffd" for char in shown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sendit diff",
        description="Show one instance before and after.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("original", metavar="ORIGINAL", type=Path, help="file as it came")
    parser.add_argument("result", metavar="RESULT", type=Path, help="file as it was written")
    parser.add_argument("--all", action="store_true", help="show unchanged attributes, too")
    add_common(parser)
    return parser


def _say(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 1
