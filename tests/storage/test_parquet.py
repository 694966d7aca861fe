from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sendit.storage.parquet import parquet_bytes


def test_a_reader_of_the_format_sees_the_same_table(tmp_path: Path) -> None:
    columns = {
        "uid": ["2.25.1", "2.25.2", ""],
        "note": ["", "größer", "a" * 3000],
        "bytes": [0, 1, 2**40],
        **{f"more {number}": [str(number)] * 3 for number in range(20)},
    }

    path = tmp_path / "table.parquet"
    path.write_bytes(parquet_bytes(columns))

    assert pq.read_table(path).to_pydict() == columns
    assert pq.read_schema(path).field("bytes").type == "int64"
    assert pq.read_schema(path).field("uid").type == "string"


def test_many_rows_are_read_back(tmp_path: Path) -> None:
    columns = {"n": list(range(20_000)), "text": [f"row {n}" for n in range(20_000)]}

    path = tmp_path / "table.parquet"
    path.write_bytes(parquet_bytes(columns))

    assert pq.read_table(path).to_pydict() == columns


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(parquet_bytes({"uid": []}))

    assert pq.read_table(path).to_pydict() == {"uid": []}


def test_the_same_table_gives_the_same_bytes() -> None:
    assert parquet_bytes({"a": ["x"], "n": [1]}) == parquet_bytes({"a": ["x"], "n": [1]})


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        parquet_bytes({"a": ["x"], "n": [1, 2]})
