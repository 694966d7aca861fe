"""Make pseudonyms and date shifts out of keyed digests.

A pseudonym is a letter that says what it names and fifteen consonants: 64 bits, the sixteen
characters that an Accession Number may have (VR SH), no vowels that could spell a word, no
digits that could look like an id or a date, nothing that is read as something else.
"""

import hmac
from collections.abc import Sequence

_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 15


def pseudonym(key: bytes, *parts: str, prefix: str) -> str:
    """Return the pseudonym of what these parts name together."""
    number = _number(key, parts)
    letters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_CONSONANTS))
        letters.append(_CONSONANTS[digit])
    return prefix + "".join(letters)


def shift(key: bytes, *parts: str, days: Sequence[int]) -> int:
    """Choose the shift, in days, of whom these parts name."""
    return days[_number(key, parts) % len(days)]


def allowed_shifts(first: int, last: int, *, whole_weeks: bool) -> Sequence[int]:
    """Return the shifts from ``first`` to ``last`` days, without 0."""
    return [day for day in range(first, last + 1) if day and not (whole_weeks and day % 7)]


def _number(key: bytes, parts: Sequence[str]) -> int:
    # Lengths come first, so that no two lists of parts run together into the same bytes.
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return int.from_bytes(hmac.digest(key, message, "sha256"), "big")
