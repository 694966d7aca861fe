"""What the ledger keeps of original names: keyed digests, so that a copy is found by them.

Computed while the batch's identifiers are there; they may be removed as soon as it is done.
"""

from sendit.deid.uids import NewUids
from sendit.pipeline.stages.identify import identities_of
from sendit.pipeline.work import Work
from sendit.records.encrypted import keyed_digest


class OriginalNames:
    """The original patient and study of each new Study of a batch, as keyed digests."""

    def __init__(self, work: Work) -> None:
        identities = identities_of(work)
        new = NewUids(identities.uid_key)
        self.recipe_digest = work.project.recipe().digest
        self._digests: dict[str, tuple[str, str]] = {}
        for patient_id, study_uid in identities.answers:
            digests = patient_digest(patient_id), study_digest(study_uid)
            # A recipe may retain UIDs; then the new one is the old one.
            for uid in (study_uid, new.of(study_uid.encode()).decode()):
                self._digests[uid] = digests

    def patient_digest(self, study_instance_uid: str) -> str:
        """Return the digest of the original patient of a new Study; empty when unknown."""
        return self._digests.get(study_instance_uid, ("", ""))[0]

    def study_digest(self, study_instance_uid: str) -> str:
        """Return the digest of the original Study Instance UID of a new Study."""
        return self._digests.get(study_instance_uid, ("", ""))[1]


def patient_digest(normal_patient_id: str) -> str:
    """Return the digest by which a patient is found; of the ``normal_id``."""
    return keyed_digest(f"patient {normal_patient_id}")


def study_digest(study_instance_uid: str) -> str:
    """Return the digest by which an original Study is found."""
    return keyed_digest(f"study {study_instance_uid}")
