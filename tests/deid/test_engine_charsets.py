"""A wrong Specific Character Set is set right and reported, or the instance refused."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from sendit.deid import Recipe
from sendit.deid.charsets import decode
from sendit.errors import Unreadable
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance

RESEARCH = Recipe.resolve(preset="research")
IMAGE_TYPE = b"\x08\x00\x08\x00CS"


def planted(path: Path, ds: Dataset, charset: bytes | None, texts: dict[str, bytes]) -> Path:
    """Write texts in bytes of which pydicom would say that they are wrong."""
    ds.pop("SpecificCharacterSet", None)
    for keyword, value in texts.items():
        setattr(ds, keyword, _placeholder(keyword, value))
    data = write_instance(path, ds).read_bytes()
    for keyword, value in texts.items():
        data = data.replace(_placeholder(keyword, value).encode(), value)
    if charset is not None:
        padded = charset + b" " * (len(charset) & 1)
        element = b"\x08\x00\x05\x00CS" + len(padded).to_bytes(2, "little") + padded
        data = data.replace(IMAGE_TYPE, element + IMAGE_TYPE, 1)
    path.write_bytes(data)
    return path


def _placeholder(keyword: str, value: bytes) -> str:
    return (f"{keyword[0]}x" * len(value))[: len(value)]


def written(tmp_path: Path, charset: bytes | None, comments: bytes, **attributes: object):
    texts = {"ImageComments": comments}
    source = planted(tmp_path / "in.dcm", make_instance(**attributes), charset, texts)
    return deidentified(source, tmp_path, recipe=RESEARCH)


@pytest.mark.parametrize(
    ("charset", "meant"),
    [
        (b"ISO IR 100", "ISO_IR 100"),
        (b"ISO-IR 100", "ISO_IR 100"),
        (b"ISO_IR_100", "ISO_IR 100"),
        (b"ISO8859-1", "ISO_IR 100"),
    ],
)
def test_misspelt_set_is_written_as_the_standard_does(
    tmp_path: Path, charset: bytes, meant: str
) -> None:
    after, report = written(tmp_path, charset, "Schädel".encode("latin-1"))

    assert after.SpecificCharacterSet == meant
    assert after.ImageComments == "Schädel"
    assert report.rules["repair:character-set"] == 1


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        (None, "latin-1", "Schädel von *"),
        (None, "utf-8", "Schädel von *"),
        (b"ISO_IR 100", "utf-8", "Schädel von *"),
        (b"ISO_IR 100", "utf-8", "голова *"),
        (b"UTF-8", "utf-8", "голова *"),
        (b"WINDOWS-1251", "cp1251", "голова *"),
        (b"SHIFT_JIS", "cp932", "頭部 *"),
        (b"NO SUCH SET", "utf-8", "Schädel von *"),
    ],
)
def test_text_in_another_set_than_declared_goes_out_readable(
    tmp_path: Path, charset: bytes | None, codec: str, text: str
) -> None:
    original = text.replace("*", "Sandpiper").encode(codec)
    after, report = written(tmp_path, charset, original, SeriesDescription="plain")

    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert after.ImageComments == text
    assert after.SeriesDescription == "plain"
    assert report.rules["repair:character-set"] >= 1


def test_item_with_a_set_of_its_own_goes_out_readable(tmp_path: Path) -> None:
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 144"
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "77", "99RIS", "голова"
    after, _ = written(tmp_path, b"ISO_IR 100", "Schädel".encode(), ProcedureCodeSequence=[item])

    [code] = after.ProcedureCodeSequence
    assert code.CodeMeaning == "голова"
    assert code.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("declared", [None, b"ISO_IR 6", b"ISO_IR 100"])
def test_shift_jis_that_nobody_declared_is_read(tmp_path: Path, declared: bytes | None) -> None:
    texts = {
        "PatientName": "斎藤^花子".encode("cp932"),
        "ImageComments": "頭部 斎藤花子".encode("cp932"),
        "SeriesDescription": "斎藤 T1".encode("cp932"),
    }
    source = planted(tmp_path / "in.dcm", make_instance(), declared, texts)

    after, report = deidentified(source, tmp_path, recipe=RESEARCH)

    assert after.ImageComments == "頭部 *"
    assert after.SeriesDescription == "* T1"
    assert report.rules["repair:character-set"] == 1


@pytest.mark.parametrize("declared", [None, b"ISO_IR 100", b"ISO_IR 192"])
def test_chinese_that_nobody_declared_is_read(tmp_path: Path, declared: bytes | None) -> None:
    texts = {
        "PatientName": "王^小东".encode("gb18030"),
        "ImageComments": "患者王小东于2019年3月14日检查".encode("gb18030"),
        "SeriesDescription": "头部 王小东 T1".encode("gb18030"),
    }
    source = planted(tmp_path / "in.dcm", make_instance(StudyDate="20190314"), declared, texts)

    after, report = deidentified(source, tmp_path, recipe=RESEARCH)

    assert after.ImageComments == "患者*于2018年12月04日检查"
    assert after.SeriesDescription == "头部 * T1"
    assert report.rules["repair:character-set"] == 1


@pytest.mark.parametrize("codec", ["gb18030", "cp932", "euc_kr"])
def test_a_day_in_signs_that_nobody_declared_is_moved(tmp_path: Path, codec: str) -> None:
    day = "2019년 3월 14일" if codec == "euc_kr" else "2019年3月14日"

    after, _ = written(tmp_path, b"ISO_IR 100", f"T1 {day} 3".encode(codec), StudyDate="20190314")

    assert "2018" in after.ImageComments
    assert "14" not in after.ImageComments


@pytest.mark.parametrize("text", ["Größe Füße Stößel", "CRÉÉ À L'ÂGE", "ÄÖÜ^ÖÄ", "Hélène préféré"])
def test_accents_are_not_taken_for_chinese(text: str) -> None:
    assert decode(text.encode("latin-1"), b"ISO_IR 100") == text


def test_quotes_of_windows_are_not_taken_for_shift_jis(tmp_path: Path) -> None:
    after, _ = written(tmp_path, None, b"\x93Gr\xf6\xdfe\x94 \x96 O\x92Hara\x92s \x84x\x93")

    assert "Größe" in after.ImageComments


def test_korean_name_without_a_second_escape_is_found(tmp_path: Path) -> None:
    escape = b"\x1b$)C"
    texts = {
        "PatientName": b"Kim^Hijoong=" + escape + "김^희중".encode("euc_kr"),
        "ImageComments": escape + "두부 희중 김".encode("euc_kr"),
    }
    source = planted(tmp_path / "in.dcm", make_instance(), b"\\ISO 2022 IR 149", texts)

    after, _ = deidentified(source, tmp_path, recipe=RESEARCH)

    assert after.ImageComments == "두부 *"


def test_set_that_nobody_knows_does_no_harm_to_plain_text(tmp_path: Path) -> None:
    after, report = written(tmp_path, b"ISO_IR 999", b"head")

    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert report.rules["repair:character-set"] == 1


def test_text_in_a_set_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"\(0008,0005\) names no character set"):
        written(tmp_path, b"NO SUCH SET", "Schädel".encode("latin-1"))

    assert [path.name for path in tmp_path.iterdir()] == ["in.dcm"]


def test_name_in_undeclared_escapes_is_found(tmp_path: Path) -> None:
    texts = {
        "PatientName": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "ImageComments": b"\x1b$B;3ED\x1b(B seen, \x1b$BF,It\x1b(B",
    }
    source = planted(tmp_path / "in.dcm", make_instance(), None, texts)

    after, _ = deidentified(source, tmp_path, recipe=RESEARCH)

    assert after.ImageComments == "* seen, 頭部"
