"""Engines and identities for the tests of the engine."""

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from sendit.deid import Engine, Identities, Identity, Recipe, Report, normal_id, read_header

KEY = b"k" * 32
SHIFT = -100


def identities_for(*files: Path, shift_days: int = SHIFT) -> Identities:
    """Return identities for every Study in some files: P1, P2… and S1, S2…"""
    answers: dict[tuple[str, str], Identity] = {}
    patients: dict[str, str] = {}
    for file in files:
        header = read_header(file)
        patient = normal_id(header.values["PatientID"])
        pseudonym = patients.setdefault(patient, f"P{len(patients) + 1}")
        key = (patient, header.study_instance_uid)
        answers.setdefault(key, Identity(pseudonym, f"S{len(answers) + 1}", shift_days))
    return Identities(answers, KEY)


def deidentified(
    source: Path, folder: Path, *, recipe: Recipe | None = None, shift_days: int = SHIFT
) -> tuple[Dataset, Report]:
    """De-identify one file into ``folder`` and read the result."""
    engine = Engine(recipe or Recipe.resolve(), identities_for(source, shift_days=shift_days))
    report = engine.deidentify_into(source, folder)
    assert report.file is not None
    return pydicom.dcmread(folder / report.file), report
