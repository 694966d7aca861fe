"""Text out of bytes and back, also where the character set is declared wrongly."""

import pytest

from sendit.deid.charset_names import meant_by
from sendit.deid.charsets import decode, decode_strictly, encode
from sendit.errors import Unreadable

FITTING = [
    (b"ISO_IR 100", "Müller", "latin-1"),
    (b"ISO_IR 101", "Łukasz", "iso8859_2"),
    (b"ISO_IR 144", "Люкceмбypг", "iso8859_5"),
    (b"ISO_IR 126", "Διονυσιος", "iso8859_7"),
    (b"ISO_IR 138", "שרון", "iso8859_8"),
    (b"ISO_IR 203", "Šárka €", "iso8859_15"),
    (b"ISO_IR 192", "王小东", "utf-8"),
    (b"GB18030", "王小东", "gb18030"),
    (b"GBK", "王小东", "gbk"),
    (b"ISO-IR 101", "Łukasz", "iso8859_2"),
    (b"utf-8", "王小东", "utf-8"),
]
WRONG = [
    (b"", "Müller", "utf-8"),
    (b"", "Müller", "latin-1"),
    (b"ISO_IR 100", "LÓPEZ", "utf-8"),
    (b"ISO_IR 192", "Müller", "latin-1"),
    (b"WINDOWS-1251", "Мухина", "cp1251"),
    (b"NO SUCH SET", "Müller", "utf-8"),
]
NAMES = [
    (b"ISO_IR 100 ", "ISO_IR 100"),
    (b"ISO IR 100", "ISO_IR 100"),
    (b"ISO-IR 100", "ISO_IR 100"),
    (b"ISO_IR_100", "ISO_IR 100"),
    (b"iso_ir 100", "ISO_IR 100"),
    (b"ISO8859-1", "ISO_IR 100"),
    (b"ISO_8859-15", "ISO_IR 203"),
    (b"UTF-8", "ISO_IR 192"),
    (b"ISO 2022 IR 192", "ISO_IR 192"),
    (b"ISO_IR 6", "ISO_IR 100"),
    (b"ISO_2022_IR_87", "ISO 2022 IR 87"),
    (b"\\ISO-2022-IR-87", "\\ISO 2022 IR 87"),
    (b"ISO_IR 6\\ISO 2022 IR 149", "ISO 2022 IR 6\\ISO 2022 IR 149"),
    (b"ISO_IR 100\\ISO_IR 144", "ISO 2022 IR 100\\ISO 2022 IR 144"),
    (b"ISO_IR 100\\", "ISO_IR 100"),
    (b"GB 18030", "GB18030"),
]


@pytest.mark.parametrize(("charset", "text", "codec"), FITTING + WRONG)
def test_text_is_read_in_the_set_that_it_was_written_in(charset, text, codec) -> None:
    assert decode(text.encode(codec) + b" ", charset) == text


@pytest.mark.parametrize(("charset", "text", "codec"), FITTING)
def test_text_goes_back_into_the_declared_set(charset, text, codec) -> None:
    assert decode_strictly(text.encode(codec), charset) == (text, True)
    assert encode(f"* {text[1:]}", charset) == b"* " + text[1:].encode(codec)


@pytest.mark.parametrize(("charset", "text", "codec"), WRONG)
def test_text_in_another_set_than_the_declared_one_is_noticed(charset, text, codec) -> None:
    assert decode_strictly(text.encode(codec), charset) == (text, False)


def test_escapes_are_written_where_the_set_needs_them() -> None:
    charset = b"\\ISO 2022 IR 87"
    value = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"

    assert decode(value, charset) == "Yamada^Tarou=山田^太郎"
    assert decode(encode("*=山田^太郎", charset), charset) == "*=山田^太郎"


@pytest.mark.parametrize("charset", [b"", b"ISO_IR 100", b"\\ISO 2022 IR 149"])
def test_escapes_tell_their_set_themselves(charset: bytes) -> None:
    value = b"Yamada^Tarou=\x1b$B;3ED\x1b(B"

    assert decode_strictly(value, charset) == ("Yamada^Tarou=山田", False)


@pytest.mark.parametrize(
    ("charset", "escape", "word", "codec"),
    [
        (b"ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L", "Жуковский", "iso8859_5"),
        (b"\\ISO 2022 IR 149", b"\x1b$)C", "홍길동", "euc_kr"),
    ],
)
def test_set_in_force_ends_at_the_delimiters_of_names_in_names_only(
    charset: bytes, escape: bytes, word: str, codec: str
) -> None:
    text = escape + b"Name=" + word.encode(codec) + b"^"

    assert decode(text, charset) == f"Name={word}^"
    assert decode(b"Anna=" + escape + word.encode(codec) + b"^Anna", charset) == f"Anna={word}^Anna"


def test_character_that_was_cut_at_the_end_costs_itself_only() -> None:
    value = "胸部 造影".encode()[:-1]

    assert decode_strictly(value, b"ISO_IR 192") == ("胸部 造", False)


@pytest.mark.parametrize(("written", "meant"), NAMES)
def test_misspelt_name_of_a_set_is_understood(written: bytes, meant: str) -> None:
    terms = meant_by(written)

    assert terms is not None
    assert "\\".join(terms) == meant


@pytest.mark.parametrize("charset", [b"NO SUCH SET", b"ISO_IR 999", b"ISO_IR 192\\ISO 2022 IR 87"])
def test_text_in_a_set_that_nobody_knows_is_refused(charset: bytes) -> None:
    assert meant_by(charset) is None
    assert decode_strictly(b"plain", charset) == ("plain", True)
    with pytest.raises(Unreadable, match=r"\(0008,0005\)"):
        decode_strictly("Müller".encode("latin-1"), charset)


@pytest.mark.parametrize("charset", [b"", b"ISO_IR 100"])
def test_small_letters_of_cyrillic_are_not_taken_for_chinese(charset: bytes) -> None:
    value = "CT Золотухина chest".encode("cp1251")

    assert decode(value, charset) == value.decode("latin-1")
