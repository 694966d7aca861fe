"""Decompress an instance for a peer that does not take it as it is, if the project allows that.

The pixels are what they were, as far as the compression kept them; the file here stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread
from pydicom.uid import UID

from sendit.storage.dicom_items import Item
from sendit.storage.outgoing import read_meta


@contextmanager
def decompressed(item: Item, *, transfer_syntax_uid: str) -> Iterator[Item | None]:
    """Return an instance in one of the plain transfer syntaxes, None if it cannot be decoded."""
    with TemporaryDirectory(prefix="sendit-") as folder:
        path = Path(folder, "plain.dcm")
        if not _write(item.outgoing.file, path, transfer_syntax_uid):
            yield None
            return
        outgoing = replace(item.outgoing, file=path, size=path.stat().st_size)
        yield replace(item, outgoing=outgoing, meta=read_meta(outgoing))


def _write(source: Path, path: Path, transfer_syntax_uid: str) -> bool:
    try:
        ds = dcmread(source)
        if ds.file_meta.TransferSyntaxUID.is_compressed and "PixelData" in ds:
            ds.decompress(generate_instance_uid=False)
        ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
        ds.save_as(path, enforce_file_format=True)
    # Decoders raise whatever they like of foreign pixels.
    except (ValueError, RuntimeError, AttributeError, LookupError, TypeError, NotImplementedError):
        return False
    return True
