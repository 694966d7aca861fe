import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from sendit.deid import read_header
from sendit.errors import Unreadable
from sendit.terms import Reason
from tests.support.make_study import make_instance, write_instance

MB = 1 << 20


def test_text_behind_the_data_set_is_not_told_as_a_tag(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "a.dcm", make_instance())
    path.write_bytes(path.read_bytes() + b"Quokkabird^Zebulon")

    with pytest.raises(Unreadable) as refusal:
        read_header(path)

    assert refusal.value.detail == "an element that is not in the standard has no valid VR"


def test_deflated_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write_instance(
        tmp_path / "bomb.dcm",
        make_instance(),
        transfer_syntax_uid=DeflatedExplicitVRLittleEndian,
    )
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [deflater.compress(b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 1000 * MB))]
    parts += [deflater.compress(bytes(MB)) for _ in range(300)]
    path.write_bytes(content[:start] + b"".join(parts))

    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) as refusal:
            read_header(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refusal.value.reason == Reason.TOO_LARGE
    assert peak < 400 * MB
