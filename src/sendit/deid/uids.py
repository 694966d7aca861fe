"""New UIDs: a keyed hash of the old one.

No table is kept: every worker and every later run gives the same answer, references between
instances, series and studies stay whole, and without the key nobody gets from a new UID to
an old one, nor by trying old ones.  128 bits make a collision impossible in practice.
UIDs that the standard registers (SOP Classes, transfer syntaxes, well-known frames of
reference) mean the same for everybody and stay.

DICOM: PS3.5 B.2 (UIDs derived from a UUID: ``2.25.`` and a 128-bit number), PS3.15 E.3.9.
"""

import hmac
from typing import Final

from sendit.dictionary import UIDS

REGISTERED: Final = frozenset(uid.encode("ascii") for uid in UIDS)
CODING_SCHEMES: Final = b"2.16.840.1.113883.6."
"""HL7's registry of external code systems (SNOMED, LOINC, UCUM…); common to all."""
MAX_REMEMBERED: Final = 500_000


class NewUids:
    """Maps UIDs with one key and remembers the answers (identifying: not to be shown)."""

    __slots__ = ("_answers", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._answers: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return "NewUids(…)"

    def of(self, uid: bytes) -> bytes:
        """Return the new UID; empty stays empty, and what the standard registers stays."""
        # Some devices pad UI values with a space instead of NUL (PS3.5 6.2); strip both.
        old = uid.strip(b"\0 ")
        if not old or old in REGISTERED or old.startswith(CODING_SCHEMES):
            return old
        new = self._answers.get(old)
        if new is None:
            if len(self._answers) >= MAX_REMEMBERED:
                self._answers.clear()
            new = self._answers[old] = new_uid(self._key, old)
        return new

    def of_values(self, value: bytes) -> bytes:
        """Return a UI value, one UID or more, with each UID replaced, padded to even length."""
        new = b"\\".join(map(self.of, value.split(b"\\"))) if b"\\" in value else self.of(value)
        return new + b"\0" if len(new) & 1 else new


def new_uid(key: bytes, old: bytes) -> bytes:
    """Return ``2.25.`` and the first 128 bits of HMAC-SHA256 of ``old``."""
    digest = hmac.digest(key, old, "sha256")
    return b"2.25.%d" % int.from_bytes(digest[:16], "big")
