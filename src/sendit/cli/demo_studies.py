"""Real studies to show the product with: from the test files that pydicom brings along.

They are long published and belong to nobody who could be harmed.  ``write_study`` puts one
into an inbox as a scanner's gateway would: written under a ``.tmp`` name, then renamed.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from sendit.errors import UsageError
from sendit.terms import Status


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """One study, and what must become of it under the demo project."""

    name: str
    """Of its folder; so the batch's uid."""
    shows: str
    """What there is to see."""
    files: tuple[str, ...]
    """Below pydicom's folder of test files; the last two parts are kept."""
    status: Status
    delivered: int
    excluded: int = 0
    unreadable: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    """Further files that are not DICOM."""


STUDIES = (
    DemoStudy(
        name="DEMO-1-CT-HEAD",
        shows="a CT image, compressed (JPEG 2000)",
        files=("J2K_pixelrep_mismatch.dcm",),
        status=Status.DONE,
        delivered=1,
    ),
    DemoStudy(
        name="DEMO-2-CT",
        shows="a CT study of two series",
        files=(
            "dicomdirtests/98892001/CT2N/6293",
            "dicomdirtests/98892001/CT2N/6924",
            "dicomdirtests/98892001/CT5N/2062",
            "dicomdirtests/98892001/CT5N/2392",
            "dicomdirtests/98892001/CT5N/2693",
            "dicomdirtests/98892001/CT5N/3023",
            "dicomdirtests/98892001/CT5N/3353",
        ),
        status=Status.DONE,
        delivered=7,
    ),
    DemoStudy(
        name="DEMO-3-MR",
        shows="an MR image",
        files=("examples_overlay.dcm",),
        status=Status.DONE,
        delivered=1,
    ),
    DemoStudy(
        name="DEMO-4-NOTES",
        shows="an MR image, and beside it a file that is not DICOM",
        files=("MR_small.dcm",),
        status=Status.DONEPROCESSING,
        delivered=1,
        unreadable=1,
        texts={"notes.txt": "Second scan repeated, see the list on the desk.\n"},
    ),
    DemoStudy(
        name="DEMO-5-XRAY",
        shows="radiographs, which the demo project leaves out",
        files=(
            "dicomdirtests/77654033/CR1/6154",
            "dicomdirtests/77654033/CR2/6247",
            "dicomdirtests/77654033/CR3/6278",
        ),
        status=Status.EMPTY,
        delivered=0,
        excluded=3,
    ),
)


def write_study(study: DemoStudy, inbox: Path) -> Path:
    """Put a study into an inbox and return its finished folder.

    Raises
    ------
    sendit.errors.UsageError
        When pydicom does not bring a file of it along.
    """
    arriving = inbox / f"{study.name}.tmp"
    for file in study.files:
        source = _test_files() / file
        if not source.is_file():
            raise UsageError(
                f"pydicom {pydicom.__version__} does not bring its test file {source.name} along; "
                "install the version that requirements/run.txt names."
            )
        destination = arriving.joinpath(*Path(file).parts[-2:])
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    for name, text in study.texts.items():
        (arriving / name).write_text(text, encoding="utf-8")
    return arriving.rename(inbox / study.name)


def _test_files() -> Path:
    return Path(pydicom.__file__).parent / "data" / "test_files"
