"""Text out of bytes and back, also where the character set is declared wrongly."""

import pytest

from sendit.deid.charsets import decode, recode

CASES = [
    (b"ISO_IR 100", "Müller", "latin-1"),
    (b"ISO_IR 101", "Łukasz", "iso8859_2"),
    (b"ISO_IR 144", "Люкceмбypг", "iso8859_5"),
    (b"ISO_IR 126", "Διονυσιος", "iso8859_7"),
    (b"ISO_IR 138", "שרון", "iso8859_8"),
    (b"ISO_IR 192", "王小东", "utf-8"),
    (b"GB18030", "王小东", "gb18030"),
    (b"GBK", "王小东", "gbk"),
    (b"", "Müller", "utf-8"),
    (b"", "Müller", "latin-1"),
    (b"ISO_IR 100", "LÓPEZ", "utf-8"),
    (b"ISO_IR 192", "Müller", "latin-1"),
    (b"NO SUCH SET", "Müller", "latin-1"),
]


@pytest.mark.parametrize(("charset", "text", "codec"), CASES)
def test_text_is_read_in_the_set_that_it_was_written_in(charset, text, codec) -> None:
    assert decode(text.encode(codec) + b" ", charset) == text


@pytest.mark.parametrize(("charset", "text", "codec"), CASES)
def test_what_is_left_of_a_text_goes_back_the_way_it_came(charset, text, codec) -> None:
    value = text.encode(codec)

    assert recode(value, charset, f"* {text[1:]}") == b"* " + text[1:].encode(codec)


def test_escapes_are_written_where_the_set_needs_them() -> None:
    charset = b"\\ISO 2022 IR 87"
    value = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"

    assert decode(value, charset) == "Yamada^Tarou=山田^太郎"
    assert decode(recode(value, charset, "*=山田^太郎"), charset) == "*=山田^太郎"
