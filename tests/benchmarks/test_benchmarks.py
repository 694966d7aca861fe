import json
import os
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from benchmarks.headers import IMAGES_PER_STUDY, SOURCES
from benchmarks.measure import RunFailed, measure
from benchmarks.slices import make_slices

ROOT = Path(__file__).parents[2]
ONE_OF_EACH = (len(SOURCES) - 1) * IMAGES_PER_STUDY + 1
"""Images until every kind of header is among them."""


def test_slices_are_half_a_megabyte_and_all_different(tmp_path: Path) -> None:
    total = make_slices(tmp_path, 102)

    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in tmp_path.rglob("*.dcm")]
    assert total / 102 == pytest.approx(525_000, rel=0.02)
    assert len({ds.SOPInstanceUID for ds in headers}) == 102
    assert len({ds.StudyInstanceUID for ds in headers}) == 2


def test_benchmark_measures_what_arrived(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks",
            "--json",
            "--corpora",
            "slices",
            "headers",
            "--images",
            str(ONE_OF_EACH),
            "--rounds",
            "1",
            "--ways",
            "cp",
            "digest",
            "engine",
            "--folder",
            str(tmp_path),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["corpus"], row["way"], row["images"]) for row in rows] == [
        ("slices", "cp -r", ONE_OF_EACH),
        ("slices", "copy and SHA-256", ONE_OF_EACH),
        ("slices", "engine alone", ONE_OF_EACH),
        ("headers", "cp -r", ONE_OF_EACH),
        ("headers", "copy and SHA-256", ONE_OF_EACH),
        ("headers", "engine alone", ONE_OF_EACH),
    ]
    assert not list(tmp_path.iterdir())


def test_failed_command_is_no_measurement(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('out of order')")

    with pytest.raises(RunFailed, match="out of order"):
        measure(command, folder=tmp_path, log=tmp_path / "log", environ=os.environ)
