"""Plain columns: readable without colour, in a pipe, and by a screen reader."""

from collections.abc import Iterable, Sequence
from unicodedata import combining, east_asian_width

LEAST = 24
"""So much of a name stays however narrow the terminal is."""
_GAP = 2


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    width: int | None = None,
    giving: int = 0,
) -> list[str]:
    """Return the lines of a table; numbers stand to the right, everything else to the left.

    Parameters
    ----------
    header, rows
        The cells.
    width
        Of the terminal, in columns of a letter; None: the table is as wide as it is.
    giving
        The number of the column whose cells are shortened when the table is wider.
    """
    texts = [[one_line(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[at], int | float) for row in rows)
        for at in range(len(header))
    ]
    lines = [list(header), *texts]
    widths = _widths(lines)
    if width is not None:
        room = width - (sum(widths) - widths[giving] + _GAP * (len(widths) - 1))
        for line in texts:
            line[giving] = _shortened(line[giving], max(room, LEAST))
        widths = _widths(lines)
    return [
        (" " * _GAP)
        .join(
            " " * (widest - _taken(text)) + text if right else text + " " * (widest - _taken(text))
            for text, widest, right in zip(line, widths, numeric, strict=True)
        )
        .rstrip()
        for line in lines
    ]


def one_line(cell: object) -> str:
    r"""Return a value as text that stays on its line: what cannot be printed becomes ``\xNN``."""
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in str(cell)
    )


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(_taken, column)) for column in zip(*lines, strict=True)]


def _taken(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_taken_by(letter) for letter in text)


def _taken_by(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def _shortened(text: str, room: int) -> str:
    """Return a text with its middle left out, if it does not fit: UIDs differ at their end."""
    if _taken(text) <= room:
        return text
    end = _fitting(reversed(text), (room - 1) // 2)[::-1]
    return f"{_fitting(text, room - 1 - _taken(end))}…{end}"


def _fitting(letters: Iterable[str], room: int) -> str:
    kept = []
    for letter in letters:
        room -= _taken_by(letter)
        if room < 0:
            break
        kept.append(letter)
    return "".join(kept)
