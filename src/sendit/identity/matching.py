"""When two spellings are one patient.

Padding, repeated blanks and compatibility forms never tell patients apart (PS3.5 6.2: blanks
around a value mean nothing).  What else does not is the project's choice: case unless it says
otherwise; also blanks anywhere, leading zeros, hyphens.  The Issuer of Patient ID (0010,0021)
may count, for a project that takes studies of several hospitals.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Ignored = Literal["case", "spaces", "leading-zeros", "hyphens"]
IGNORED: Sequence[str] = get_args(Ignored)


@dataclass(frozen=True, slots=True)
class Matching:
    """What may differ between two spellings of one patient's id."""

    ignore: frozenset[str] = frozenset({"case"})
    """Of ``case``, ``spaces`` (anywhere), ``leading-zeros``, ``hyphens``."""
    by_issuer: bool = False
    """The same id of another issuer is another patient."""

    def patient(self, patient_id: str, issuer: str = "") -> str:
        """Return what all spellings of one patient have in common."""
        form = self.spelling(patient_id)
        if "case" in self.ignore:
            form = form.casefold()
        issued = self.item(issuer) if self.by_issuer else ""
        return f"{form}\0{issued}" if issued else form

    def spelling(self, patient_id: str) -> str:
        """Return an id without what does not count, but for its case."""
        form = _plain(patient_id)
        if "spaces" in self.ignore:
            form = form.replace(" ", "")
        if "hyphens" in self.ignore:
            form = form.replace("-", "")
        if "leading-zeros" in self.ignore:
            form = form.lstrip("0") or form[:1]
        return form

    def item(self, item: str) -> str:
        """Return what all spellings of an item's number have in common."""
        return _plain(item).casefold()


def _plain(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).replace("\0", " ").split())
