"""Invent people, places and texts for the planted corpus; nothing here is anybody's.

Hard names on purpose: short ones (Li, Ng), words of the language (May, Long), words of the
clinic (White, Brown, Head), double names, accents, other scripts.  The others are made of
syllables, so that no word list can know them.
"""

import random
import unicodedata
from dataclasses import dataclass, field
from datetime import date, timedelta

HARD_FAMILIES = (
    *("Li", "Ng", "May", "White", "Long", "Brown", "Head", "Young", "Bell", "Baker", "Stern"),
    *("O'Brien", "Smith-Jones", "van der Berg", "de la Cruz", "D'Angelo", "Wu", "Ho", "Kim"),
)
ACCENTED = ("Müller", "Østergård", "Dvořák", "García López", "Łukaszewicz", "Nguyễn", "Grünwald")
LATIN_1 = ("Müller", "Grünwald", "García López", "Björkqvist", "Bäckström", "Françoise")
JAPANESE = (("Yamada", "Tarou", "山田", "太郎"), ("Suzuki", "Hanako", "鈴木", "花子"))
CHINESE = (("Wang", "XiaoDong", "王", "小东"), ("Zhang", "Weiming", "张", "伟明"))
CLINICAL = frozenset(("White", "Long", "Brown", "Head", "Young", "May", "Bell", "Baker", "Stern"))
"""Names that stand for a word of the field wherever they stand alone."""

_GIVEN = ("Amalia", "Oskar", "Berenike", "Thaddeus", "Ilka", "Rosalind", "Kasimir", "Odette")
_ONSETS = ("br", "kl", "dv", "st", "gr", "m", "v", "l", "sh", "tr", "p", "w", "z", "f", "h")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("", "n", "r", "ck", "sk", "mp", "ld", "x")
_ENDINGS = ("wicz", "sson", "inger", "elli", "ovic", "mann", "quist", "eaux")
_STREETS = ("Kastanienweg", "Rue des Mimosas", "Larkspur Road", "Via Ginestra", "Hollow Lane")
_TOWNS = ("Wexcombe", "Tannheim", "Brivelle", "Okshaven", "Marrowby")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody; ``scripts`` are the ideographic family and given name, when there are some."""

    family: str = field(repr=False)
    given: str = field(repr=False)
    scripts: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def pn(self) -> str:
        """Return the name as a PN value."""
        plain = f"{self.family}^{self.given}"
        return plain if self.scripts is None else f"{plain}={self.scripts[0]}^{self.scripts[1]}"

    @property
    def is_clinical(self) -> bool:
        """Return whether the family name is also a word of the field."""
        return self.family in CLINICAL


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that identifies one patient's Study."""

    patient: Person
    others: tuple[Person, ...]
    """Referring doctor, technologist, mother: third persons."""
    patient_id: str
    accession_number: str
    birth_date: date
    study_date: date
    phone: str
    mail: str
    street: str
    town: str
    institution: str
    station: str
    serial: str


def invent_case(rng: random.Random, *, script: str = "latin") -> Case:
    """Return a case; ``script`` is ``ascii``, ``latin``, ``latin-1``, ``japanese``, ``chinese``."""
    patient = invent_person(rng, script=script)
    others = tuple(invent_person(rng, script="ascii", unlike=patient) for _ in range(3))
    birth = date(1930, 1, 1) + timedelta(days=rng.randrange(30_000))
    place = invent_word(rng)
    return Case(
        patient=patient,
        others=others,
        patient_id=_patient_id(rng),
        accession_number=f"A{rng.randrange(10**7, 10**8)}",
        birth_date=birth,
        study_date=date(2013, 1, 1) + timedelta(days=rng.randrange(3000)),
        phone=f"+49 {rng.randrange(200, 999)} {rng.randrange(10**6, 10**7)}",
        mail=f"{invent_word(rng).lower()}@{invent_word(rng).lower()}.example.org",
        street=f"{rng.choice(_STREETS)} {rng.randrange(2, 180)}",
        town=f"{rng.randrange(10_000, 99_999)} {rng.choice(_TOWNS)}",
        institution=f"{place} {rng.choice(('Hospital', 'Medical Center', 'Klinikum'))}",
        station=f"{place[:4].upper()}{rng.randrange(10, 99)}CT",
        serial=f"{rng.choice('HKM')}{rng.randrange(10**5, 10**6)}",
    )


def invent_person(rng: random.Random, *, script: str, unlike: Person | None = None) -> Person:
    """Return a person whose family name is not that of ``unlike``."""
    if script in ("japanese", "chinese"):
        rows = JAPANESE if script == "japanese" else CHINESE
        family, given, ideographs, own = rng.choice(rows)
        return Person(family, given, (ideographs, own))
    pool = {"latin": (*HARD_FAMILIES, *ACCENTED), "latin-1": LATIN_1}.get(script, HARD_FAMILIES)
    while True:
        hard = rng.random() < 0.5 or script == "latin-1"
        family = rng.choice(pool) if hard else invent_word(rng)
        given = rng.choice(_GIVEN) if rng.random() < 0.5 else invent_word(rng)
        if unlike is None or (family, given) not in (
            (unlike.family, given),
            (family, unlike.given),
        ):
            return Person(family, given)


def invent_word(rng: random.Random) -> str:
    """Return a word that is in no list, in capitals and small letters, of 7 letters or more."""
    syllables = "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(2)
    )
    return (syllables + rng.choice(_ENDINGS)).capitalize()


def plain(name: str) -> str:
    """Return a name as a system without accents writes it."""
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _patient_id(rng: random.Random) -> str:
    return rng.choice(
        (
            "1",
            "512",
            f"{rng.randrange(10**3, 10**4)}",
            f"MRN{rng.randrange(10**6, 10**7)}",
            f"{rng.randrange(10**6, 10**8):08}",
            f"00{rng.randrange(10**5, 10**6)}",
            f"{rng.choice('ABX')}{rng.randrange(10**4, 10**5)}-{rng.randrange(10)}",
        )
    )
