"""The comparison of ways to send runs, and says of each what the table needs."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.dicom_peers import OrthancServer

ROOT = Path(__file__).parents[2]
RECEIVERS = ("Orthanc", "null")


def test_each_way_is_measured_to_each_receiver(orthanc: OrthancServer) -> None:
    words = ["-m", "benchmarks.delivery", "--images", "4", "--rounds", "1", "--json"]

    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {(row["way"], row["receiver"]) for row in rows} >= {
        (way, receiver)
        for way in ("sendit REST", "sendit STOW-RS", "sendit C-STORE", "storescu", "bare REST")
        for receiver in RECEIVERS
    }
    assert all(row["images_per_s"] > 0 and row["images"] == 4 for row in rows)
