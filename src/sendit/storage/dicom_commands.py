"""The messages of DICOM's network services as bytes: command sets, and small data sets.

Command sets are implicit VR little endian whatever was negotiated.  What is received may be
anything, so reading never assumes that it is well formed.

DICOM: PS3.7 6.3 (command set), 9.3 and 10.3 (messages), E (dictionary).
"""

import io
import struct
from collections.abc import Mapping
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from sendit.storage.same_content import UNREADABLE

C_STORE, C_GET, C_FIND, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0030
N_EVENT_REPORT, N_ACTION, C_CANCEL = 0x0100, 0x0130, 0x0FFF
RESPONSE: Final = 0x8000
NO_DATA: Final = 0x0101
SUCCESS: Final = 0x0000
PENDING: Final = (0xFF00, 0xFF01)

AFFECTED_CLASS, REQUESTED_CLASS, FIELD, MESSAGE_ID = 0x0002, 0x0003, 0x0100, 0x0110
RESPONDED_TO, PRIORITY, DATA_TYPE, STATUS = 0x0120, 0x0700, 0x0800, 0x0900
AFFECTED_INSTANCE, REQUESTED_INSTANCE, EVENT_TYPE, ACTION_TYPE = 0x1000, 0x1001, 0x1002, 0x1008

IMPLICIT: Final = "1.2.840.10008.1.2"


def encode_command(values: Mapping[int, int | str]) -> bytes:
    """Return a command set; numbers are US, text is UI, keys are elements of group 0000."""
    body = b"".join(_element(number, values[number]) for number in sorted(values))
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def decode_command(data: bytes) -> Mapping[int, bytes]:
    """Return the elements of a command set; what is cut short is left out."""
    values: dict[int, bytes] = {}
    pos = 0
    while pos + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, pos)
        if group == 0 and pos + 8 + length <= len(data):
            values[element] = data[pos + 8 : pos + 8 + length]
        pos += 8 + length
    return values


def number(command: Mapping[int, bytes], element: int) -> int:
    """Return a US of a command set, -1 if it is not there."""
    value = command.get(element, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else -1


def uid(command: Mapping[int, bytes], element: int) -> str:
    """Return a UI of a command set, empty if it is not there."""
    return command.get(element, b"").decode("ascii", "replace").strip("\0 ")


def encode_data(ds: Dataset) -> bytes:
    """Return a data set in implicit VR little endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, ds)
    return buffer.getvalue()


def decode_data(data: bytes, *, transfer_syntax_uid: str = IMPLICIT) -> Dataset:
    """Return a data set as it came.

    Raises
    ------
    ValueError
        When it is none.
    """
    padded = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(padded)) + padded
    try:
        ds = dcmread(io.BytesIO(bytes(128) + b"DICM" + meta + data))
        ds.walk(lambda _ds, _elem: None)
    except UNREADABLE as error:
        raise ValueError("no data set") from error
    return ds


def _element(element: int, value: int | str) -> bytes:
    content = struct.pack("<H", value) if isinstance(value, int) else value.encode("ascii")
    content += b"\0" * (len(content) % 2)
    return struct.pack("<HHI", 0, element, len(content)) + content
