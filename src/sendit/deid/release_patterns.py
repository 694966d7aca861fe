"""Texts that look like an identifier whatever they say: the gate's own patterns.

Each asks a little less than the rule of the engine that takes such a text out: what is left of it
must be a sure sign that the rule was not carried out.  Numbers, versions, dates and what names
a product look like identifiers, too; where those may stand is told by who asks.
"""

import datetime
import re
import tomllib
from functools import cache
from importlib.resources import files

from sendit.deid.release_vocabulary import is_common, is_thing, protects
from sendit.deid.release_words import (
    LABELLED_ID,
    LINK,
    MAIL,
    NATIONAL_ID,
    OLD_AGE,
    PHONE,
    fold,
    words_of,
)

_LABELS = tomllib.loads((files("sendit.deid") / "data" / "labels.toml").read_text("utf-8"))


def _labels(section: str) -> str:
    """Return a pattern for the labels of one list of the shared table."""
    return "|".join(re.escape(line) for line in _LABELS[section].splitlines() if line)


_SURE = {
    "pattern:age": OLD_AGE,
    "pattern:mail": MAIL,
    "pattern:url": LINK,
    "pattern:phone": PHONE,
    "pattern:national-id": NATIONAL_ID,
    "pattern:labelled-id": LABELLED_ID,
}
"""What counts everywhere."""
_HEX = "[0-9A-Fa-f]"
_NUMBERS = {
    "pattern:uid": re.compile(r"(?<![\d.])(?!1\.2\.840\.10008\.)[0-2](?:\.\d{1,39}){6,}(?![\d.])"),
    "pattern:guid": re.compile(rf"(?<!\w){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?!\w)"),
    "pattern:digest": re.compile(
        rf"(?<![^\W_])(?=\d*[A-Fa-f])(?=[A-Fa-f]*\d)(?:{_HEX}{{32}}|{_HEX}{{40}}|{_HEX}{{64}})(?![^\W_])"
    ),
    "pattern:host": re.compile(
        r"(?<![\d.])(?:192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}(?![\d.])"
        rf"|(?<![\w:-])(?:{_HEX}{{2}}[:-]){{5}}{_HEX}{{2}}(?![\w:-])"
    ),
    "pattern:phone": re.compile(
        r"(?<![\w.])0[1-9]\d{1,3}[/-]\d{4,8}(?![\w.-])|(?<![\w.])0\d(?: \d\d){4}(?![\w.])"
        r"|(?<![\w.-])\d{3}-\d{3}[1-9](?![\w.-])"
        r"|(?<![\w.-])8 ?\(\d{3}\) ?\d{3}-\d\d-\d\d(?![\w.-])"
        r"|\b(?:tel|fax|pager|phone|mobile)\b[.:#]? {0,2}\+?\d{4,}(?![.\d])",
        re.IGNORECASE,
    ),
    "pattern:number": re.compile(
        r"(?<![\w.])(?:\d{3}\.\d{3}\.\d{3}-\d{2}|756\.\d{4}\.\d{4}\.\d{2}|\d{6}[-+A]\d{3}[A-Z])(?!\w)"
        r"|(?<!\w)[A-Z]{2}\d{2}(?: ?\d{4}){3,7}(?: ?\d{1,3})?(?!\w)"
        r"|(?<!\w)[A-CEGHJ-PR-TW-Z]{2} \d{2} \d{2} \d{2} [A-D](?!\w)"
        r"|(?<!\w)\d{8}-?[A-HJ-NP-TV-Z](?!\w)"
        r"|(?<!\w)[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z](?!\w)"
        r"|(?<![\w.])\d{4} \d{3} \d{4}(?![\w.])"
    ),
    "pattern:labelled-id": re.compile(
        r"\b(?:mrn|pid|patient ?(?:id|no|nr)|accession(?: no)?|acc no|case no|visit no|order no)"
        r"(?: ?[:#=] ?| (?=\w*\d))[A-Z]{0,4}\d{2,}",
        re.IGNORECASE,
    ),
    "pattern:labelled-number": re.compile(
        rf"(?<![^\W_])(?:{_labels('numbers')})[.:]? \d{{4,}}(?![^\W_])", re.IGNORECASE
    ),
    "pattern:address": re.compile(
        r"(?<![\w.])\d{1,5},? (?:[A-Z][a-z]+ ){1,3}(?:Street|Avenue|Road|Boulevard|Lane|Drive)\b"
        r"|(?<![\w.-])[A-Z][a-zäöüß-]+(?:straße|strasse|gasse|allee) \d{1,4}(?!\w)"
        r"|(?<!\w)\d{1,4},? (?:bis,? )?(?:rue|avenue|boulevard) (?:de |du |des |la )*[A-Z][a-z]+"
        r"|(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?!\w)"
        r"|(?<![\w.])\d{2,5} (?:[NSEW] )?\d{1,3}(?:st|[nr]d|th) (?:Street|Avenue|Ave|St)\b"
        r"|(?<![^\W_])ул\. ?[А-Я][а-я]{2,}(?:, д\.)? \d{1,4}(?!\w)"
        r"|(?![\x00-ÿ])[^\W\d_]{2,9}[시도] [^\W\d_]{1,9}[구군시] [^\W\d_]{1,9}[로길] \d"
        r"|(?![\x00-ÿ])[^\W\d_]{2,3}[都道府県][^\W\d_]{1,9}[市区][^\W\d_]{1,9}\d+-\d"
    ),
}
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{7,}(?![\w.])")
_LONG_CODE = re.compile(r"\d{7}")
_HOST = re.compile(
    r"(?<![\w.-])(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|edu|gov|local|lan|internal|hospital)\b",
    re.IGNORECASE,
)
_MAIL_LEFT = re.compile(r"[\w.+-]+@\*")
"""A mail address of which only the server went."""
_MAIL_INSIDE = re.compile(r"(?<![\w.+'-])([a-z]{4}[\w+-]{1,63}+)@[a-z]{3,63}+(?![\w.'-])")
_TOWN = re.compile(r"(?<![\w.,-])(?!\d{3}00)\d{5} ([A-Z][a-zà-ÿ]{3,63}+)(?!\w)")
_PATH = re.compile(r"(?<!\w)[A-Za-z]:[\\/]\w+[\\/]\w|(?<![\w/)\]%*])/(?:[\w.-]{1,99}/){2,9}\w")
_INITIALS = r"(?:[A-Z]\. ?){0,2}"
_PERSON = re.compile(
    r"(?<!\w)(?:(?:Dr|Prof|Mrs|Miss|Herr|Frau|Mme|Attending)\.?|Sr\.) {1,2}"
    r"(?P<one>[A-Z][^\W\d_]{2,})"
    r"|\b(?:performed|reported|read|signed|referred|requested|ordered|dictated) by:? "
    rf"{_INITIALS}(?P<two>[A-Z][^\W\d_]{{2,}})"
    rf"|\b(?i:referring|attending|tech|operator|surgeon) ?[:=] ?{_INITIALS}"
    r"(?P<four>[A-Z][^\W\d_]{2,})"
    r"|\b(?i:patient(?:'s)?) ?(?i:name) ?[:=] ?(?P<three>[A-Z][^\W\d_]{2,})"
    rf"|(?<![^\W_])(?i:{_labels('persons')}) ?[:=] ?(?P<five>[A-Z][^\W\d_]{{2,}})"
    rf"|(?<![^\W_])(?!(?<=\d )cc )(?:{_labels('before')}) "
    r"(?!Mary Joseph)(?P<seven>[A-Z][a-z]{3,}(?![^\W_])"
    r"(?<!ia)(?<!i[st]is)(?<!ism)(?<!athy)(?<!rophy))"
    r"|(?<![^\W_])(?P<six>[A-Z][^\W\d_]{3,} [A-Z][^\W\d_]{3,}), M\.?D\b"
    r"|(?<![^\W_])(?<!-)(?P<eight>[A-Z][a-zà-ÿ]{5,}),? M\.?D\b"
)
_ANNOUNCED_DAY = re.compile(
    r"(?<![^\W_])(?:dob|dated?|born|geb|prior|vom|seit)[.:]? (?P<six>\d{6})(?![^\W_]|[.,]\d)"
    r"|(?<![^\W_])(?:dob|geb|vom|seit)[.:]? (?:[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\."
    r"(?![^\W_]| ?['’]?\d)",
    re.IGNORECASE,
)
_NAME = r"[A-Z][a-zà-ÿ]{2,63}+"
_PAIR = re.compile(
    rf"(?<![\w'’-])(?P<given>{_NAME})(?= (?P<family>{_NAME})(?![\w'’-])(?P<rest>[ \w'-]*))"
)
_CARET = re.compile(r"(?<![\w^])[^\W\d_][^\W_]{1,63}\^[^\W\d_][^\W_]{1,63}(?![\w^])")


