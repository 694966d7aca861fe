"""Tell a day from a version: both are three numbers with points between them (24.3.21).

A word or a time beside it tells a day (*vom 4.3.21*, *4.3.21 um 8 Uhr*).  Where the first number
is no month, more words do (*CT 24.3.21*), and so does the beginning of a line or a bracket.  What
a day becomes is left to ``dates_in_text``.
"""

import re
from re import Match

_BEFORE_A_DAY = re.compile(
    r"(?<![^\W_])(?:vom|am|seit|zum|bis|geb|geboren|voraufnahme|prior|previous|since|dated|born|le"
    r"|du|dal|el|desde|d\.d|dd)\.?:? ?\Z",
    re.IGNORECASE,
)
_BEFORE_A_LATE_DAY = re.compile(
    r"(?:(?:\A|[\n(\[\\]) ?|(?<![^\W_])(?:ct|mrt?|mri|pet|rö|rx|sono|vgl|voruntersuchung|vu|op|z\.n"
    r"|exam|study|scan|kontrolle|control|verlauf|compared? (?:to|with)|comparison|seen|stable)"
    r"\.?:? )\Z",
    re.IGNORECASE,
)
_BEHIND_A_DAY = re.compile(
    r"(?:,| um| at)? (?:[01]?\d|2[0-3])(?::[0-5]\d(?!\d)| ?(?:Uhr|h)(?![^\W_]))"
)
_BEHIND_A_MEASURE = re.compile(r" ?(?:[cm]?m|ms|[x×*])(?![^\W_])|[-–][A-Za-z]")
_MONTHS_OF_A_YEAR = 12
_CUE = 24
"""Signs before a number in which the word is looked for that tells what it is."""


def is_day_by_place(match: Match[str], text: str) -> bool:
    """Return whether three numbers with points are a day."""
    before = text[max(0, match.start() - _CUE) : match.start()]
    if match["s"] != "." or int(match["b"]) > _MONTHS_OF_A_YEAR:
        return False
    if _BEFORE_A_DAY.search(before) or _BEHIND_A_DAY.match(text, match.end()):
        return True
    return (
        int(match["a"]) > _MONTHS_OF_A_YEAR
        and _BEFORE_A_LATE_DAY.search(before) is not None
        and _BEHIND_A_MEASURE.match(text, match.end()) is None
    )
