"""One file or one Dataset, without an engine to keep: the plain functions of the library."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sendit.deid.engine import Engine
from sendit.deid.files import MemorySource
from sendit.deid.identities import Identities
from sendit.deid.recipe import Recipe
from sendit.deid.report import Report


def deidentify_file(
    source: Path, destination: Path, *, recipe: Recipe, identities: Identities
) -> Report:
    """De-identify one file into another; the folder of ``destination`` must be there.

    Raises
    ------
    sendit.errors.ImageError
        When the instance cannot or may not be written; then nothing is.
    """
    report = Engine(recipe, identities).deidentify_to(source, destination)
    return replace(report, file=destination.name)


def deidentify_dataset(
    ds: Dataset, *, recipe: Recipe, identities: Identities
) -> tuple[Dataset, Report]:
    """De-identify a Dataset in memory; ``ds`` itself is left as it was.

    Raises
    ------
    sendit.errors.ImageError
        When the instance cannot or may not go on.
    """
    buffer = BytesIO()
    _save(ds, buffer)
    result, report = Engine(recipe, identities).deidentify_bytes(MemorySource(buffer.getvalue()))
    return pydicom.dcmread(BytesIO(result)), report


def _save(ds: Dataset, buffer: BytesIO) -> None:
    """Write a Dataset as a file; one that was made, not read, gets File Meta Information."""
    framed = Dataset(ds)
    meta = getattr(ds, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        meta = FileMetaDataset()
        implicit = ds.original_encoding[0] is True
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    framed.file_meta = FileMetaDataset(meta)
    framed.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    framed.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    framed.save_as(buffer, enforce_file_format=True)