def is_very_old(value: bytes) -> bool:
    """Return whether somebody is said to be over 90: ages above 89 are written as 090Y."""
    ages = (part.strip(b" \0") for part in value.split(b"\\"))
    return any(age[-1:] == b"Y" and age[:-1].isdigit() and int(age[:-1]) > 90 for age in ages)


def sure_pattern(text: str) -> str | None:
    """Return the rule of what identifies in any text; None if nothing does."""
    for rule, pattern in _SURE.items():
        if any(map(_is_no_day, pattern.finditer(text))):
            return rule
    return None


def pattern_in_code(text: str) -> str | None:
    """Return the rule of what no code string says; None if it may be one."""
    if _LONG_CODE.search(text):
        return "pattern:number"
    return sure_pattern(text)


def likely_pattern(text: str) -> str | None:
    """Return the rule of what identifies in a text that holds no number by right."""
    if any(char.isdigit() for char in text):
        for rule, pattern in _NUMBERS.items():
            if pattern.search(text):
                return rule
        if any(not _is_date(found[0]) for found in _LONG_NUMBER.finditer(text)):
            return "pattern:number"
    if _MAIL_LEFT.search(text):
        return "pattern:mail"
    if _HOST.search(text) or _PATH.search(text):
        return "pattern:url"
    for pattern, words, rule in _UNLESS_COMMON:
        for found in pattern.finditer(text):
            if not any(map(is_common, words(found))):
                return rule
    return "pattern:name" if _names_somebody(text) else None


