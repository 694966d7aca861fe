"""DICOM files that Python packages ship, and those of ``SENDIT_TEST_DICOM``."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {
    "pydicom": "data/test_files",
    "data_store": "data",
    "deid_data": "data",
}


def packaged_files() -> list[Path]:
    """Return every file that the packages ship, whatever it is called."""
    return sorted(path for root in _roots() for path in root.rglob("*") if path.is_file())


def further_files() -> list[Path]:
    """Return every file under ``SENDIT_TEST_DICOM``; none when it is not set."""
    root = os.environ.get("SENDIT_TEST_DICOM")
    return sorted(path for path in Path(root).rglob("*") if path.is_file()) if root else []


def _roots() -> Iterator[Path]:
    for package, folder in PACKAGES.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / folder
