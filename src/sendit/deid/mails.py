"""Mail addresses in a text: whole ones, spelt-out ones, and those that a mail server inside reads.

*ida@clinic.org* is one whoever is meant, and so is *ida [at] clinic [dot] org*; *ifinch@clinic* is
one unless its first part is a word of the field, as in *peak@lesion*.  What stands before a number
is a measure (*ADC@1.5T*).
"""

import re
from collections.abc import Iterator

from sendit.deid.folding import fold
from sendit.deid.spans import Span
from sendit.deid.vocabulary import Vocabulary

RULE = "pattern:email"

# A word is tried from its beginning alone: a text may be one word of a million letters.
_MAIL = re.compile(
    r"(?<![\w.+'-])(?:[\w.+'-]+@(?!\d+\.\d)[\w-]+(?:\.[\w-]+)+"
    r"|[\w.+'-]+ ?[\[({]at[\])}] ?[A-Za-z][\w-]*"
    r"(?: ?(?:\.|[\[({](?:dot|punkt)[\])}]) ?[A-Za-z][\w-]*)+"
    # cut off where a short string ends
    r"|(?=[\w+'-]++\.\w)(?=[\d_.+'-]*+[^\W\d_])[\w.+'-]++@[^\W\d_][\w-]*+(?= *(?:\\|\Z)))"
)
_INSIDE = re.compile(
    r"(?<![\w.+'-])(?P<user>[a-z][\w+'-]{3,63}+)@[a-z][a-z-]{2,62}+(?![\w.'])(?!-\w)"
)


def find_mails(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield a span for every mail address."""
    for match in _MAIL.finditer(text):
        yield Span(match.start(), match.end(), RULE)
    for match in _INSIDE.finditer(text) if "@" in text else ():
        words = [fold(word).letters for word in re.findall(r"[^\W\d_]{4,}", match["user"])]
        if words and not any(map(vocabulary.is_common, words)):
            yield Span(match.start(), match.end(), RULE)
