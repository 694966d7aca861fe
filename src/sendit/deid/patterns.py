"""Classes of text that identify whoever is meant: numbers, mails, addresses, web addresses.

Each class is one regular expression; what it takes is cut out whatever the headers say.  They
are strict on purpose: a description is full of numbers that mean something (``512x512``,
``TE 30/60/90``, ``1.5 mm``), and those stay.

Dates are left to ``dates_in_text``, known identifiers to ``text``.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date
from re import Match, Pattern

from sendit.deid.addresses import ADDRESS, is_address
from sendit.deid.folding import fold, plain_digits
from sendit.deid.given_names import find_by_given_names
from sendit.deid.labels import IS_PARTICLE, NUMBERS, PARTICLES, find_labelled
from sendit.deid.mails import find_mails
from sendit.deid.spans import Span
from sendit.deid.vocabulary import Vocabulary

_STANDARD_UIDS = "1.2.840.10008."
_OLDEST_AGE = 89

_URL = re.compile(
    r"(?:https?|ftp|file|dicom|wado|ldap|smb)://[^\s\\\"'<>*]+|\bwww\.[^\s\\\"'<>*]+"
    r"|(?<![\w.-])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|local|lan|internal"
    r"|hospital)\b(?:[:/][^\s\\*]*)?",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"(?<!\w)[A-Za-z]:[\\/](?:[^\\/\s*]+[\\/])*[^\\/\s*]*|\\\\[\w.-]+(?:\\[^\\\s*]+)+"
    r"|(?<![\w/)\]%])/(?:[\w.-]+/){2,}[\w.-]*"
)
_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_INSIDE_ADDRESS = re.compile(
    r"(?<![\d.])(?:192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}(?![\d.])"
)
"""Of a computer inside an institution; no version reads like it."""
_INSIDE_LINK = re.compile(
    r"(?:ftp|file|smb|dicom|wado|ldap)://|\\\\"
    r"|\w+://(?:(?:10|127|192\.168|172\.\d\d)\.[\d.]+|[\w-]+|[\w.-]+\.(?:local|lan|internal"
    r"|intra|intranet|hospital))(?:[:/?]|\Z)",
    re.IGNORECASE,
)
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])")
_UID = re.compile(r"(?<![\d.])[0-2](?:\.\d+){5,}(?![\d.]*\d)|(?<![\d.])[0-2]\.\d[\d.]{18,}\d")
_GUID = re.compile(
    r"\{?(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])\}?"
)
_DIGEST = re.compile(
    r"(?<![^\W_])(?=[a-f]*\d)(?=\d*[a-f])(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})"
    r"(?![^\W_])",
    re.IGNORECASE,
)
"""Of an id, without a key: whoever tries all ids knows whose it is."""

_PHONE_LABEL = (
    r"(?:tel(?:efon|ephone|\.)?|phone|ph|fax|mobile|mobil|cell|handy|pager|bleep|call"
    r"|tlf|tfn|gsm)"
)
_EXTENSION_LABEL = (
    r"(?:ext(?:ensi[oó]n)?|dect|durchwahl|pieper|toestel|busca|ramal|dahili|anknytning)"
)
_PHONE = re.compile(
    # +49 (0)711 123-456 and 0049 …
    r"(?<![^\W_])(?<!\+)(?:\+|00)[1-9]\d{0,2}[ ./()-]{0,3}(?:\(?\d{1,5}\)?[ ./-]{0,2}){2,5}\d"
    r"(?!\w|[.,]\d)"
    # (650) 723-4000, 650-723-4000, 650.723.4000, 1-800-555-0199
    r"|(?<![^\W_])(?<!\.)(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w.]\d|\d)"
    r"|(?<![^\W_])(?<![.-])\d{3}-\d{4}(?:-\d{2,4})?(?![\w-]|\.\d)"
    # 0711/1234567, 030 1234567, 01 42 34 56 78
    r"|(?<![^\W_])(?<!\.)0[1-9]\d{0,3}[ /-]\d{3,8}(?:[ -]\d{1,4}){0,2}(?![\w.])"
    r"|(?<![^\W_])(?<!\.)0\d{1,3}(?:[ .-]\d\d){4}(?![\w.])"
    # 8 (495) 555-01-23
    r"|(?<![\w.-])8[ -]?\(\d{3,5}\)[ -]?\d{1,3}(?:-\d\d){2}(?![\w.-])"
    # (11) 91234-5678, ☎ 22 712 33 44
    r"|\(\d\d\) ?9?\d{4}-\d{4}(?!\d)|[☎✆] ?\d[\d ()./-]{5,}\d"
    rf"|(?<![^\W_]){_EXTENSION_LABEL}[.:#]{{0,2}} ?\d{{4,5}}(?!\w|[.,/]\d)"
    rf"|(?<![^\W_]){_PHONE_LABEL}[.:#]?\s*[(+]?\d"
    rf"(?:(?! \d{{1,2}}[.,]\d{{1,2}}(?![\d.]))[\d ()./-]){{2,}}\d",
    re.IGNORECASE,
)
_SURELY_PHONE = re.compile(
    rf"\+|\(?\d{{3}}\)?[ .-]\d{{3}}[ .-]\d{{4}}|{_PHONE_LABEL}[.:#\s]", re.IGNORECASE
)
_LINK = re.compile(r"(?:https?|ftp|dicom)://[^\s\\\"'<>*]+|\bwww\.[^\s\\\"'<>*]+", re.IGNORECASE)
_NUMBER = re.compile(
    # social security numbers and their like, by country
    r"(?<![\w-])\d{3}[- ]\d{2}[- ]\d{4}(?![\w-])"
    r"|(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)"
    r"|(?<![\w.])\d{1,2}\.\d{3}\.\d{3}-[\dkK](?!\w)"
    r"|(?<!\w)756\.\d{4}\.\d{4}\.\d{2}(?!\w)"
    r"|(?<!\w)[12] ?\d{2} ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3}(?: ?\d{2})?(?!\w)"
    r"|(?<![\w.])\d{6}[-+A]\d{3}[\dA-Z](?!\w)"
    r"|(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"
    r"|(?<!\w)[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z](?!\w)"
    r"|(?<!\w)(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z](?!\w)"
    r"|(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"
    r"|(?<!\w)\d{17}[\dxX](?!\w)"
    r"|(?<![\w.])\d\d\.\d\d\.\d\d-\d{3}\.\d\d(?!\w)|(?<![\w.])\d\d[0156]\d[0-3]\d/\d{3,4}(?!\w)"
    r"|(?<!\w)[A-Z]{1,2}\d{6}\([\dA]\)"
    r"|(?<![\w.])\d{4} \d{5} \d(?![\w.])"
    r"|(?<!\w)\d\d ?[0-3]\d[01]\d{3} ?[A-Z] ?\d{3}(?!\w)"
    r"|(?<![\w.-])[0-3]\d[01]\d{3}-\d{5}(?![\w.-])"
    r"|(?<!\w)[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d"
    r"-?[AC-HJKMNP-RT-Y]{2}\d\d(?!\w)"
)
_GROUPS = re.compile(r"(?<![\w.])\d{3,4}(?:[ -]\d{3,4}){2,4}(?![\w.])")
_RUN = re.compile(r"(?<!\d)(?<!\d[.,])\d{7,}(?!\d)")
_LABELLED = re.compile(
    r"(?<!\w)(?:mrn|m\.r\.n\.|medical record(?: no| number)?|patient ?(?:id|no|nr|number)"
    r"|pat\.?-?(?:id|nr)"
    r"|pid|accession(?: no| number)?|acc(?:\.? ?no)?|acc#|acc\.|ssn|nhs(?: no| number)?"
    r"|fall-?nr|case ?(?:no|nr|number)"
    r"|visit ?(?:no|nr|number)|order ?(?:no|nr|number)|insurance ?(?:no|nr|number)"
    r"|policy ?(?:no|nr|number)|policy(?=[ :#]{1,3}[\w-]*\d{4})|(?:member|insurance) ?id"
    r"|(?:order|auftrag|fall)(?= ?[:#][ #]*\w*\d{4})"
    r"|chart ?(?:no|nr|number)|hosp(?:ital)? ?(?:no|nr|number|id)|id)\b"
    r"(?:[ .]*[:#=][ #]*|[ .]+(?=\w*\d))(?P<value>[A-Za-z]{0,4}[-/ ]?\w*\d[\w/-]*)"
    # the label is written like a part of the number
    r"|(?<![^\W_])(?:mrn|pid|ssn)\d[\d-]*(?![^\W_])"
    r"|(?<![^\W_])(?:acc|adm|ord|fall|case|visit|pat)-?\d{5,}(?![^\W_])",
    re.IGNORECASE,
)
_OF_PATIENT = re.compile(
    r"(?<![\w.-])(?P<value>\d{3}-\d{2}-\d{4})(?![\w.-])"
    r"|(?<!\w)(?:mrn|ssn|nhs|pid|acc(?:ession)?|pat(?:ient)?s?)[ .]{0,2}(?:id|nr|no|num(?:ber)?)?"
    r"\b[ .:#=]{1,3}[A-Z]{0,4}[ -]?\d[\d-]{3,}",
    re.IGNORECASE,
)
"""A number that no device has."""
_AGE = re.compile(
    # No age: the technetium of Tc-99m, 99m-Tc and ^99m^Technetium.
    r"(?<![^\W_])(?<![.^])(?<!tc[- ])(?!99m[-^ ]*tc)(?P<age>0?9\d|1[0-4]\d)"
    r"(?=[ -]*(?:y\.?o\b|y/o|yrs?\b|years?\b|jahre"
    r"|jährig|ans\b|años|anos\b|anni|jaar|år(?:ig)?\b|лет\b|года?\b|[歳才岁歲세살]"
    r"|(?-i:let)\b|-?letni|vuotta\b|vuotias|ya[şs](?:[ıi]nda)?\b|ετών|tuổi)"
    r"|Y(?![^\W_])|J(?![^\W_])| ?Y(?:$|[,;)]| ?/?[MF](?![^\W_])|\d{1,2}M)"
    r"|(?<!_9\d)(?<=9\d)(?: ?/ ?| )?[MF](?![^\W_])|(?<=_9\d)(?-i:[MF])(?![^\W_])"
    r"|(?<!_10\d)(?<=10\d)(?: ?/ ?| )?(?-i:[MF])(?![^\W_])"
    r"|[ -]*(?:female|male|woman|man)\b)"
    r"|(?<![^\W_])(?:age|aged|alter|edad|idade|leeftijd|wiek|[aå]lder|età|âge|yaş|ηλικία|возраст)"
    r"(?:[:= _]+|(?=\d))(?P<age2>0?9\d|1[0-4]\d)(?![^\W_])"
    r"|(?<![^\W_])(?-i:[MF])(?: ?/ ?|-)?(?P<age3>0?9\d|10\d)(?![^\W_]|[.,]\d)"
    r"|\b(?:female|male|woman|man)[ ,/]+(?P<age4>0?9\d|10\d)(?![^\W_]|[.,]\d)",
    re.IGNORECASE,
)

_CAP = r"[^\W\d_a-zß-ÿ](?:[^\W\d_]|['’-])*(?![^\W_])"
_TITLE_CASE = r"[^\W\d_a-zß-ÿ](?:['’][^\W\d_a-zß-ÿ])?[a-zß-ÿ](?:[^\W\d_]|['’-])*(?![^\W_])"
_LOUD_WORD = r"[^\W\d_a-zß-ÿ]{4,63}(?![^\W_])"
_INITIAL = r"(?:[^\W\d_a-zß-ÿ]\.? )?"
_PARTICLES = rf"(?:(?i:{PARTICLES}) )*"
_TITLED = re.compile(
    # Spectroscopy by PRESS or STEAM is nobody's wife.
    r"(?<![^\W_])(?!MRS (?:PRESS|STEAM|MEGA|CSI|SVS|EPSI|S?LASER|LCModel)\b)"
    rf"(?:(?i:dr|dra|drs|prof|mrs|miss|herrn?|frau|mme|mlle|monsieur|madame|señor|señora"
    rf"|sra|dott(?:\.?ssa)?|sig\.ra|docteur|doctor|fru|frk|fröken|mevr|mevrouw|dhr|pani"
    rf"|nurse|pfleger|schwester)|Mr|Ms|(?:Sr|Hr|Fr|Sig)(?=\.))(?:\.|\b)"
    rf"(?:\s?(?i:dr|prof|med|rer|nat)\.)*(?:\s+|(?<=\.)){_PARTICLES}"
    rf"(?P<name>(?:[^\W\d_a-zà-ÿ]\. ?)*{_CAP}"
    rf"(?:[ ]?[-,^_][ ]?{_CAP})?(?: (?:[^\W\d_a-zà-ÿ]\.? )?{_CAP})?)"
)
_SPECTROSCOPY = "MRS "
_NAMED = re.compile(
    rf"(?<!\w)(?i:patient(?:'s)? ?name|pat\.? ?name|name|technologist|tech|operator"
    rf"|radiologist|physician|referred by"
    rf"|ref(?:erring)? (?:by|dr|md|physician)|requested by|ordered by|performed by"
    rf"|reported by|dictated by|signed by|read by"
    rf"|scanned by|acquired by|entered by|operated by|given by|administered by|injected by"
    rf"|approved by|verified by|checked by|seen by|contoured by|measured by"
    rf"|referring|attending|ordering|requesting|interpreting|consultant|surgeon|oncologist"
    rf"|physicist|dosimetrist|reviewer|rt ?\(r\)(?: ?\(\w+\))*|contact|attn|mother|father|spouse"
    rf"|wife|husband|next of kin|nok|surname|mutter|vater|ehefrau|ehemann|angehörige"
    rf"|(?:zu|über|ueber|ein)weiser|hausarzt|untersucher|befunder|arzt|ärztin|mtra"
    rf"|médecin|manipulateur|opérateur|prescripteur|médico|medico|técnico|tecnico|mère|père"
    rf"|nachname|vorname|nom|prénom|apellido)(?:[ ]*[:=][ ]*|(?<=[bB][yY])[ ]+"
    rf"|(?<=BY)[ ]+){_PARTICLES}(?P<name>{_CAP}(?:[ ,^.'-]+{_PARTICLES}{_CAP}){{0,3}})"
)
_BY_ROLE = re.compile(
    rf"(?<!\w)(?i:technologist|technician|tech|mtra|operator|radiologist|physician|referrer|ref"
    rf"|reader|nurse)[.:]? (?P<name>(?:{_TITLE_CASE}|[^\W\d_a-zß-ÿ]\.?)(?:, | {_INITIAL})"
    rf"{_TITLE_CASE}|(?P<loud>{_LOUD_WORD} {_LOUD_WORD}))"
)
"""Two words written like a name behind what somebody does."""
_ALONE = re.compile(
    rf"(?<!\w)(?:[Aa]ttending (?P<name>{_TITLE_CASE}(?: {_INITIAL}{_TITLE_CASE})?)"
    rf"|(?:MTRA|(?:Zu|Über|Ueber|Ein)weiser|Befunder) {_PARTICLES}(?P<other>{_CAP}))"
)
"""One word is enough behind what else stands in no description."""

_LONG_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{5,63}+(?![^\W_])")
_CARET = re.compile(r"(?<![\w^])[^\W\d_][\w'’.-]{0,63}(?:\^+[^\W\d_][\w'’.-]{0,63})+(?![\w^])")


def find_patterns(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield a span for everything in the text that one of the classes takes."""
    text = plain_digits(text)
    if any(char.isdigit() for char in text):
        for pattern, rule, check in _WITH_DIGITS:
            for match in pattern.finditer(text):
                if check is None or check(match):
                    yield Span(*_where(match), rule)
        yield from find_ages(text)
    for pattern, rule in _WITHOUT_DIGITS:
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), rule)
    yield from find_mails(text, vocabulary)
    yield from find_told(text, vocabulary)
    if "^" in text:
        yield from _caret_names(text, vocabulary)


