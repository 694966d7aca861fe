"""Identify: the identity service is asked once for all patients of the batch.

An answer that was kept is used again; without an answer the batch does not go on.
"""

from django.db import transaction

from sendit.deid import Identities, Identity, KnownValue, read_header
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
from sendit.pipeline.machine import Event
from sendit.pipeline.work import Outcome, Work
from sendit.records import provider
from sendit.records.ledger import DatabaseLedger, keep_uids
from sendit.records.models import BatchIdentifiers, Image

ITEM_DATES = ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate")
"""Where an item's time comes from: the first of these that is there."""
ISSUER = "IssuerOfPatientID"
HAND_IN_AGAIN = (
    "Then hand the folder in again, since a batch keeps the files and the rules it came with: "
    '"sendit resolve {batch} --reject" puts it back as NAME.err; drop that extension.'
)


def run(work: Work) -> Outcome:
    """Ask for the batch's identities and keep the answer."""
    if BatchIdentifiers.objects.filter(batch=work.batch_id).exists():
        return Outcome(Event.IDENTIFIED)
    identity = work.project.identity
    known: set[KnownValue] = set()
    try:
        request = complete_request(
            _request(work, known),
            entity_field=identity.entity_field,
            item_field=identity.item_field,
            on_missing=identity.on_missing,
        )
    except IdentityError as error:
        raise IdentityError(f"{error} {HAND_IN_AGAIN.format(batch=work.batch_id)}") from None
    provider.require_same(work.project)
    service = work.project.identity_service(
        work.site_key, ledger=DatabaseLedger(), progress=work.progress
    )
    answers = service.identify(request).answers
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


def _request(work: Work, known: set[KnownValue]) -> IdentityRequest:
    """Return the request, and add what the headers say of persons to ``known``."""
    identity = work.project.identity
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
        studies = patients.setdefault(patient, {})
        if not studies.setdefault(study.study_instance_uid, study).item:
            studies[study.study_instance_uid] = study
        birth_dates[patient] = birth_dates.get(patient) or header.values["PatientBirthDate"]
        work.progress()
    return IdentityRequest(
        batch_key=str(work.batch_id),
        patients=tuple(
            PatientRequest(patient[0], birth_dates[patient], tuple(studies.values()), patient[1])
            for patient, studies in patients.items()
        ),
    )
