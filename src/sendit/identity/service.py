"""What the service of the protocol understands and answers; the way there is the server's.

Four shapes: look up or name (``uid``), only look up (``mrn``), the token exchange, and a
refusal, which says what is wrong and where, never with a value.
"""

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from http import HTTPStatus

from sendit.errors import IdentityError
from sendit.identity.allocation import Asked, AskedPatient, Digests
from sendit.identity.store import Custom, KnownItem, KnownPatient
from sendit.identity.timestamps import moved, wall_clock

MAX_ITEMS = 1000
"""Of one entity."""
TEST = "test"
"""The study that keeps nothing."""
_ENTITY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST = {"id": 64, "id_source": 64}
_TEST_DAYS = 365

Json = dict[str, object]


class RequestRefused(IdentityError):
    """The service does not carry out a request; ``status`` says why in HTTP's words."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_request(document: object, *, digests: Digests) -> Sequence[AskedPatient]:
    """Return who is asked about.

    Raises
    ------
    RequestRefused
        With 400, or 413 when an entity has too many items; names the place.
    """
    entities = document.get("identifiers") if isinstance(document, dict) else None
    if not isinstance(entities, list):
        raise _bad("identifiers", "is missing, or not a list")
    asked = [
        _read_entity(entity, f"identifiers[{number}]") for number, entity in enumerate(entities)
    ]
    _refuse_doubles([digests.patient(one.patient) for one in asked], "identifiers")
    for number, one in enumerate(asked):
        _refuse_doubles(map(digests.item, one.items), f"identifiers[{number}].items")
    return asked


def answer(
    asked: Sequence[AskedPatient],
    known: Sequence[KnownPatient | None],
    *,
    digests: Digests,
    zone: tzinfo,
) -> Json:
    """Return the document that answers; who is not known comes back without new values."""
    return {
        "results": [
            _entity(one, found, digests, zone) for one, found in zip(asked, known, strict=True)
        ]
    }


@dataclass(frozen=True, slots=True)
class TestNames:
    """Answers of the study that keeps nothing: computed, so asked again they are the same."""

    key: bytes = field(repr=False)
    digests: Digests

    def of(self, asked: Sequence[AskedPatient]) -> Sequence[KnownPatient]:
        """Return everybody, in the order of the question."""
        return [self._patient(one) for one in asked]

    def _patient(self, one: AskedPatient) -> KnownPatient:
        digest = self.digests.patient(one.patient)
        number = int(self._name(digest), 16) % (2 * _TEST_DAYS)
        days = number - _TEST_DAYS
        return KnownPatient(
            number=0,
            suid=self._name(digest),
            shift_days=days + (days >= 0),
            custom=one.patient.custom,
            items={
                self.digests.item(item): KnownItem(
                    self._name(digest + self.digests.item(item)), item.custom
                )
                for item in one.items
            },
        )

    def _name(self, text: str) -> str:
        return hmac.digest(self.key, text.encode(), "sha256").hex()[:12]


def _read_entity(entity: object, at: str) -> AskedPatient:
    if not isinstance(entity, dict):
        raise _bad(at, "is not an object")
    patient = _read_thing(entity, at)
    if not _ENTITY_ID.fullmatch(patient.id):
        raise _bad(f"{at}.id", "is not 1 to 64 of A-Z a-z 0-9 _ -")
    items = entity.get("items")
    if not isinstance(items, list):
        raise _bad(f"{at}.items", "is missing, or not a list")
    if len(items) > MAX_ITEMS:
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{at}.items: has more than {MAX_ITEMS} items; send them in several requests.",
        )
    things = []
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise _bad(f"{at}.items[{number}]", "is not an object")
        things.append(_read_thing(item, f"{at}.items[{number}]"))
    return AskedPatient(patient, tuple(things))


def _read_thing(thing: Mapping[str, object], at: str) -> Asked:
    texts: dict[str, str] = {}
    for key, longest in _LONGEST.items():
        text = thing.get(key)
        if not isinstance(text, str) or not text.strip():
            raise _bad(f"{at}.{key}", "is missing, or no text")
        if len(text) > longest or not text.isprintable():
            raise _bad(f"{at}.{key}", f"is longer than {longest}, or cannot be printed")
        texts[key] = text.strip()
    return Asked(
        texts["id"],
        texts["id_source"],
        timestamp=_read_timestamp(thing, at),
        custom=dict(_read_custom(thing.get("custom_fields"), at)),
    )


def _read_timestamp(thing: Mapping[str, object], at: str) -> str:
    """Return the timestamp; the original client leaves it out when it knows no date."""
    timestamp = thing.get("id_timestamp")
    if timestamp is None:
        return ""
    try:
        if not isinstance(timestamp, str):
            raise ValueError("not a text")
        wall_clock(timestamp)
    except ValueError:
        raise _bad(f"{at}.id_timestamp", "is not YYYY-MM-DDTHH:MM:SSZ") from None
    return timestamp


def _read_custom(custom: object, at: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs: the list form, and the mapping of an old validator."""
    if custom is None:
        return
    pairs: list[object]
    if isinstance(custom, dict):
        pairs = [{"key": key, "value": value} for key, value in custom.items()]
    else:
        pairs = custom if isinstance(custom, list) else [None]
    for pair in pairs:
        key = pair.get("key") if isinstance(pair, dict) else None
        value = pair.get("value") if isinstance(pair, dict) else None
        if not isinstance(key, str) or not isinstance(value, str) or not key:
            raise _bad(f"{at}.custom_fields", "is not a list of objects with key and value, texts")
        yield key, value


def _refuse_doubles(digests: Iterator[str] | Sequence[str], at: str) -> None:
    seen: set[str] = set()
    for number, digest in enumerate(digests):
        if digest in seen:
            raise _bad(f"{at}[{number}]", "is there twice: the same source and id")
        seen.add(digest)


def _bad(at: str, problem: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.BAD_REQUEST, f"{at}: {problem}.")


def _entity(one: AskedPatient, found: KnownPatient | None, digests: Digests, zone: tzinfo) -> Json:
    items: list[Json] = []
    for item in one.items:
        known = found.items.get(digests.item(item)) if found else None
        items.append(_thing(item, known.suid if known else None, found, zone, known))
    return {
        **_thing(one.patient, found.suid if found else None, found, zone, found),
        "items": items,
    }


def _thing(
    asked: Asked,
    suid: str | None,
    patient: KnownPatient | None,
    zone: tzinfo,
    known: KnownPatient | KnownItem | None,
) -> Json:
    document: Json = {"id": asked.id, "id_source": asked.source}
    if suid is not None and patient is not None:
        document |= {"suid": suid, "jitter": patient.shift_days}
        if asked.timestamp:
            document["jittered_timestamp"] = _moved(asked.timestamp, patient.shift_days, zone)
    custom: Custom = known.custom if known is not None else {}
    if custom or asked.custom:
        document["custom_fields"] = [{"key": key, "value": value} for key, value in custom.items()]
    return document


def _moved(timestamp: str, days: int, zone: tzinfo) -> str:
    try:
        return moved(timestamp, days=days, zone=zone)
    except ValueError:
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST, "An id_timestamp is too near to an end of the calendar."
        ) from None
