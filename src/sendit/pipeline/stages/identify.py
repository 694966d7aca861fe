"""Identify: the identity service is asked once for all patients of the batch.

An answer that was kept is used again; without an answer the batch does not go on.  Files
without the attributes that a project names stop it (``on_missing = "stop"``), until a person
accepts it without them.  With ``derive`` those without a patient are rejected at once, since
a patient is never guessed, unless nothing would be left.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from django.db import transaction

from sendit.config.keys import require_open
from sendit.deid import Identities, Identity, KnownValue, normal_id, read_header
from sendit.deid.uids import NewUids
from sendit.errors import IdentityError
from sendit.identity import (
    IdentityRequest,
    PatientRequest,
    StudyRequest,
    complete_request,
    derive,
)
from sendit.pipeline import machine
from sendit.pipeline.machine import ACCEPTED, Event, NewFinding
from sendit.pipeline.work import Outcome, Work
from sendit.records import provider
from sendit.records.ledger import DatabaseLedger, keep_uids
from sendit.records.models import BatchIdentifiers, Finding, Image
from sendit.terms import Reason, Stage, Verdict

ITEM_DATES = ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate")
"""Where an item's time comes from: the first of these that is there."""
ISSUER = "IssuerOfPatientID"
HAND_IN_AGAIN = (
    '"sendit resolve {batch} --accept" goes on without the files that lack it. Or hand the folder '
    "in again, since a batch keeps the files and the rules it came with: "
    '"sendit resolve {batch} --reject" puts it back as NAME.err; drop that extension.'
)


def run(work: Work) -> Outcome:
    """Ask for the batch's identities and keep the answer."""
    if BatchIdentifiers.objects.filter(batch=work.batch_id).exists():
        return Outcome(Event.IDENTIFIED)
    identity = work.project.identity
    known: set[KnownValue] = set()
    asked = _asked(work, known)
    lacking = asked.lacking(item_too=identity.on_missing == "stop")
    others = sum(map(len, asked.numbers.values())) - len(lacking)
    if lacking and (_accepted_without(work) or (identity.on_missing == "derive" and others)):
        _leave_out(work, lacking)
        known.clear()
        asked = _asked(work, known)
    try:
        request = complete_request(
            asked.request,
            entity_field=identity.entity_field,
            item_field=identity.item_field,
            on_missing=identity.on_missing,
        )
    except IdentityError as error:
        raise IdentityError(f"{error} {HAND_IN_AGAIN.format(batch=work.batch_id)}") from None
    require_open(work.settings, identity.namespace)
    provider.require_same(work.project)
    service = work.project.identity_service(
        work.site_key, ledger=DatabaseLedger(), progress=work.progress
    )
    answers = service.identify(request).answers if request.patients else {}
    uids = _new_uids(work) if identity.keep_uids else {}
    with transaction.atomic():
        machine.renew(work.claim, now=work.now())
        provider.remember(work.project)
        keep_uids(identity.namespace, uids)
        BatchIdentifiers.objects.create(
            batch=work.batch,
            answers=[
                [*key, answer.patient_pseudonym, answer.study_pseudonym, answer.shift_days]
                for key, answer in sorted(answers.items())
            ],
            names=[list(value) for value in sorted(known)],
        )
    return Outcome(Event.IDENTIFIED)


def identities_of(work: Work) -> Identities:
    """Return the kept answer, with the key that makes new UIDs."""
    kept = BatchIdentifiers.objects.get(batch=work.batch_id)
    return Identities(
        answers={(row[0], row[1]): Identity(*row[2:]) for row in kept.answers},
        uid_key=_uid_key(work),
        entity_field=work.project.identity.entity_field,
        known=frozenset((tag, vr, text) for tag, vr, text in kept.names),
    )


def _new_uids(work: Work) -> dict[str, str]:
    """Return the original UIDs of studies, series and instances by the new ones (identifying)."""
    new = NewUids(_uid_key(work))
    uids: dict[str, str] = {}
    numbers = Image.objects.accepted().filter(batch=work.batch_id).values_list("nr", flat=True)
    for nr in numbers.order_by("nr"):
        header = read_header(work.workspace.original(work.batch_id, nr), fields=())
        for uid in (
            header.study_instance_uid,
            header.series_instance_uid,
            header.sop_instance_uid,
        ):
            uids[new.of(uid.encode()).decode()] = uid
        work.progress()
    return uids


