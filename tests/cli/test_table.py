"""Tables on a terminal and in a pipe."""

from unicodedata import east_asian_width

import pytest

from sendit.cli.table import table

HEADER = ("batch", "uid", "how")
LONG = "1.2.840.113619.2.55.3.604688119.971.1578316211.345"


def on_screen(line: str) -> int:
    """Return how many columns a line takes that holds no combining letters."""
    return sum(2 if east_asian_width(letter) == "W" else 1 for letter in line)


def test_a_long_name_keeps_its_beginning_and_its_end_where_the_table_has_to_fit() -> None:
    header, long, short = table(HEADER, [(1, LONG, "done"), (2, "A", "done")], width=50, giving=1)

    assert len(long) == 50
    name = long.split()[1]
    head, _, tail = name.partition("…")
    assert LONG.startswith(head)
    assert LONG.endswith(tail)
    assert min(len(head), len(tail)) > 15
    assert short.index("done") == long.index("done") == header.index("how")


def test_a_table_that_is_too_narrow_for_its_other_columns_keeps_some_of_the_name() -> None:
    _, line = table(HEADER, [(1, LONG, "d" * 100)], width=80, giving=1)

    assert len(line.split()[1]) == 24


@pytest.mark.parametrize("width", [None, 200], ids=["in a pipe", "wide enough"])
def test_a_name_that_has_room_stays_whole(width: int | None) -> None:
    _, line = table(HEADER, [(1, LONG, "done")], width=width, giving=1)

    assert LONG in line


def test_letters_that_take_two_columns_keep_the_table_straight() -> None:
    rows = [(1, "日本語" * 20, "done"), (2, "e\u0301tude", "done"), (3, "A", "done")]

    _, wide, accent, plain = table(HEADER, rows, width=50, giving=1)

    assert on_screen(wide) in (49, 50)
    assert on_screen(wide) == len(accent) - 1 == len(plain)
