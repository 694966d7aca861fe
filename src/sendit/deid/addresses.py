"""Postal addresses, as they are written in a dozen countries: one regular expression.

Strict on purpose: *3D OSEM Dr. …* and *1500 MS* are no addresses.  Addresses that headers know are
found by ``finding``, however they are written.
"""

import re
from re import Match

from sendit.deid.folding import fold
from sendit.deid.vocabulary import load_vocabulary

_CAP = r"[^\W\d_a-zß-ÿ](?:[^\W\d_]|['’-])*(?![^\W_])"
_EASTERN, _LETTER = r"(?![\x00-ÿ])", r"[^\W\d_]"
"""A class of all letters of one script would take a tenth of the start of a short command."""
_STREET = (
    r"(?:street|avenue|road|boulevard|blvd|lane|drive|court|place|square|terrace|highway"
    r"|hwy|parkway|pkwy"
    r"|crescent|way|st|ave|rd|ln|dr|ct|pl|sq)"
)
ADDRESS = re.compile(
    rf"(?<![\w.])\d{{1,5}}[A-Za-z]?,? (?:[NSEW]\.? )?(?P<words>(?:{_CAP} ){{1,3}})"
    rf"(?P<kind>(?i:{_STREET}))\b\.?"
    r"(?:,? (?i:apt|suite|ste|unit|floor|#)\.? ?\w+)?"
    rf"(?:,? {_CAP}(?: {_CAP})?,? [A-Z]{{2}}(?![^\W_])(?: \d{{5}}(?:-\d{{4}})?)?)?"
    r"|(?<!\w)(?i:p\.? ?o\.? box|postfach|boîte postale|apartado) ?\d+"
    r"|(?<![\w.-])[\w.-]+(?i:stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|straat|laan|gatan"
    r"|vägen|gade|vej)"
    r"\.? \d{1,4} ?[A-Za-z]?(?!\w)(?:,? (?:[A-Z]{1,3}-)?\d{4,5} [^\W\d_][\w-]+)?"
    rf"|(?<!\w)(?:\d{{1,4}},? ?(?:bis,? )?)(?i:rue|avenue|boulevard|place|chemin|allée"
    rf"|quai|impasse|via|viale|corso|piazza)"
    rf" (?:(?i:de|du|des|la|le|les|l'|d'|del|della|di) ?)*{_CAP}(?: {_CAP}){{0,2}}"
    rf"|(?<!\w)(?i:calle|avenida|plaza|paseo|rua|via|viale|corso|piazza) (?:(?i:de|del|la"
    rf"|los|las|da|das|do|dos|di|della) )*"
    rf"{_CAP}(?: {_CAP}){{0,2}},? (?:n[º°o.]* ?)?\d{{1,4}}"
    r"|(?<!\w)[A-Z][a-z]+(?: [A-Z][a-z]+)?,? (?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]"
    r"|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]"
    r"|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) \d{5}(?:-\d{4})?(?!\d)"
    r"|(?<![\w.])\d{5}-\d{4}(?![\w-])"
    r"|(?<![^\W_])(?i:room|zimmer|zi\.|kamer|habitaci[oó]n)(?i: n[ro°º]\.?)? ?\d{4}"
    r"(?!\w|[.,]\d)"
    r"|(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?!\w)"
    r"|(?<!\w)[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d(?!\w)"
    r"|(?<!\w)(?:D|CH|A|F|NL|B)-\d{4,5}(?: [^\W\d_][\w-]+)?(?!\w)"
    # ул. Садовая, д. 5; ul. Polna 10
    r"|(?<![^\W_])(?:ул|наб|вул)\. ?[А-ЯҐЄІЇ][\w-]+,? (?:д\. ?)?\d{1,4}(?!\w)"
    r"(?:,? (?:корп|кв|стр|оф)\. ?\d{1,4})*"
    r"|(?<![^\W_])(?i:ul)\. (?P<street>[^\W\d_a-z]\w+)(?: [^\W\d_][\w-]+)? \d{1,4}[A-Za-z]?(?!\w)"
    # 1017 GP Amsterdam, but 1500 MS
    r"|(?<![\w.])[1-9]\d{3} (?!CT|MR|MS|TR|TE|TI|PT|NM|US|XA|HU|KV|MA|ML|MM|SN)[A-Z]{2}"
    r" (?P<town>[A-Z][a-z]{3,})(?:[ -][A-Z][a-z]+)?(?!\w)"
    r"|(?<![\w.])\d{2,5} (?:[NSEW]{1,2}\.? )?\d{1,3}(?:st|[nr]d|th)"
    r" (?i:street|avenue|ave|st|road|rd|blvd)\b\.?(?:,? (?i:apt|suite|ste|unit|#)\.? ?\w+)?"
    # 75002 Paris, but 12000 Counts and 00512 Scout
    r"|(?<![\w.,-])(?!\d{3}00)\d{5} (?P<place>[^\W\d_a-zß-ÿ][a-zß-ÿ]{3,63}+)(?!\w)"
    # by province, district and street
    rf"|{_EASTERN}{_LETTER}{{2,9}}[시도] (?:{_LETTER}{{1,9}}[구군시] )?"
    r"[^\W_]{1,20}(?:로|길|동) ?\d+"
    rf"|{_EASTERN}{_LETTER}{{2,3}}[都道府県]{_LETTER}{{1,9}}[市区町村]{_LETTER}{{0,20}}"
    r"\d+(?:[-丁番]\d+){0,3}"
    rf"|{_EASTERN}{_LETTER}{{2,9}}[省市]{_LETTER}{{1,9}}[区县路街]{_LETTER}{{0,9}}\d+号"
)
_LIKE_TERMS = frozenset(("ct", "dr", "ln", "pl", "sq"))
"""64 Slice CT, 3 Mediastinal LN; in capitals ST is the thickness of a slice, too."""
_COUNTED = re.compile(
    r"[1-4]D\b|\d+ (?:days?|weeks?|months?|years?|views?|phases?|frames?|min|sec)\b", re.IGNORECASE
)


def is_address(match: Match[str]) -> bool:
    """Return whether a street is meant, not "64 Slice CT", or a town, not "1500 AP Thorax"."""
    if name := match["town"] or match["street"] or match["place"]:
        return not load_vocabulary().is_common(fold(name).letters)
    if _COUNTED.match(match.group()):
        return False
    kind = match["kind"] or ""
    return (kind.casefold() not in _LIKE_TERMS and kind != "ST") or _names_a_street(match)


def _names_a_street(match: Match[str]) -> bool:
    """Return whether what may be a court or a drive, or a CT, is called like a street."""
    vocabulary = load_vocabulary()
    words = [fold(word).letters for word in match["words"].split()]
    terms = vocabulary.clinical | vocabulary.units | vocabulary.eponyms.keys()
    return terms.isdisjoint(words) and not all(map(vocabulary.is_common, words))
