"""Identify: the identity service is asked once for all patients of the batch.

An answer that was kept is used again; without an answer the batch does not go on.  Files
without the attributes that a project names stop it (``on_missing = "stop"``), until a person
accepts it without them.  With ``derive`` those without a patient are rejected at once, since
a patient is never guessed, unless nothing would be left.
"""

from collections.abc import Collection

from django.db import transaction

from sendit.config.own_keys import require_open
from sendit.config.plugins import paths_of
from sendit.deid import Identities, Identity, read_header
from sendit.deid.uids import NewUids
from sendit.errors import IdentityError
from sendit.identity import complete_request
from sendit.pipeline import machine
from sendit.pipeline.asking import Asking, fields_of
from sendit.pipeline.machine import ACCEPTED, Event, NewFinding
from sendit.pipeline.work import Outcome, Work, require_answer
from sendit.records import provider
from sendit.records.ledger import DatabaseLedger, keep_uids
from sendit.records.models import BatchIdentifiers, Finding, Image
from sendit.records.own_keys import key_for_naming
from sendit.records.prepared import Prepared
from sendit.terms import Reason, Stage, Verdict

_NUMBERS = Prepared(
    lambda batch: Image.objects.accepted().filter(batch=batch).order_by("nr").values_list("nr")
)
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
    asking = _gathered(work)
    lacking = asking.lacking(item_too=identity.on_missing == "stop")
    others = asking.count() - len(lacking)
    if lacking and (_accepted_without(work) or (identity.on_missing == "derive" and others)):
        _leave_out(work, lacking)
        asking = _gathered(work)
    try:
        request = complete_request(
            asking.request(work.batch_id),
            entity_field=identity.entity_field,
            item_field=identity.item_field,
            on_missing=identity.on_missing,
        )
    except IdentityError as error:
        raise IdentityError(f"{error} {HAND_IN_AGAIN.format(batch=work.batch_id)}") from None
    require_open(work.settings, identity.namespace)
    provider.require_same(work.project)
    for key, path in paths_of(identity.options):
        require_answer(f"{key} of the identity service", path)
    service = work.project.identity_service(
        work.site_key,
        own_key=key_for_naming(work.settings, identity.namespace, identity),
        ledger=DatabaseLedger(),
        progress=work.progress,
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
            names=[list(value) for value in sorted(asking.known)],
        )
    asking.clear()
    return Outcome(Event.IDENTIFIED)


def identities_of(work: Work) -> Identities:
    """Return the kept answer, with the key that makes new UIDs."""
    kept = BatchIdentifiers.objects.get(batch=work.batch_id)
    return Identities(
        answers={(row[0], row[1]): Identity(*row[2:]) for row in kept.answers},
        uid_key=work.key("uid"),
        entity_field=work.project.identity.entity_field,
        known=frozenset((tag, vr, text) for tag, vr, text in kept.names),
    )


def _new_uids(work: Work) -> dict[str, str]:
    """Return the original UIDs of studies, series and instances by the new ones (identifying)."""
    new = NewUids(work.key("uid"))
    uids: dict[str, str] = {}
    for (nr,) in _NUMBERS.rows(batch=work.batch_id):
        header = read_header(work.workspace.original(work.batch_id, nr), fields=())
        for uid in (
            header.study_instance_uid,
            header.series_instance_uid,
            header.sop_instance_uid,
        ):
            uids[new.of(uid.encode()).decode()] = uid
        work.progress()
    return uids


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


def _gathered(work: Work) -> Asking:
    """Return what import has gathered in this process, or gather it."""
    numbers = [nr for (nr,) in _NUMBERS.rows(batch=work.batch_id)]
    asking = work.asking
    if not asking.is_about(numbers):
        asking.clear()
        for nr in numbers:
            original = work.workspace.original(work.batch_id, nr)
            header = read_header(original, fields=fields_of(work.project), knowledge=True)
            asking.add(work.project, nr, header)
            work.progress()
    return asking
