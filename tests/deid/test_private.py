"""Which private elements stay, and in which form."""

import gzip
import json
import struct
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendit.deid.csa import rebuild_csa
from sendit.deid.ge_protocol import rebuild_ge_protocol, rebuild_ge_user_data
from sendit.deid.private import Fate, SafeElement, SafePrivate, creator_tag, is_creator

SIEMENS = "SIEMENS MR HEADER"


def csa_header(fields: dict[str, list[str]], *, sv10: bool = True) -> bytes:
    """Return a CSA header as a scanner would write it."""
    parts = [b"SV10\4\3\2\1" if sv10 else b"", struct.pack("<2I", len(fields), 77)]
    base = len(next(iter(fields.values())))
    for name, items in fields.items():
        padded = name.encode().ljust(64, b"\0")
        parts.append(struct.pack("<64si4s3i", padded, 1, b"FD\0\0", 4, len(items), 77))
        for item in items:
            data = item.encode() + b"\0JUNK" if item else b""
            first = len(data) if sv10 else len(data) + base
            parts.append(struct.pack("<4i", first, len(data), 77, len(data)))
            parts.append(data + bytes(-len(data) % 4))
    return b"".join(parts)


PROTOCOL = """<XProtocol> "Canary Protocol"
### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData ###
tPatientName\t = \t"Canary"
sSliceArray.lSize\t = \t5
sSliceArray.asSlice[0].dThickness = 2.5
sSliceArray.asSlice[0].tName = "Canary"
sTXSPEC.asNucleusInfo[0].lFrequency = 123456789
sWipMemBlock.tFree = Canary
alTR[0] = 0x7d0
sGRADSPEC.alShimCurrent[1] = -112
sCoilSelectMeas.aRxCoilSelectData[0].asList[3].sCoilElementID.tCoilID = ""Head_32""
sCoilSelectMeas.aRxCoilSelectData[0].asList[4].sCoilElementID.tCoilID = ""Canary_32""
sCoilSelectMeas.sCoilStringForConversion = ""HEA;HEP""
sProtConsistencyInfo.tBaselineString = ""N4_VE11C_LATEST_20160120""
### ASCCONV END ###
tail Canary"""


@pytest.mark.parametrize("sv10", [True, False], ids=["SV10", "CSA1"])
def test_a_csa_header_keeps_numbers_of_its_list_only(sv10: bool) -> None:
    fields = {
        "EchoLinePosition": ["64"],
        "B_value": ["1000", "", "Canary"],
        "PatientsName": ["Canary"],
        "MosaicRefAcqTimes": ["0.0", "1450.00000001"],
        "DiffusionDirectionality": ["DIRECTIONAL", "CANARY"],
        "ICE_Dims": ["X_1_1_1_1_1_1_1_1_1_1_1_318", "Canary_1_1"],
        "UsedPatientWeight": ["77"],
        "MrPhoenixProtocol": [PROTOCOL],
    }

    result = rebuild_csa(csa_header(fields, sv10=sv10))

    assert result is not None
    assert b"anary" not in result
    assert b"JUNK" not in result
    assert b"PatientsName" not in result
    assert b"1450.00000001" in result
    assert b"sSliceArray.asSlice[0].dThickness\t = \t2.5" in result
    assert b"lFrequency" not in result
    assert b"alTR[0]\t = \t0x7d0" in result
    for kept in (b"alShimCurrent[1]\t = \t-112", b"Head_32", b"HEA;HEP", b"N4_VE11C_LATEST"):
        assert kept in result
    assert result.startswith(b"SV10") is sv10
    assert rebuild_csa(result) == result


def test_a_long_whole_number_is_no_value_of_a_csa_field() -> None:
    result = rebuild_csa(csa_header({"B_value": ["123456789"], "FlipAngle": ["90"]}))

    assert result is not None
    assert b"123456789" not in result


@pytest.mark.parametrize(
    "value",
    [b"", b"SV10", b"SV10\4\3\2\1\xff\xff\xff\xff" * 3, csa_header({"B_value": ["1"]})[:-8]],
    ids=["empty", "mark", "counts", "truncated"],
)
def test_what_is_no_csa_header_is_not_rebuilt(value: bytes) -> None:
    assert rebuild_csa(value) is None


@given(st.binary(max_size=400))
def test_garbage_never_crashes_the_parsers(noise: bytes) -> None:
    rebuild_csa(b"SV10\4\3\2\1" + noise)
    rebuild_csa(noise)
    rebuild_ge_user_data(noise)
    rebuild_ge_protocol(noise)
    rebuild_ge_protocol(b"\0\0\0\0" + gzip.compress(noise))


