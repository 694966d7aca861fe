"""Pseudonyms from a service that speaks the DASHER protocol.

Stanford's own, or the one that ``sendit identity serve`` runs for other programs.  One
request names every patient of the batch with the studies of each; whatever is wrong with
the answer stops the batch, since an image without its patient's new names cannot go on.
The service's own days count: what it moved a timestamp by is what every date moves by.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, Field, Strict
from pydantic_core import PydanticCustomError

from sendit.deid.identities import Identities, Identity, normal_id
from sendit.errors import IdentityError
from sendit.identity.answers import Row, identities
from sendit.identity.base import IdentityContext, IdentityRequest, PatientRequest
from sendit.identity.broker_file import LocalPath
from sendit.identity.dasher_client import Client
from sendit.identity.dasher_messages import (
    Answered,
    Entity,
    Json,
    Thing,
    body,
    calls,
    read_answer,
)
from sendit.identity.http_json import Line, ServiceUrl
from sendit.identity.timestamps import day_of, midnight
from sendit.identity.zones import Zone, zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

_ENTITY_ID = re.compile(r"[A-Za-z0-9_-]+")
_STUDY = re.compile(r"[a-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = {"patient": 64, "study": 16}
"""What Patient ID (VR LO) and Accession Number (VR SH) can hold."""
_MAX_DAYS = 36525


def _study(name: str) -> str:
    if not _STUDY.fullmatch(name.lower()):
        raise PydanticCustomError("study", "is not a name; allowed: letters, digits, _ and -")
    return name.lower()


class RestOptions(BaseModel, extra="forbid", frozen=True):
    """Options of ``kind = "rest"``."""

    url: ServiceUrl
    """Where the service is, up to the version: `https://HOST/identifiers/api`."""
    study: Annotated[str, AfterValidator(_study)] | None = None
    """Under which name the service knows the study; the project's unless given."""
    entity_source: Annotated[str, Field(min_length=1)] = "Stanford MRN"
    """What the service calls the source of patients' ids."""
    item_source: Annotated[str, Field(min_length=1)] = "DCM Accession #"
    """What the service calls the source of studies' numbers."""
    secrets_file: LocalPath
    """JSON file with `accessToken`, `refreshToken`, `client_id`, `token_uri`; only its owner
    may be able to read it, and sendit replaces the tokens in it."""
    max_items: Annotated[int, Strict(), Field(ge=1, le=1000)] = 950
    """Studies in one call."""
    remove_hyphens: Annotated[bool, Strict()] = True
    """Send patients' ids without hyphens, as the original sendit did."""
    zone: Zone | None = None
    """Time zone in which the service's timestamps are read; as they are written unless given."""
    timeout: Annotated[int, Strict(), Field(ge=1, le=50)] = 20
    """Seconds without an answer after which a call is given up."""
    ca_file: LocalPath | None = None
    """Certificates to trust, instead of the system's."""


@dataclass(slots=True)
class _Asked:
    """One entity as it is sent, and what of the batch it stands for."""

    thing: Thing
    items: dict[str, Thing] = field(default_factory=dict, repr=False)
    """By the form in which two spellings of an item are the same."""


