from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendit.config.quantities import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5 GB", 5 * 10**9),
        ("5GB", 5 * 10**9),
        ("2 GiB", 2 * 2**30),
        ("1.5 MB", 1_500_000),
        ("20 gb", 20 * 10**9),
        ("512 MiB", 512 * 2**20),
        ("0 B", 0),
        (" 3 kB ", 3000),
    ],
)
def test_sizes_are_decimal_unless_they_say_binary(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["5", "GB", "-1 GB", "5 parsecs", "1.5 B", "", "5 G B", "1e9 B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unit|whole"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("10 s", timedelta(seconds=10)),
        ("0.2 s", timedelta(milliseconds=200)),
        ("10 min", timedelta(minutes=10)),
        ("2 h", timedelta(hours=2)),
        ("1 day", timedelta(days=1)),
        ("7 days", timedelta(days=7)),
        ("2 weeks", timedelta(days=14)),
    ],
)
def test_durations_have_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["10", "s", "-1 s", "7 dayz", "", "999999999999999 days", "10 m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unit|long"):
        parse_duration(text)


@given(st.integers(0, 10**18))
def test_a_size_survives_being_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.timedeltas(timedelta(0), timedelta(days=100_000)))
def test_a_duration_survives_being_written(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_size, parse_duration):
        with suppress(ValueError):
            parse(text)