def ge_block(text: str) -> bytes:
    packed = gzip.compress(text.encode())
    return struct.pack("<I", len(packed)) + packed + bytes(len(packed) % 2)


def test_a_ge_protocol_keeps_numbers_of_its_list_only() -> None:
    block = ge_block(
        'SLICEORDER "1"\nVIEWORDER "0"\nSEDESC "Canary"\nIOPT "EPI, FMRI, Canary"\n'
        'NOTES "Canary"\nPDGMUID "1.2.3"\nMULTIBVALUE "0.0; 1000.0;"\nTE "Canary"\nTR "5000.0"\n'
    )

    result = rebuild_ge_protocol(block)

    assert result is not None
    length = int.from_bytes(result[:4], "little")
    text = gzip.decompress(result[4 : 4 + length]).decode()
    assert text == (
        'SLICEORDER "1"\nVIEWORDER "0"\nIOPT "EPI, FMRI"\nMULTIBVALUE "0.0; 1000.0;"\nTR "5000.0"\n'
    )
    assert rebuild_ge_protocol(result) == result


def test_ge_user_data_keep_three_numbers() -> None:
    memory = bytearray(b"Canary " * 100)
    struct.pack_into("<I", memory, 24, 300)
    struct.pack_into("<f", memory, 300, 26.5)
    struct.pack_into("<I", memory, 432, 0x4002)

    result = rebuild_ge_user_data(bytes(memory))

    assert result is not None
    assert len(result) == len(memory)
    assert b"anary" not in result
    assert sum(byte != 0 for byte in result) <= 12
    assert struct.unpack_from("<I", result, 432) == (0x4002,)
    assert rebuild_ge_user_data(result) == result


@pytest.mark.parametrize("value", [b"", bytes(40), b"\xff" * 400, b"x" * 60])
def test_what_is_no_ge_user_data_is_not_rebuilt(value: bytes) -> None:
    assert rebuild_ge_user_data(value) is None


def test_a_gzip_bomb_is_no_protocol() -> None:
    assert rebuild_ge_protocol(ge_block("A" * 2_000_000)) is None


@pytest.mark.parametrize(
    ("tag", "vr", "creator", "fate", "meant"),
    [
        (0x0019100C, "IS", SIEMENS, Fate.KEEP, "IS"),
        (0x0019110C, "UN", "siemens mr header ", Fate.KEEP, "IS"),
        (0x0019100C, "", SIEMENS, Fate.KEEP, "IS"),
        (0x0019100C, "IS", "", Fate.REMOVE, ""),
        (0x0019100C, "IS", "ACME", Fate.REMOVE, ""),
        (0x00191077, "LO", SIEMENS, Fate.REMOVE, ""),
        (0x00291010, "OB", "SIEMENS CSA HEADER", Fate.REBUILD, "OB"),
        (0x0025101B, "OB", "GEMS_SERS_01", Fate.REBUILD, "OB"),
        (0x7E011012, "OB", "HOLOGIC, Inc.", Fate.HOLD, "OB"),
        (0x2005140F, "SQ", "Philips MR Imaging DD 005", Fate.KEEP, "SQ"),
        (0x70531000, "DS", "Philips PET Private Group", Fate.KEEP, "DS"),
        (0x0009100D, "DT", "GEMS_PETD_01", Fate.KEEP, "DT"),
    ],
)
def test_the_lists_decide(tag: int, vr: str, creator: str, fate: Fate, meant: str) -> None:
    decision = SafePrivate().decide(tag, vr, creator)

    assert (decision.fate, decision.vr) == (fate, meant)
    assert (decision.parser is not None) == (fate is Fate.REBUILD)


def test_a_site_adds_elements_and_releases_opaque_ones() -> None:
    extra = [SafeElement(0x0033, "ACME", 0x07, "FL", "site.toml:3")]

    safe = SafePrivate(extra, releases_opaque=True)

    assert safe.decide(0x00331007, "UN", "ACME").fate is Fate.KEEP
    assert safe.decide(0x7E011012, "OB", "HOLOGIC, Inc.").fate is Fate.KEEP


def test_blocks_are_told_by_their_creators() -> None:
    assert is_creator(0x00190010)
    assert not is_creator(0x00191010)
    assert not is_creator(0x00180010)
    assert creator_tag(0x0019100C) == 0x00190010


def test_every_shipped_vendor_element_names_its_source() -> None:
    table = json.loads((files("sendit.deid") / "data" / "vendor_private.json").read_text("utf-8"))

    for block in table["blocks"]:
        assert block["elements"]
        assert all(name in table["sources"] for name in block["sources"])