class Rest:
    """Asks a service of the DASHER protocol."""

    options_model: ClassVar[type[BaseModel]] = RestOptions

    def __init__(
        self, options: RestOptions, context: IdentityContext, *, client: Client | None = None
    ) -> None:
        self._options = options
        self._context = context
        self._zone: tzinfo | None = zone_of(options.zone) if options.zone else None
        self._client = client or Client(
            url=f"{options.url}/v1/uid/{options.study or context.project}",
            secrets_file=options.secrets_file,
            line=Line(options.timeout, options.ca_file),
            progress=context.progress,
        )

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient, or for none.

        Raises
        ------
        sendit.errors.IdentityError
            When an id cannot be asked about, or the answer cannot be used.
        sendit.errors.IdentityUnavailable
            When there was none.
        """
        asked = self._asked(request)
        entities = [Entity(one.thing, tuple(one.items.values())) for one in asked.values()]
        answered: dict[tuple[str, str], Answered] = {}
        for call in calls(entities, max_items=self._options.max_items):
            read_answer(self._client.ask(body(call)), call, answered)
        named = {
            key: self._names(one, answered[one.thing.source, one.thing.id])
            for key, one in asked.items()
        }
        _refuse_shared(named)
        return identities(self._rows(request, named), self._context)

    def probe(self) -> None:
        """Ask about nobody, under the study that keeps nothing.

        Raises
        ------
        sendit.errors.IdentityError
            When the service does not answer, or not this client.
        """
        test = f"{self._options.url}/v1/uid/test"
        thing = Thing("sendit-check", self._options.entity_source, midnight("20000101"))
        item = Thing("sendit-check-1", self._options.item_source, midnight("20000102"))
        call = [Entity(thing, (item,))]
        client = Client(test, self._options.secrets_file, self._client.line, pauses=())
        read_answer(client.ask(body(call)), call, {})

    def _asked(self, request: IdentityRequest) -> dict[str, _Asked]:
        """Return the entities of a batch by what all spellings of one patient share."""
        asked: dict[str, _Asked] = {}
        for patient in request.patients:
            one = asked.setdefault(self._key(patient), _Asked(self._thing(patient)))
            for study in patient.studies:
                key = self._context.matching.item(study.item)
                if not key or not study.item.isprintable() or len(study.item) > 64:
                    raise IdentityError(
                        "The item number of a study cannot be asked about: it is empty, too long, "
                        "or holds a character that cannot be printed. Mend the files."
                    )
                thing = Thing(
                    " ".join(study.item.split()),
                    self._options.item_source,
                    midnight(study.item_date),
                )
                one.items.setdefault(key, thing)
        return asked

    def _key(self, patient: PatientRequest) -> str:
        return self._context.matching.patient(self._sent(patient), patient.issuer)

    def _sent(self, patient: PatientRequest) -> str:
        spelling = self._context.matching.spelling(patient.patient_id)
        return spelling.replace("-", "") if self._options.remove_hyphens else spelling

    def _thing(self, patient: PatientRequest) -> Thing:
        sent = self._sent(patient)
        if not _ENTITY_ID.fullmatch(sent):
            raise IdentityError(
                "A patient's id holds other characters than the service knows (letters, digits, "
                "_ and -). Mend the files, or name another identity.entity_field in the project."
            )
        source = self._options.entity_source
        if self._context.matching.by_issuer and patient.issuer:
            source = " ".join(patient.issuer.split())
        return Thing(sent, source, midnight(patient.birth_date))

    def _names(self, asked: _Asked, answered: Answered) -> Mapping[str, Identity]:
        """Return the identity of each item of one patient."""
        patient = _name(answered.entity, asked.thing, what="patient")
        days = self._days(answered.entity, asked.thing)
        names = {}
        for key, item in asked.items.items():
            answer = answered.items[item.source, item.id]
            own = self._days(answer, item)
            if days is not None and own is not None and own != days:
                raise IdentityError(
                    "The identity service moves a patient and a study of the same patient by "
                    "different days. Tell whoever runs it; nothing was released."
                )
            shift = days if own is None else own
            if shift is None:
                raise IdentityError(
                    "The identity service does not say by how many days dates move. "
                    "Tell whoever runs it; nothing was released."
                )
            names[key] = Identity(patient, _name(answer, item, what="study"), shift)
        if len({one.study_pseudonym for one in names.values()}) != len(names):
            raise IdentityError(
                "The identity service gave two studies of a patient one name. "
                "Tell whoever runs it; nothing was released."
            )
        return names

    def _days(self, answer: Json, thing: Thing) -> int | None:
        """Return the days of one answer, None when it says none.

        Raises
        ------
        sendit.errors.IdentityError
            When they are 0 or no number, or contradict the answer's own timestamp.
        """
        jitter = answer.get("jitter")
        found = set() if jitter is None else {jitter}
        timestamp = answer.get("jittered_timestamp")
        if thing.timestamp and timestamp is not None:
            try:
                day = day_of(str(timestamp), zone=self._zone)
            except (ValueError, OverflowError):
                raise IdentityError(
                    "The identity service answered with a timestamp that is none."
                ) from None
            found.add((day - day_of(thing.timestamp, zone=None)).days)
        if not found:
            return None
        days = found.pop()
        if found:
            raise IdentityError(
                "The identity service's jitter and jittered_timestamp contradict each other; "
                "identity.zone may have to be set. Nothing was released."
            )
        if type(days) is not int or not 0 < abs(days) <= _MAX_DAYS:
            raise IdentityError(
                "The identity service moves dates by 0 days, or by what is no number of days, so "
                "they would leave as they are. Tell whoever runs it; nothing was released."
            )
        return days

    def _rows(
        self, request: IdentityRequest, named: Mapping[str, Mapping[str, Identity]]
    ) -> Iterator[Row]:
        for patient in request.patients:
            names = named[self._key(patient)]
            for study in patient.studies:
                yield patient, study, names[self._context.matching.item(study.item)]


def _name(answer: Json, thing: Thing, *, what: str) -> str:
    """Return the new name that an answer gives."""
    suid = answer.get("suid")
    longest = _LONGEST[what]
    if not isinstance(suid, str) or len(suid) > longest or not _NAME.fullmatch(suid):
        raise IdentityError(
            f"The identity service gave a {what} no name, or one that is not 1 to {longest} of "
            "A-Z a-z 0-9 . _ -. Tell whoever runs it; nothing was released."
        )
    if normal_id(suid) == normal_id(thing.id):
        raise IdentityError(
            f"The identity service gave a {what} the original id as its new name. "
            "Tell whoever runs it; nothing was released."
        )
    return suid


def _refuse_shared(named: Mapping[str, Mapping[str, Identity]]) -> None:
    """Return if no two patients, or studies of two patients, have one name."""
    patients: Sequence[str] = [
        next(iter(names.values())).patient_pseudonym for names in named.values() if names
    ]
    studies = [one.study_pseudonym for names in named.values() for one in names.values()]
    if len(set(patients)) != len(patients) or len(set(studies)) != len(studies):
        raise IdentityError(
            "The identity service gave two patients, or a study of each, one name. "
            "Tell whoever runs it; nothing was released."
        )
