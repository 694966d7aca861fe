"""Words as the release check compares them: one form for all spellings of a name.

Case, accents, transliteration (Müller, Mueller, MULLER), separators and compatibility forms
do not count.  The gate folds text with its own code, so that a spelling that the engine's
folding overlooks is still seen here.

Also here: patterns from which an original is learned, too (mail addresses, phones, numbers with a
label; more in ``release_patterns``) and the dates that a text may mean.
"""

import datetime
import re
import unicodedata
from contextlib import suppress
from functools import lru_cache
from itertools import takewhile

_WORD = re.compile(r"[^\W_]+")
_SEAM = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_SPELT = re.compile(r"(?<![^\W_])[^\W\d_](?:[ ._'-]{1,3}[^\W\d_]){3,63}(?![^\W_])")
_INITIALS = re.compile(r"(?<![^\W_])[^\W\d_](?:\. ?[^\W\d_]){1,2}(?![^\W_])")
_HAN, _TWO_HAN = re.compile("[\u3040-\u9fff]"), re.compile("[\u3040-\u9fff]{2}")
_BETWEEN = re.compile(r"[\s,;:()\[\]=^/\\]+")
_DECIMAL = re.compile(r"(?<![\w*-])[\w*-]*\d(?:[.,]\d[\w*.-]*)+")
_DIGIT_GROUPS = re.compile(r"\d+(?:[-./ ]{1,2}\d+)*")
_MARKS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"}
)
_SOUNDS = """
а=a б=b в=v г=g д=d е=e ж=zh з=z и=i к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch
ш=sh щ=shch ъ= ы=y ь= э=e ю=yu я=ya і=i є=e ґ=g ў=u ђ=d ј=j љ=lj њ=nj ћ=c џ=dz α=a β=v γ=g δ=d
ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s ς=s τ=t υ=y φ=f χ=ch ψ=ps ω=o"""
"""One sound a letter, whatever the country; the other spellings: ``release_romanising``."""
_MARKS |= str.maketrans(dict(pair.split("=") for pair in _SOUNDS.split()))
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`´]")
_DIGRAPHS = re.compile("(?<=a)[ea]|(?<=[ou])e")
_LONGEST_WINDOW = 5

MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
LINK = re.compile(r"(?:https?|ftp)://\S+|\bwww\.[\w-]+\.\w+", re.IGNORECASE)
INSIDE_LINK = re.compile(
    r"(?:ftp|smb)://\w|https?://(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d"
    r"|https?://[\w.-]+\.(?:local|lan|internal|hospital)\b",
    re.IGNORECASE,
)
"""What leads to a computer of an institution, not to the page of a product."""
PHONE = re.compile(
    r"(?<![^\W_])(?<!\.)\+\d{1,3}[ (./-]{1,2}\d[\d ()/.-]{5,14}\d(?![\w.])"
    r"|(?<![^\W_])(?<![.-])\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?![\w.-])"
    r"|\b(?:tel|phone|fax|mobile|telefon)\b[.:# ]{1,3}\+?\d[\d ()/.-]{4,}\d",
    re.IGNORECASE,
)
NATIONAL_ID = re.compile(
    r"(?<![\w.-])(?:\d{3}-\d{2}-\d{4}|[1-9][A-Z][A-Z\d]\d-[A-Z][A-Z\d]\d-[A-Z]{2}\d\d)(?![\w.-])"
)
LABELLED_ID = re.compile(
    r"\b(?:MRN|SSN|NHS|PID|acc(?:ession)?|pat(?:ient)?s?)[ .]{0,2}(?:id|nr|no|num|number)?\b"
    r"[ .:#=]{1,3}(?P<id>[A-Z]{0,4}[ -]?\d[\d-]{3,}\d)\b",
    re.IGNORECASE,
)
CARET_NAME = re.compile(r"[^\W\d_][\w'’ .-]{1,64}\^[^\W\d_][\w'’ .^-]*")
NAME_LINE = re.compile(r"[A-Z][A-Za-z'. -]{2,}\^[A-Z][A-Za-z'. ^-]{2,}")
"""A name as a line of its own among bytes of which nobody knows what they are."""
OLD_AGE = re.compile(
    r"(?<![\w.])0?(?:9[1-9]|1[0-4]\d)(?:[ -]?(?:years?\b|yrs?\b|y/o|y\.?o\b|(?:fe)?male\b)"
    r"|y(?![^\W_])|(?-i:(?<=9\d) ?[MF])(?![^\W_]))"
    r"|\b(?:aged?|alter)[:= ]{0,2}0?(?:9[1-9]|1[0-4]\d)(?![^\W_])"
    r"|(?<![^\W_])(?-i:[MF])/?9[1-9](?![^\W_]|[.,]\d)",
    re.IGNORECASE,
)
"""Somebody who is over 90; 90 is what stands for every age over 89."""
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero gennaio",
            "feb february februar février febrero",
            "mar march märz mars marzo mrz",
            "apr april avril abril",
            "may mai mayo maggio",
            "jun june juni juin junio",
            "jul july juli juillet julio",
            "aug august août agosto",
            "sep sept september septembre",
            "oct october oktober okt octobre",
            "nov november novembre",
            "dec december dezember dez décembre",
        ),
        1,
    )
    for name in names.split()
}
_NUMERIC_DATE = re.compile(
    r"(?<![\d.])(?:(\d{4})([-./ ]| [-./] )(\d{1,2})\2(\d{1,2})"
    r"|(\d{1,2})([-./ ]| [-./] )(\d{1,2})\6(?: ?(?=\d{4}))?(\d{4}|\d{2}))(?!\d)"
)
_LIKE_VERSION = re.compile(
    r"(?<![\d.])(?<!\bvom )(?<!\bam )(?<!\bseit )(?<!\bdated )(?!\d\d([-.])\d\d\1)"
    r"\d{1,2}([-. ])\d{1,2}\2\d{2}(?![\d])|(?<!\d)\d{4}[-/]\d{3}(?!\d)"
)
"""2.3.12, or 2000/100; "vom 2.3.12" is a day."""
_WEEK_DATE = re.compile(r"(?<!\d)(\d{4})-?W(\d\d)-?([1-7])(?!\d)")
_DAY_OF_YEAR = re.compile(r"(?<![\d./-])((?:19|20)\d\d)[-/]([0-3]\d\d)(?![\d/-]|\.\d)")
_COMPACT_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])([0-3]\d)(?:\d{6})?(?!\d)")
_WORDED_DATE = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th)?[. -]{0,2}(?:of )?([^\W\d_]{3,9})[. ,-]{0,2}"
    r"(\d{4}|\d{2})(?!\d)"
    r"|\b([^\W\d_]{3,9})[. -]{1,2}(\d{1,2})(?:st|nd|rd|th)?,? {0,2}[-]?(\d{4})(?!\d)"
)


_EASTERN_DATE = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2})")
_NAMES_OF_MONTHS = "|".join(sorted((one for one in _MONTHS if len(one) > 2), key=len)[::-1])
_MONTH_AND_YEAR = re.compile(
    r"(?<![^\W_])(?<!\d[ ,./_-])(?<!\d[.,] )(?<!\d(?:st|nd|rd|th) )"
    rf"(?P<name>{_NAMES_OF_MONTHS})[ ./-]{{1,2}}"
    r"(?P<year>(?:19|20)\d\d)(?!\d)"
    r"|(?<![\d./-])(?P<month>0[1-9]|1[0-2])/(?P<year2>(?:19|20)\d\d)(?![\d/.-])",
    re.IGNORECASE,
)
_DAY_AND_MONTH = re.compile(r"(?<![\w./-])(\d\d)/(\d\d)(?![\w./-])")
MISTER = re.compile(r"(?<![^\W_])(?:M[rs]\.?|M[RS]\.) ?([^\W\d_]+)")
"""An MR of the foot is no Mr. Foot."""
_LOGIN = 8
_LEAST_PART = 3
"""Letters of a piece between hyphens that is told for itself."""
_UNTOLD_WORDS = (
    "dr prof professor md phd mr mrs ms miss herr frau jr sr ii iii iv rn rt do facr med dipl ing "
    "mme mlle dra sra dott st saint san santa van von ten ter zum zur der "
    "den de la le du di da del dos the and und"
)
_UNTOLD = frozenset(_UNTOLD_WORDS.split())
TITLES = frozenset(
    (
        *("dr", "mrs", "miss", "prof", "herr", "frau", "name", "dra", "sra", "mme", "mlle"),
        *("dott", "fru", "frk", "mevr", "mevrouw", "dhr", "pani"),
    )
)


@lru_cache(maxsize=1 << 14)
def fold(text: str) -> str:
    """Return ``text`` in small letters without accents; separators stay."""
    if text.isascii():
        return _DIGRAPHS.sub("", _APOSTROPHES.sub("", text.lower()))
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_MARKS)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return _DIGRAPHS.sub("", _APOSTROPHES.sub("", plain))


def squeeze(text: str) -> str:
    """Return the folded letters and digits of ``text``, without what separates them."""
    return "".join(_WORD.findall(fold(text)))


def words_of(text: str) -> list[str]:
    """Return the folded words of ``text``, in order."""
    return _WORD.findall(fold(text))


def told_words(component: str) -> list[str]:
    """Return the words of a name, without titles and what is only a part of one: Al-Mutairi."""
    hyphenated = [piece for word in component.split() if "-" in word for piece in word.split("-")]
    parts = {squeeze(piece) for piece in hyphenated if len(piece) < _LEAST_PART}
    return [word for word in words_of(component) if word not in _UNTOLD | parts]


def logins(components: list[list[str]]) -> set[str]:
    """Return what computers of eight letters call somebody with a longer family name."""
    family = "".join(components[0]) if components else ""
    first = next((words[0] for words in components[1:] if words), "")
    if len(family) < _LOGIN or not (family + first).isalpha() or not first:
        return set()
    return {first[0] + family[: _LOGIN - 1], family[: _LOGIN - 1] + first[0]}


def parts_of(text: str) -> list[str]:
    """Return the folded words of ``text``, also cut where case or digits change."""
    return _WORD.findall(fold(_SEAM.sub(" ", text)))


def windows(words: list[str]) -> set[str]:
    """Return every run of up to five neighbouring words, written together."""
    found = set(words)
    for start in range(len(words)):
        joined = words[start]
        for word in words[start + 1 : start + _LONGEST_WINDOW]:
            joined += word
            found.add(joined)
    return found


def spelt_in(text: str) -> set[str]:
    """Return every word of 4 to 7 letters that may stand there letter by letter (S m i t h)."""
    spelt = [squeeze(match[0]) for match in _SPELT.finditer(fold(text))]
    return {
        letters[start : start + size]
        for letters in spelt
        for size in range(4, 8)
        for start in range(len(letters) - size + 1)
    }


def is_row_of_letters(word: str, words: list[str]) -> bool:
    """Return whether neighbours make a word only letter by letter: the L/R of a knee, not Ng A."""
    pieces = [
        words[start:end]
        for start in range(len(words))
        for end in range(start + 2, min(start + len(word), len(words)) + 1)
    ]
    return all(len(run) == len(word) for run in pieces if "".join(run) == word)


def initials_in(text: str) -> set[str]:
    """Return the initials that stand in ``text`` with a point behind each letter."""
    return {squeeze(match[0]) for match in _INITIALS.finditer(text)}


def digit_runs(text: str) -> set[str]:
    """Return the numbers of ``text``, also read across the signs that group their digits."""
    found: set[str] = set()
    for match in _DIGIT_GROUPS.finditer(text):
        groups = re.findall(r"\d+", match.group())[:12]
        for run in windows(groups):
            found.add(run)
            found.add(run.lstrip("0"))
    return found


def dates_in(text: str) -> set[str]:
    """Return every date that ``text`` may mean, as ``YYYYMMDD``, in any common notation."""
    found: set[str] = set()
    for match in _COMPACT_DATE.finditer(text):
        _add(found, *match.groups())
    for match in _NUMERIC_DATE.finditer(text):
        year, _, month, day, first, _, second, last = match.groups()
        _add(found, year, month, day) if year else _add_either(found, first, second, last)
    for match in _EASTERN_DATE.finditer(text):
        _add(found, *match.groups())
    for match in _WEEK_DATE.finditer(text):
        with suppress(ValueError):
            day = datetime.date.fromisocalendar(*map(int, match.groups()))
            found.add(f"{day:%Y%m%d}")
    for year, number in _DAY_OF_YEAR.findall(text):
        day = datetime.date(int(year), 1, 1) + datetime.timedelta(days=int(number) - 1)
        found.add(f"{day:%Y%m%d}")
    for match in _WORDED_DATE.finditer(text):
        day, name, year, name2, day2, year2 = match.groups()
        month = _MONTHS.get((name or name2).lower()) or _MONTHS.get((name or name2).lower()[:3])
        if month:
            _add(found, year or year2, str(month), day or day2)
    return found


def dates_told(text: str) -> set[str]:
    """Return the dates of a text, without what may be a version or a row of numbers (2.3.12)."""
    return dates_in(_LIKE_VERSION.sub(" ", text))


def parts_of_dates(text: str) -> set[str]:
    """Return every month of a year (``YYYYMM``) and day of a month (``MMDD``) of ``text``."""
    found: set[str] = set()
    for match in _MONTH_AND_YEAR.finditer(text):
        month = match["month"] or f"{_MONTHS[match['name'].lower()]:02d}"
        found.add((match["year"] or match["year2"]) + month)
    for first, second in _DAY_AND_MONTH.findall(text):
        found |= {first + second, second + first}
    return found


def without_running_text(name: str) -> str:
    """Return a name with carets without the words in small letters before and behind it."""
    family, _, rest = name.partition("^")
    *before, last = family.split(" ")
    first, *behind = rest.split(" ")
    before = [*takewhile(lambda word: not word[:1].islower(), reversed(before))][::-1]
    behind = [*takewhile(lambda word: not word[:1].islower(), behind)]
    return f"{' '.join((*before, last))}^{' '.join((first, *behind))}"


def without_worded_dates(text: str) -> str:
    """Return ``text`` with a blank for each date with a month's name: May may be somebody."""
    if not any(char.isdigit() for char in text):
        return text
    return _WORDED_DATE.sub(lambda match: " " if dates_in(match.group()) else match.group(), text)


def is_ideographic(word: str) -> bool:
    """Return whether the word is in a script that puts no spaces between words."""
    return any("\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" for char in word)


def is_misread(text: str) -> bool:
    """Return whether lone Chinese signs among letters tell that bytes were read in a wrong set."""
    return _HAN.search(text) is not None and _TWO_HAN.search(text) is None


def lone_words(text: str) -> set[str]:
    """Return what stands alone: not in "S5_1" or "1.5", nor as what is left of a name, "*1"."""
    words = _BETWEEN.split(_DECIMAL.sub(" ", text))
    return {squeeze(word) for word in words if "*" not in word}


def _add(found: set[str], year: str, month: str, day: str) -> None:
    full = int(year)
    if len(year) == 2:
        full += 2000 if full < 50 else 1900
    try:
        found.add(f"{datetime.date(full, int(month), int(day)):%Y%m%d}")
    except ValueError:
        return


def _add_either(found: set[str], first: str, second: str, year: str) -> None:
    _add(found, year, first, second)
    _add(found, year, second, first)
