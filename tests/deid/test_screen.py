"""What import reads of a header."""

from pathlib import Path

import pytest

from sendit.deid import read_header
from tests.support.make_study import PLAIN, make_study


@pytest.mark.parametrize("syntax", PLAIN)
def test_a_number_is_read_as_one(syntax: str, tmp_path: Path) -> None:
    (file,) = make_study(
        tmp_path, n_series=1, n_images=1, transfer_syntax_uid=syntax, rows=512, columns=48
    )

    header = read_header(file, fields=("Rows", "Columns", "PatientWeight"))

    assert header.values == {"Rows": "512", "Columns": "48", "PatientWeight": ""}
