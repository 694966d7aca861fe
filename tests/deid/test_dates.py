import pytest

from sendit.deid.dates import shift_date, shift_datetime, shift_values


@pytest.mark.parametrize(
    ("value", "days", "expected"),
    [
        ("20200301", -1, "20200229"),
        ("20200301", 366, "20210302"),
        ("2020.03.01", -1, "20200229"),
        ("20200301-20200305", -1, "20200229-20200304"),
        ("-20200301", -1, "-20200229"),
        ("202003", -1, "20200229"),
        ("2020", -1, "20191231"),
        ("20201345", -1, ""),
        ("00010101", -1, ""),
        ("last week", -1, ""),
        ("20200301 ", -1, "20200229"),
    ],
)
def test_da_moves_by_whole_days_or_becomes_empty(value: str, days: int, expected: str) -> None:
    assert shift_date(value, days=days) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20200301101500.123456+0100", "20200229101500.123456+0100"),
        ("20200301", "20200229"),
        ("202003011015", "202002291015"),
        ("2020", "20191231"),
        ("2020+0100", "20191231+0100"),
        ("nonsense", ""),
    ],
)
def test_dt_keeps_time_fraction_and_zone(value: str, expected: str) -> None:
    assert shift_datetime(value, days=-1) == expected


def test_every_value_of_a_multi_valued_date_moves() -> None:
    assert shift_values("20200301\\20200302", days=-1, with_time=False) == "20200229\\20200301"