def _uid_key(work: Work) -> bytes:
    return derive(work.site_key, namespace=work.project.identity.namespace, purpose="uid")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The request, and which images each Study of it has."""

    request: IdentityRequest = field(repr=False)
    numbers: Mapping[tuple[tuple[str, str], str], list[int]] = field(repr=False)
    """Numbers of images, by patient (with issuer) and Study."""

    def lacking(self, *, item_too: bool) -> list[int]:
        """Return the numbers of the images without a patient, or also without an item."""
        lacking = []
        for patient in self.request.patients:
            for study in patient.studies:
                named = normal_id(patient.patient_id) and (not item_too or normal_id(study.item))
                if not named:
                    key = ((patient.patient_id, patient.issuer), study.study_instance_uid)
                    lacking += self.numbers[key]
        return sorted(lacking)


def _accepted_without(work: Work) -> bool:
    """Say whether a person lets the batch go on without what stopped it here."""
    stopped = Finding.objects.filter(batch=work.batch_id, stage=Stage.IDENTIFY)
    return stopped.filter(code=IdentityError.code, resolved=ACCEPTED).exists()


def _leave_out(work: Work, numbers: Collection[int]) -> None:
    """Reject images that nobody can be named for."""
    images = list(Image.objects.accepted().filter(batch=work.batch_id, nr__in=numbers))
    resolved = ACCEPTED if _accepted_without(work) else ""
    identity = work.project.identity
    missing = identity.entity_field
    if identity.on_missing == "stop":
        missing += f" or {identity.item_field}"
    findings = [
        NewFinding(
            Reason.NO_IDENTITY,
            f"1 file has no {missing}; nothing of it was sent. Its original is kept until "
            "the batch is resolved.",
            Stage.IDENTIFY,
            file=image.source,
            image_id=image.pk,
            resolved=resolved,
        )
        for image in images
    ]
    if images:
        machine.set_aside(
            work.claim,
            [image.pk for image in images],
            Reason.NO_IDENTITY,
            verdict=Verdict.REJECTED,
            findings=findings,
            now=work.now(),
        )


def _asked(work: Work, known: set[KnownValue]) -> _Asked:
    """Return the request, and add what the headers say of persons to ``known``."""
    identity = work.project.identity
    of_study: dict[tuple[tuple[str, str], str], list[int]] = {}
    patients: dict[tuple[str, str], dict[str, StudyRequest]] = {}
    birth_dates: dict[tuple[str, str], str] = {}
    fields = (
        identity.entity_field,
        identity.item_field,
        "PatientBirthDate",
        ISSUER,
        *ITEM_DATES,
    )
    numbers = Image.objects.accepted().filter(batch=work.batch_id).values_list("nr", flat=True)
    for nr in numbers.order_by("nr"):
        original = work.workspace.original(work.batch_id, nr)
        header = read_header(original, fields=fields, knowledge=True)
        known |= header.known
        issuer = header.values[ISSUER] if identity.by_issuer else ""
        patient = (header.values[identity.entity_field], issuer)
        study = StudyRequest(
            study_instance_uid=header.study_instance_uid,
            item=header.values[identity.item_field],
            item_date=next((header.values[f] for f in ITEM_DATES if header.values[f]), ""),
        )
        of_study.setdefault((patient, study.study_instance_uid), []).append(nr)
        studies = patients.setdefault(patient, {})
        if not studies.setdefault(study.study_instance_uid, study).item:
            studies[study.study_instance_uid] = study
        birth_dates[patient] = birth_dates.get(patient) or header.values["PatientBirthDate"]
        work.progress()
    request = IdentityRequest(
        batch_key=str(work.batch_id),
        patients=tuple(
            PatientRequest(patient[0], birth_dates[patient], tuple(studies.values()), patient[1])
            for patient, studies in patients.items()
        ),
    )
    return _Asked(request, of_study)