def find_persons(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield what has no place even in the name of a device or an institution.

    Mails, links, telephone numbers and addresses of computers that can be nothing else, names in
    PN form, UIDs, ages.
    """
    yield from find_mails(text, vocabulary)
    for match in _LINK.finditer(text):
        yield Span(match.start(), match.end(), "pattern:url")
    for match in _PHONE.finditer(text):
        if _SURELY_PHONE.match(match.group()):
            yield Span(match.start(), match.end(), "pattern:phone")
    for match in _INSIDE_ADDRESS.finditer(text):
        yield Span(match.start(), match.end(), "pattern:url")
    for match in _OF_PATIENT.finditer(text):
        yield Span(*_where(match), "pattern:number")
    if "^" in text:
        yield from _caret_names(text, vocabulary)
    for match in _UID.finditer(text):
        if _is_foreign_uid(match):
            yield Span(match.start(), match.end(), "pattern:uid")
    yield from find_ages(text)


def find_told(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield names behind a title, a label, what somebody does, or a given name, and once more."""
    spans = list(_told(text, vocabulary))
    yield from spans
    if spans:
        yield from _again(text, spans, vocabulary)


def _told(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    for pattern in (_TITLED, _NAMED):
        yield from _persons(text, pattern=pattern, vocabulary=vocabulary)
    yield from _by_role(text, vocabulary)
    yield from find_labelled(text, vocabulary)
    yield from find_by_given_names(text, vocabulary)


def _again(text: str, spans: list[Span], vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield the names of some spans where they stand in the text without anything that tells."""
    told = {
        word.casefold() for span in spans for word in _LONG_WORD.findall(text, span.start, span.end)
    }
    names = {word for word in told if not _is_word(fold(word).letters, vocabulary)}
    for match in _LONG_WORD.finditer(text) if names else ():
        if match.group().casefold() in names:
            yield Span(match.start(), match.end(), "pattern:name")


def _is_word(letters: str, vocabulary: Vocabulary) -> bool:
    return vocabulary.is_common(letters) or letters in vocabulary.eponyms


def has_inside_address(text: str) -> bool:
    """Return whether a text is, or leads to, a computer inside an institution."""
    return _INSIDE_ADDRESS.fullmatch(text) is not None or _INSIDE_LINK.match(text) is not None


def _caret_names(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield names as PN has them; a protocol (``head^brain routine``) has clinical words."""
    for match in _CARET.finditer(text):
        words = [fold(word).letters for word in re.findall(r"[^\W\d_]+", match.group())]
        if not any(vocabulary.is_common(word) for word in words):
            yield Span(match.start(), match.end(), "pattern:name")


def find_ages(text: str) -> Iterator[Span]:
    """Yield ages over 89, which become 90."""
    for match in _AGE.finditer(text):
        start, end = match.span(match.lastgroup or 0)
        if int(text[start:end]) > _OLDEST_AGE + 1:
            capped = f"{_OLDEST_AGE + 1:0{end - start}d}" if text[start] == "0" else "90"
            yield Span(start, end, "pattern:age", capped)


def _persons(text: str, *, pattern: Pattern[str], vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield the words behind a title or a label that are not clinical ones."""
    for match in pattern.finditer(text):
        start, end = match.span("name")
        for word in re.finditer(r"[^\W\d_][\w'’-]*", text[start:end]):
            letters = fold(word.group()).letters
            # A. is an initial, not the article.
            if IS_PARTICLE.fullmatch(word.group()):
                continue
            is_word = letters in vocabulary.clinical or letters in vocabulary.function
            if match.group().startswith(_SPECTROSCOPY):
                is_word = vocabulary.is_common(letters)
            if is_word and len(letters) > 1:
                break
            yield Span(start + word.start(), start + word.end(), "pattern:name")


def _by_role(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield words behind what somebody does, unless all are words of the language.

    In capitals one such word is enough to be no name.
    """
    for pattern in (_BY_ROLE, _ALONE):
        for match in pattern.finditer(text):
            name = match.lastgroup or "name"
            words = (fold(word).letters for word in match[name].split())
            common = [len(word) > 1 and vocabulary.is_common(word) for word in words]
            if not (any(common) if name == "loud" else all(common)):
                yield Span(*match.span(name), "pattern:name")


def _where(match: Match[str]) -> tuple[int, int]:
    return match.span("value") if match.groupdict().get("value") else match.span()


def _is_foreign_uid(match: Match[str]) -> bool:
    return not match.group().startswith(_STANDARD_UIDS)


def _is_host(match: Match[str]) -> bool:
    """Return whether four numbers are an address rather than a software version."""
    try:
        address = ipaddress.IPv4Address(match.group())
    except ValueError:
        return False
    # A version seldom has three parts of two digits; an address of a real net nearly always.
    return sum(part > 9 for part in address.packed) > 2 or (
        address.is_private and address.packed[0] in (10, 172, 192)
    )


def _is_phone(match: Match[str]) -> bool:
    number = match.group()
    digits = sum(char.isdigit() for char in number)
    if number[0].isalpha():
        # pH 7.35 and cell 1000 are no numbers to call.
        return digits > (2 if number[:3].casefold() in _SURE_LABELS else 4)
    # A range of values (100-1000) ends in zeros.
    return digits > 6 and not (len(number) == 8 and number.endswith("00"))


def _is_no_date(match: Match[str]) -> bool:
    digits = match.group()
    if len(digits) not in (8, 12, 14) or digits[:2] not in ("18", "19", "20"):
        return True
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return True
    return False


def _has_ten_digits(match: Match[str]) -> bool:
    """Return whether what begins like the number of a bank account has as many digits as one."""
    number = match.group()
    like_an_account = number[:2].isalpha() and number[2:4].isdigit() and len(number) > 15
    return not like_an_account or sum(char.isdigit() for char in number) > 9


def _is_odd_series(match: Match[str]) -> bool:
    """Return whether groups of digits are an id, not matrix sizes or b-values."""
    parts = [int(part) for part in re.split("[ -]", match.group())]
    return 2 * sum(part % 8 != 0 and part % 10 != 0 for part in parts) >= len(parts)


_SURE_LABEL_WORDS = "tel fax pho mob han pag ble ext tlf tfn gsm dec dur pie toe bus ram dah ank"
_SURE_LABELS = frozenset(_SURE_LABEL_WORDS.split())
"""What a label of a telephone begins with that means nothing else."""
_WITH_DIGITS: tuple[tuple[Pattern[str], str, Callable[[Match[str]], bool] | None], ...] = (
    (_UID, "pattern:uid", _is_foreign_uid),
    (_GUID, "pattern:uid", None),
    (_DIGEST, "pattern:digest", None),
    (_IP, "pattern:url", _is_host),
    (_MAC, "pattern:number", None),
    (_PHONE, "pattern:phone", _is_phone),
    (_NUMBER, "pattern:number", _has_ten_digits),
    (_GROUPS, "pattern:number", _is_odd_series),
    (_RUN, "pattern:number", _is_no_date),
    (_LABELLED, "pattern:number", None),
    (NUMBERS, "pattern:number", None),
    (ADDRESS, "pattern:address", is_address),
)
_WITHOUT_DIGITS = ((_URL, "pattern:url"), (_PATH, "pattern:url"))
