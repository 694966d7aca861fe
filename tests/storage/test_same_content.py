"""What a receiver may write anew, and what makes an instance another one."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from sendit.errors import VerificationFailed
from sendit.storage.outgoing import Outgoing
from sendit.storage.same_content import same_file
from tests.support.make_study import make_instance, write_instance


@pytest.fixture
def item(tmp_path: Path) -> Outgoing:
    ds = make_instance()
    ds.AnatomicRegionSequence = [Dataset()]
    ds.AnatomicRegionSequence[0].CodeMeaning = "Chest"
    content = write_instance(tmp_path / "one.dcm", ds).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Outgoing("2.25.1", tmp_path / "one.dcm", digest, len(content))


def changed(item: Outgoing, change: Callable[[FileDataset], object]) -> io.BytesIO:
    ds = dcmread(item.file)
    change(ds)
    written = io.BytesIO()
    ds.save_as(written)
    return written


def undefined_length(ds: FileDataset) -> None:
    ds["AnatomicRegionSequence"].is_undefined_length = True
    ds.AnatomicRegionSequence[0].is_undefined_length_sequence_item = True


def test_lengths_of_sequences_are_the_receivers(item: Outgoing) -> None:
    theirs = changed(item, undefined_length)

    assert theirs.getvalue() != item.file.read_bytes()
    assert same_file(item, theirs)


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: setattr(ds, "PixelData", ds.PixelData[:-1] + b"\xff"),
        lambda ds: setattr(ds, "SliceThickness", "7"),
        lambda ds: setattr(ds.AnatomicRegionSequence[0], "CodeMeaning", "Head"),
        lambda ds: ds.AnatomicRegionSequence.append(Dataset()),
        lambda ds: delattr(ds, "SliceThickness"),
        lambda ds: setattr(ds, "ImageComments", "more"),
        lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian),
    ],
    ids=["pixel", "value", "nested", "item", "less", "more", "transfer syntax"],
)
def test_other_content_is_told(item: Outgoing, change: Callable[[FileDataset], object]) -> None:
    assert not same_file(item, changed(item, change))


def test_what_cannot_be_read_is_other_content(item: Outgoing) -> None:
    assert not same_file(item, io.BytesIO(b"no DICOM"))


def test_nothing_is_compared_with_a_file_that_changed_here(item: Outgoing) -> None:
    theirs = io.BytesIO(item.file.read_bytes())
    item.file.write_bytes(item.file.read_bytes()[:-1] + b"\xff")

    with pytest.raises(VerificationFailed, match="has changed here"):
        same_file(item, theirs)
