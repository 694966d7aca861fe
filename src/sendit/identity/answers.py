"""Put the answers of a service together, and refuse two that contradict each other."""

from collections.abc import Iterable

from sendit.deid.identities import Identities, Identity, normal_id
from sendit.errors import IdentityError
from sendit.identity.base import IdentityContext, PatientRequest, StudyRequest
from sendit.identity.derived import uid_key

Row = tuple[PatientRequest, StudyRequest, Identity]


def identities(rows: Iterable[Row], context: IdentityContext) -> Identities:
    """Return what the engine is told of a batch.

    Raises
    ------
    sendit.errors.IdentityError
        When one Study of one patient would have two identities: the files give one patient's
        id to two patients (of two issuers, or written differently) in one and the same Study.
    """
    answers: dict[tuple[str, str], Identity] = {}
    for patient, study, identity in rows:
        key = (normal_id(patient.patient_id), study.study_instance_uid)
        if answers.setdefault(key, identity) != identity:
            raise IdentityError(
                "Two patients whom the project tells apart by the issuer or the writing of their "
                "id have one Study Instance UID in common. Mend the files."
            )
    return Identities(answers=answers, uid_key=uid_key(context), entity_field=context.entity_field)