def announced_day(text: str) -> str | None:
    """Return the rule of a day that only the word before it tells: "DOB 191127", "vom 27.11."."""
    days = (found["six"] for found in _ANNOUNCED_DAY.finditer(text))
    return "pattern:date" if any(six is None or _is_day_of_six(six) for six in days) else None


def _is_day_of_six(digits: str) -> bool:
    return any(_is_date(f"20{one}") for one in (digits, digits[4:] + digits[2:4] + digits[:2]))


def _told(found: re.Match[str]) -> list[str]:
    return words_of(found[found.lastindex or 0])


def _whole(found: re.Match[str]) -> list[str]:
    return words_of(found[0].replace("^", " "))


def _names_somebody(text: str) -> bool:
    """Return whether a given name stands before a word that is nobody else's."""
    for found in _PAIR.finditer(text):
        given, family = fold(found["given"]), fold(found["family"])
        if given in _given_names() and not (is_common(family) or is_thing(family)):
            words = [given, family, *words_of(found["rest"])]
            if not (protects(words, 1, text) or any(map(is_thing, words[2:5]))):
                return True
    return False


@cache
def _given_names() -> frozenset[str]:
    text = (files("sendit.deid") / "data" / "given_names.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(fold(name) for line in lines for name in line.split())


_UNLESS_COMMON = (
    (_PERSON, _told, "pattern:name"),
    (_CARET, _whole, "pattern:name"),
    (_MAIL_INSIDE, _told, "pattern:mail"),
    (_TOWN, _told, "pattern:address"),
)
"""What identifies unless a word of the language stands in it."""


def _is_no_day(found: re.Match[str]) -> bool:
    """Return whether what stands behind a label is no day: "patient 20240131" may have moved."""
    told = found.groupdict().get("id")
    return told is None or not _is_date(told)


def _is_date(digits: str) -> bool:
    """Return whether a number begins with a day; such a one may have been moved."""
    if len(digits) not in (8, 12, 14) or digits[:2] not in ("18", "19", "20"):
        return False
    try:
        datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return True
