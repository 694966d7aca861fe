"""C-STORE: files over a few associations, the data sets as they are.

DICOM: PS3.4 B (Storage Service Class), PS3.7 9.3.1 (C-STORE).
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from pydicom.uid import UID

from sendit.errors import TargetFull, TargetRefused
from sendit.storage.base import Progress, Stored
from sendit.storage.dicom_association import Association, open_association
from sendit.storage.dicom_commands import (
    AFFECTED_CLASS,
    AFFECTED_INSTANCE,
    C_STORE,
    FIELD,
    MESSAGE_ID,
    PRIORITY,
    STATUS,
    SUCCESS,
    number,
)
from sendit.storage.dicom_decompress import decompressed
from sendit.storage.dicom_items import PLAIN, Item, proposals
from sendit.storage.dicom_negotiation import Syntax
from sendit.storage.dicom_peer import Peer
from sendit.storage.dicom_pool import Pool
from sendit.storage.outgoing import Failure
from sendit.storage.together import Traffic, together

_WARNINGS: Mapping[int, str] = {
    0xB000: "coerced data elements",
    0xB006: "discarded data elements",
    0xB007: "says that the data set does not fit its SOP Class",
}


def store(
    peer: Peer, items: Sequence[Item], *, at_once: int, decompress: bool, progress: Progress
) -> Sequence[Stored | Failure]:
    """Send every instance and return what the peer said of each, in their order.

    With ``decompress`` what the peer does not take compressed goes decompressed.

    Raises
    ------
    sendit.errors.TargetError
        When nothing more can be sent.
    """
    pools: dict[Syntax, Pool] = {}
    with ExitStack() as stack:
        for syntaxes in proposals(items, decompress=decompress):
            opener = partial(_opener, peer, syntaxes)
            pool = Pool(opener, at_most=at_once)
            stack.callback(pool.close)
            pools |= dict.fromkeys(syntaxes, pool)

        def work(item: Item, traffic: Traffic) -> Stored | Failure:
            with pools[item.syntax].lent(traffic) as association:
                return _store_one(association, item, decompress=decompress)

        return together(items, work, at_once=at_once, progress=progress)


def _opener(peer: Peer, syntaxes: Sequence[Syntax], traffic: Traffic) -> Association:
    return open_association(peer, syntaxes, traffic=traffic)


def _store_one(association: Association, item: Item, *, decompress: bool) -> Stored | Failure:
    context_id = association.accepted.get(item.syntax)
    if context_id is not None:
        return _send(association, context_id, item)
    plain = next((one for one in PLAIN if (item.syntax[0], one) in association.accepted), None)
    if not decompress or plain is None:
        return Failure(
            TargetRefused,
            f"is not accepted there: {UID(item.syntax[0]).name} in transfer syntax "
            f"{UID(item.syntax[1]).name}. Allow that at the peer, then retry the batch.",
        )
    with decompressed(item, transfer_syntax_uid=plain) as other:
        if other is None:
            return Failure(
                TargetRefused,
                f"is not accepted there in transfer syntax {UID(item.syntax[1]).name}, and cannot "
                "be decompressed. Allow that syntax at the peer, then retry the batch.",
            )
        stored = _send(association, association.accepted[other.syntax], other)
    if isinstance(stored, Stored):
        said = f"sent decompressed; {stored.warning}".removesuffix("; ")
        return Stored(place=stored.place, warning=said)
    return stored


def _send(association: Association, context_id: int, item: Item) -> Stored | Failure:
    command: Mapping[int, int | str] = {
        AFFECTED_CLASS: item.syntax[0],
        FIELD: C_STORE,
        MESSAGE_ID: association.next_message_id(),
        PRIORITY: 0,
        AFFECTED_INSTANCE: item.uid,
    }
    outgoing, start = item.outgoing, item.meta.data_start
    association.send_file(context_id, command, outgoing.file, start=start, size=outgoing.size)
    return _outcome(association, item, number(association.receive().command, STATUS))


def _outcome(association: Association, item: Item, status: int) -> Stored | Failure:
    """Say what a status means (PS3.4 table B.2-1, PS3.7 annex C)."""
    place = association.peer.called_ae
    if status == SUCCESS:
        return Stored(place=place)
    if 0xB000 <= status <= 0xBFFF or status in (0x0001, 0x0107, 0x0116):
        said = _WARNINGS.get(status, "warned")
        return Stored(place=place, warning=f"{said} ({status:04X}h)")
    if 0xA700 <= status <= 0xA7FF:
        raise TargetFull(
            f"{association.peer.location} did not take instance {item.key}: it is out of resources "
            f"({status:04X}h). Make room there."
        )
    if 0xA900 <= status <= 0xA9FF:
        why = "its data set does not fit its SOP Class, it says"
    elif 0xC000 <= status <= 0xCFFF:
        why = "it cannot understand the data set"
    else:
        why = _REFUSALS.get(status, "it does not say why")
    return Failure(
        TargetRefused, f"was not taken: {why} ({status:04X}h). Look into the peer's log."
    )


_REFUSALS: Mapping[int, str] = {
    0x0111: "it has that UID already",
    0x0117: "it calls the UID invalid",
    0x0122: "it does not support its SOP Class",
    0x0124: "it does not authorize us",
}
