"""Replace: older content is taken back, and its absence proven, before the newer is sent."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from sendit.errors import TargetConflict
from sendit.pipeline.stages.copies import receipt_of_copy
from sendit.pipeline.stages.side_by_side import Talk
from sendit.pipeline.work import Work
from sendit.records.models import DeliveredInstance
from sendit.storage import Progress, Receipt, RemovableTarget, Removal, Target


class Named(Protocol):
    """What has a new SOP Instance UID."""

    @property
    def sop_instance_uid(self) -> str:
        """The new UID."""


def replace_copies(
    work: Work,
    target: Target,
    changed: Sequence[Named],
    mine: Sequence[Named],
    held: Sequence[DeliveredInstance],
) -> Talk[None]:
    """Take back what has other content than the changed images of a batch.

    What lies in one file with it (an archive) goes with it, provided that the batch brings all
    of it again.

    Raises
    ------
    sendit.errors.TargetConflict
        When the target cannot remove it, or it lies in an archive with what is not here.
    """
    if not isinstance(target, RemovableTarget):
        raise TargetConflict(
            f"Instance {changed[0].sop_instance_uid} was delivered before with other content, and "
            "this target cannot remove the older one; nothing was sent. Remove it there."
        )
    superseded = {image.sop_instance_uid for image in changed}
    brought = {image.sop_instance_uid for image in mine}
    for part in {copy.study_id: copy.study for copy in held}.values():
        of_part = {copy.sop_instance_uid for copy in held if copy.study_id == part.pk}
        places = {uid: part.stored.get(uid, [""])[0] or uid for uid in of_part}
        touched = {places[uid] for uid in of_part & superseded}
        going = {uid for uid in of_part if places[uid] in touched}
        if not going:
            continue
        if going - brought:
            raise TargetConflict(
                f"Instance {min(going & superseded)} is to replace older content in "
                f"{min(touched)}, which also holds instances that this batch does not bring; "
                'nothing was sent. Hand in the whole study, or use supersede = "new-generation".'
            )
        only = None if going == of_part else going
        receipt = receipt_of_copy(part, only=only)
        removal: Removal = yield partial(_remove, target, receipt)
        DeliveredInstance.objects.filter(study=part, sop_instance_uid__in=removal.removed).update(
            removed=work.now()
        )
        if removal.left:
            uid, reason = next(iter(removal.left.items()))
            raise TargetConflict(
                f"Instance {uid} could not be replaced: {reason} Nothing was sent in its place.",
                failures=removal.left,
            )


def _remove(target: RemovableTarget, receipt: Receipt, progress: Progress) -> Removal:
    return target.remove(receipt, progress=progress)
