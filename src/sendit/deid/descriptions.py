"""Tell what a folder is named after: the study or series described in it.

Exporters name folders and files after Study and Series Description.  Such a name says no more
than the headers do, and its words (``3i21s``, ``VMAT``) are no identifiers: else they would be
looked for, and found, in each description of the batch.  Where a name holds a whole description,
that part of it is left out; what stands beside it is looked at as ever.

Left out is only a description in which a word of the field or of the language stands: a folder
called ``MILLER`` is a patient's, even if a series is called so, too.
"""

import re
from collections.abc import Iterable, Sequence

from sendit.deid.folding import SEAM, fold, squeeze
from sendit.deid.identities import KnownValue
from sendit.deid.vocabulary import Vocabulary
from sendit.dictionary import TAGS

DESCRIBING = frozenset(
    TAGS[keyword] for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName")
)
_SHORTEST = 4


def descriptions_in(known: Iterable[KnownValue], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the folded descriptions of a batch that may name a folder, the longest first."""
    texts = {text for tag, _vr, text in known if tag in DESCRIBING}
    found = {squeeze(text) for text in texts if _has_word(text, vocabulary)}
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=lambda one: -len(one)))


def without_descriptions(name: str, descriptions: Sequence[str]) -> str:
    """Return the name of a folder or file with a blank for each whole description in it."""
    for one in descriptions:
        folded = fold(name)
        start = folded.letters.find(one)
        if start < 0:
            continue
        end = start + len(one)
        if min(folded.breaks[start], folded.breaks[end]) >= SEAM:
            name = f"{name[: folded.at[start]]} {name[folded.at[end - 1] + 1 :]}"
    return name


def _has_word(text: str, vocabulary: Vocabulary) -> bool:
    words = map(squeeze, re.findall(r"[^\W\d_]{3,}", text))
    return any(vocabulary.is_common(word) for word in words)
