"""Compare the metadata that a DICOMweb server gives with a file here.

For servers that transcode or coerce.  Bulk data is left out: a server that transcodes has
other bytes there, and says no digest of what they mean.

DICOM: PS3.18 10.4.1.1.2 (Retrieve Metadata), PS3.18 F (DICOM JSON).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from sendit.dictionary import TAGS
from sendit.storage.same_content import UNREADABLE

_BULK = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_OF_THE_ENCODING = frozenset(
    ("PhotometricInterpretation", "PlanarConfiguration", "SpecificCharacterSet")
)
"""What follows from how an instance is encoded, so that whoever transcodes may change it."""


def _keywords(keywords: tuple[str, ...]) -> tuple[str, ...]:
    for keyword in keywords:
        if keyword not in TAGS:
            raise PydanticCustomError(
                "keyword", "{keyword} is not a DICOM keyword", {"keyword": keyword}
            )
    return keywords


MayChange = Annotated[tuple[str, ...], AfterValidator(_keywords)]


def differences(file: Path, metadata: bytes, *, may_change: Sequence[str]) -> Sequence[str]:
    """Return the keywords (or tags) of attributes that are not as they were sent.

    What the server added is no difference; an answer that cannot be read differs in all.
    """
    ours = dcmread(file, stop_before_pixels=True)
    try:
        document = json.loads(metadata)
        theirs = Dataset.from_json(document[0], bulk_data_uri_handler=_no_bulk_data)
    except UNREADABLE:
        return ("everything",)
    ignored = _OF_THE_ENCODING.union(may_change)
    return [
        elem.keyword or str(elem.tag)
        for elem in ours
        if elem.keyword not in ignored and not _same(elem, theirs)
    ]


def _same(elem: DataElement, theirs: Dataset) -> bool:
    if elem.VR in _BULK or elem.tag.element == 0:
        return True
    if elem.tag not in theirs:
        return bool(elem.is_empty)
    other = theirs[elem.tag]
    if elem.VR == "SQ":
        return len(elem.value) == len(other.value) and all(
            _same(inner, item)
            for mine, item in zip(elem.value, other.value, strict=True)
            for inner in mine
        )
    return (elem.is_empty and other.is_empty) or elem.value == other.value


def _no_bulk_data(_tag: str, _vr: str, _uri: str) -> bytes:
    return b""
