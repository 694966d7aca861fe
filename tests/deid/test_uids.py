import re

from sendit.deid.uids import NewUids


def test_new_uid_is_the_same_for_every_mapping_with_the_same_key() -> None:
    assert NewUids(b"k" * 32).of(b"1.2.3") == NewUids(b"k" * 32).of(b"1.2.3\0")


def test_another_key_gives_another_uid() -> None:
    assert NewUids(b"k" * 32).of(b"1.2.3") != NewUids(b"q" * 32).of(b"1.2.3")


def test_new_uid_is_valid_and_holds_128_bits() -> None:
    new = NewUids(b"k" * 32).of(b"1.2.3").decode()

    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", new)
    assert int(new.removeprefix("2.25.")) < 2**128


def test_uid_of_the_standard_stays() -> None:
    assert NewUids(b"k" * 32).of(b"1.2.840.10008.5.1.4.1.1.2") == b"1.2.840.10008.5.1.4.1.1.2"


def test_uid_that_only_looks_like_the_standard_is_replaced() -> None:
    assert NewUids(b"k" * 32).of(b"1.2.840.10008.99.1").startswith(b"2.25.")


def test_each_of_several_values_is_replaced_and_the_length_is_even() -> None:
    new = NewUids(b"k" * 32).of_values(b"1.2.3\\1.2.4\\\0")

    assert len(new) % 2 == 0
    assert new.count(b"2.25.") == 2


def test_repr_shows_no_uid() -> None:
    uids = NewUids(b"k" * 32)
    uids.of(b"1.2.3.4.5.6")

    assert "1.2.3.4.5.6" not in repr(uids)
