"""Storage commitment: a peer takes responsibility for instances, or says for which it does not.

We ask by N-ACTION; the peer answers by N-EVENT-REPORT, on the same association or on one of
its own to our listener, at once or much later.  We wait a while; a report that comes when
nobody listens is asked for again at the next try, under the same transaction, so that also a
late one counts.

DICOM: PS3.4 J (Storage Commitment Service Class, Push Model).
"""

import hashlib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from sendit.errors import NotYetProven, TargetError, TargetRefused, TargetUnavailable
from sendit.storage.base import Progress
from sendit.storage.dicom_association import Association, Message, associate
from sendit.storage.dicom_commands import (
    ACTION_TYPE,
    AFFECTED_CLASS,
    AFFECTED_INSTANCE,
    EVENT_TYPE,
    FIELD,
    IMPLICIT,
    MESSAGE_ID,
    N_ACTION,
    N_EVENT_REPORT,
    REQUESTED_CLASS,
    REQUESTED_INSTANCE,
    RESPONDED_TO,
    RESPONSE,
    STATUS,
    SUCCESS,
    decode_data,
    encode_data,
    number,
)
from sendit.storage.dicom_items import Item
from sendit.storage.dicom_peer import Peer
from sendit.storage.together import Traffic

PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
NO_SUCH_INSTANCE: Final = 0x0112
"""Failure Reason (PS3.3 C.14): the peer does not hold it."""
_PER_TRANSACTION = 1000
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the peer reports to."""

    host: str
    port: int
    ae: str
    tls: ssl.SSLContext | None = None


class Reports:
    """What was reported so far: a failure reason of each instance, 0 for none."""

    def __init__(self) -> None:
        self._by_transaction: dict[str, dict[str, int]] = {}
        self._changed = Condition()

    def add(self, report: Dataset) -> None:
        """Take the Event Information of an N-EVENT-REPORT."""
        told: dict[str, int] = {}
        for item in report.get("ReferencedSOPSequence") or ():
            told[str(item.get("ReferencedSOPInstanceUID", ""))] = 0
        for item in report.get("FailedSOPSequence") or ():
            told[str(item.get("ReferencedSOPInstanceUID", ""))] = (
                item.get("FailureReason") or 0x0110
            )
        with self._changed:
            self._by_transaction.setdefault(str(report.get("TransactionUID", "")), {}).update(told)
            self._changed.notify_all()

    def of(self, transaction: str) -> Mapping[str, int]:
        """Return what was reported of one transaction."""
        with self._changed:
            return dict(self._by_transaction.get(transaction, {}))

    def wait(self, seconds: float) -> None:
        """Wait for the next report, for a while."""
        with self._changed:
            self._changed.wait(seconds)


def commit(
    peer: Peer,
    items: Sequence[Item],
    *,
    listener: Listener | None,
    wait_seconds: int,
    progress: Progress,
) -> Mapping[str, int]:
    """Ask the peer to commit itself, and return why it does not, by key; 0 where it does.

    Raises
    ------
    sendit.errors.NotYetProven
        When it has not said in time.
    sendit.errors.TargetRefused
        When it does not know the service.
    """
    answers: dict[str, int] = {}
    until = time.monotonic() + wait_seconds
    with _listening(peer, listener, until=until, progress=progress) as reports:
        for start in range(0, len(items), _PER_TRANSACTION):
            part = items[start : start + _PER_TRANSACTION]
            told = _commit(peer, part, reports, wait_seconds=wait_seconds, progress=progress)
            answers |= {item.key: told[item.uid] for item in part}
    return answers


def offers_commitment(peer: Peer) -> bool:
    """Say whether the peer accepts the service."""
    with associate(peer, [(PUSH_MODEL, IMPLICIT)], traffic=Traffic()) as association:
        return bool(association.accepted)


def _commit(
    peer: Peer, items: Sequence[Item], reports: Reports, *, wait_seconds: int, progress: Progress
) -> Mapping[str, int]:
    transaction = _transaction_uid(peer, items)
    wanted = {item.uid for item in items}
    until = time.monotonic() + wait_seconds
    with associate(peer, [(PUSH_MODEL, IMPLICIT)], traffic=Traffic()) as association:
        _ask(association, transaction, items, reports)
        listening_here = True
        tick = time.monotonic()
        while not wanted <= (told := reports.of(transaction)).keys():
            now = time.monotonic()
            if now > until:
                raise NotYetProven(
                    f"{peer.location} has not said within {wait_seconds} s whether it commits "
                    "itself to the instances. It is asked again; see that it knows our AE title, "
                    "host and listen_port."
                )
            if now - tick >= 1:
                tick = now
                progress()
            if not listening_here:
                reports.wait(_TICK_SECONDS)
            elif association.has_message(_TICK_SECONDS):
                listening_here = _take(association, reports)
    for _ in items:
        progress()
    return told


def _ask(
    association: Association, transaction: str, items: Sequence[Item], reports: Reports
) -> None:
    syntax = (PUSH_MODEL, IMPLICIT)
    if syntax not in association.accepted:
        raise TargetRefused(
            f"{association.peer.location} does not accept Storage Commitment. Allow it there, or "
            'set proof = "find" or "retrieve" for the target.'
        )
    asked = Dataset()
    asked.TransactionUID = transaction
    asked.ReferencedSOPSequence = DicomSequence([_reference(item) for item in items])
    command: Mapping[int, int | str] = {
        REQUESTED_CLASS: PUSH_MODEL,
        FIELD: N_ACTION,
        MESSAGE_ID: association.next_message_id(),
        REQUESTED_INSTANCE: _INSTANCE,
        ACTION_TYPE: 1,
    }
    association.send(association.accepted[syntax], command, encode_data(asked))
    # Some report before they answer.
    while number((message := association.receive()).command, FIELD) == N_EVENT_REPORT:
        _take_report(association, message, reports)
    status = number(message.command, STATUS)
    if status != SUCCESS:
        raise TargetRefused(
            f"{association.peer.location} does not take our request for Storage Commitment "
            f"({status & 0xFFFF:04X}h); see that it knows our AE title, host and listen_port."
        )


def _take(association: Association, reports: Reports) -> bool:
    """Take a report on our own association; False when the peer has ended that."""
    try:
        message = association.receive()
    except TargetUnavailable:
        return False
    if number(message.command, FIELD) == N_EVENT_REPORT:
        _take_report(association, message, reports)
    return True


def _take_report(association: Association, message: Message, reports: Reports) -> None:
    answer: Mapping[int, int | str] = {
        AFFECTED_CLASS: PUSH_MODEL,
        FIELD: N_EVENT_REPORT | RESPONSE,
        RESPONDED_TO: number(message.command, MESSAGE_ID),
        STATUS: SUCCESS,
        AFFECTED_INSTANCE: _INSTANCE,
        EVENT_TYPE: number(message.command, EVENT_TYPE) & 0xFFFF,
    }
    try:
        reports.add(decode_data(message.data))
    except ValueError:
        raise TargetError(
            f"{association.peer.location} reports on Storage Commitment in no readable way."
        ) from None
    association.send(message.context_id, answer)


def _reference(item: Item) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = item.meta.sop_class_uid
    reference.ReferencedSOPInstanceUID = item.uid
    return reference


def _transaction_uid(peer: Peer, items: Sequence[Item]) -> str:
    """Return a UID that is the same for the same content at the same peer, and hard to guess."""
    digest = hashlib.sha256(peer.location.encode())
    for item in items:
        digest.update(f"\0{item.uid}\0{item.outgoing.sha256}".encode())
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"


@contextmanager
def _listening(
    peer: Peer, listener: Listener | None, *, until: float, progress: Progress
) -> Iterator[Reports]:
    """Listen for reports, if we have an address for that, and give that up afterwards."""
    reports = Reports()
    if listener is None:
        yield reports
        return
    server = _start(peer, listener, reports, until=until, progress=progress)
    try:
        yield reports
    finally:
        server.shutdown()


def _start(
    peer: Peer, listener: Listener, reports: Reports, *, until: float, progress: Progress
) -> ThreadedAssociationServer:
    """Start the listener; another worker may have the port for a while."""

    def handle(event: evt.Event) -> tuple[int, None]:
        reports.add(event.event_information)
        return SUCCESS, None

    ae = AE(ae_title=listener.ae)
    ae.require_called_aet = True
    ae.add_supported_context(
        PUSH_MODEL,
        [ImplicitVRLittleEndian, ExplicitVRLittleEndian],
        scu_role=False,
        scp_role=True,
    )
    while True:
        try:
            server = ae.start_server(
                (listener.host, listener.port),
                block=False,
                evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle)],
                ssl_context=listener.tls,
            )
        except OSError as error:
            if time.monotonic() > until:
                raise NotYetProven(
                    f"Reports of {peer.location} cannot be received at port {listener.port} "
                    f"({error.strerror}): another worker may listen there. It is tried again; "
                    "else set another listen_host or listen_port."
                ) from None
            progress()
            time.sleep(_TICK_SECONDS)
        else:
            assert server is not None  # noqa: S101 - only a blocking one returns nothing
            return server
