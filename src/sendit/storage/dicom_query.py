"""Ask a DICOM peer what it holds: C-FIND for UIDs, C-GET for the instances themselves.

DICOM: PS3.4 C (Query/Retrieve Service Class), Study Root.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from pydicom.dataset import Dataset

from sendit.errors import TargetError, TargetRefused, TargetUnavailable
from sendit.storage.dicom_association import Association, associate
from sendit.storage.dicom_commands import (
    AFFECTED_CLASS,
    AFFECTED_INSTANCE,
    C_ECHO,
    C_FIND,
    C_GET,
    C_STORE,
    FIELD,
    IMPLICIT,
    MESSAGE_ID,
    PENDING,
    PRIORITY,
    RESPONDED_TO,
    RESPONSE,
    STATUS,
    SUCCESS,
    decode_data,
    encode_data,
    number,
    uid,
)
from sendit.storage.dicom_items import Series
from sendit.storage.dicom_negotiation import MAX_CONTEXTS, Syntax
from sendit.storage.dicom_peer import Peer
from sendit.storage.same_content import IN_MEMORY
from sendit.storage.together import Traffic

FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
VERIFICATION: Final = "1.2.840.10008.1.1"


@dataclass(frozen=True, slots=True)
class Came:
    """An instance that the peer sent us."""

    sop_instance_uid: str
    transfer_syntax_uid: str
    own_sha256: str
    """Of its data set behind the head of our own file, in hexadecimal."""
    content: IO[bytes] = field(repr=False)
    """Its data set; gone after it was judged."""


Judge = Callable[[Came], bool]


def find(peer: Peer, series: Series, *, traffic: Traffic) -> Sequence[str]:
    """Return the SOP Instance UIDs that the peer has of a Series, each as often as it says it.

    Raises
    ------
    sendit.errors.TargetRefused
        When it does not answer such questions.
    """
    asked = _level("IMAGE", series)
    asked.SOPInstanceUID = ""
    with associate(peer, [(FIND, IMPLICIT)], traffic=traffic) as association:
        context_id = _require(association, (FIND, IMPLICIT), "C-FIND (Study Root)")
        association.send(context_id, _request(C_FIND, FIND, association), encode_data(asked))
        found: list[str] = []
        while True:
            message = association.receive()
            status = number(message.command, STATUS)
            if status not in PENDING:
                _require_success(association, status, "C-FIND")
                return found
            found.append(_instance_uid(association, message.data))


def retrieve(
    peer: Peer,
    series: Series,
    syntaxes: Sequence[Syntax],
    judge: Judge,
    *,
    heads: Mapping[str, bytes],
    traffic: Traffic,
) -> Mapping[str, bool]:
    """Have a Series sent to us and return what ``judge`` says of each instance, by its UID.

    ``heads`` are what stands before the data set in our own file of each.  Only what comes in
    one of ``syntaxes`` is asked for, so that nobody transcodes on the way.

    Raises
    ------
    sendit.errors.TargetRefused
        When the peer does not send.
    """
    proposed = [(GET, IMPLICIT), *syntaxes[: MAX_CONTEXTS - 1]]
    classes = sorted({abstract for abstract, _ in syntaxes})
    with (
        closing(_Received(judge, heads)) as received,
        associate(peer, proposed, traffic=traffic, we_receive=classes) as association,
    ):
        context_id = _require(association, (GET, IMPLICIT), "C-GET (Study Root)")
        transfer = {context: syntax for (_, syntax), context in association.accepted.items()}
        ask = encode_data(_level("SERIES", series))
        association.send(context_id, _request(C_GET, GET, association), ask)
        while True:
            message = association.receive(received.take)
            if number(message.command, FIELD) == C_STORE:
                sop_instance_uid = uid(message.command, AFFECTED_INSTANCE)
                received.end(sop_instance_uid, transfer.get(message.context_id, ""))
                association.send(message.context_id, _stored(message.command))
                continue
            status = number(message.command, STATUS)
            if status not in PENDING:
                # B000h: some could not be sent; whoever asks sees which are missing.
                if status != 0xB000:
                    _require_success(association, status, "C-GET")
                return received.verdicts


def echo(peer: Peer, *, traffic: Traffic, needs: Sequence[tuple[Syntax, str]]) -> None:
    """Return when the peer answers, and accepts what is needed.

    Raises
    ------
    sendit.errors.TargetRefused
        When it does not accept something.
    """
    proposed = [(VERIFICATION, IMPLICIT), *(syntax for syntax, _ in needs)]
    with associate(peer, proposed, traffic=traffic) as association:
        for syntax, name in needs:
            _require(association, syntax, name)
        context_id = _require(association, (VERIFICATION, IMPLICIT), "C-ECHO")
        command: Mapping[int, int | str] = {
            AFFECTED_CLASS: VERIFICATION,
            FIELD: C_ECHO,
            MESSAGE_ID: association.next_message_id(),
        }
        association.send(context_id, command)
        _require_success(association, number(association.receive().command, STATUS), "C-ECHO")


class _Received:
    """The instances that come in, each judged when it is here and then forgotten."""

    def __init__(self, judge: Judge, heads: Mapping[str, bytes]) -> None:
        self.verdicts: dict[str, bool] = {}
        self._judge = judge
        self._heads = heads
        self._begin()

    def take(self, command: Mapping[int, bytes], fragment: bytes) -> None:
        """Take a piece of a data set; only of C-STORE is it an instance."""
        if number(command, FIELD) == C_STORE:
            if not self._content.tell():
                self._digest.update(self._heads.get(uid(command, AFFECTED_INSTANCE), b""))
            self._digest.update(fragment)
            self._content.write(fragment)

    def end(self, sop_instance_uid: str, transfer_syntax_uid: str) -> None:
        """Judge an instance that has come whole; one that comes twice is not what was sent."""
        once = sop_instance_uid not in self.verdicts
        with self._content:
            came = Came(
                sop_instance_uid, transfer_syntax_uid, self._digest.hexdigest(), self._content
            )
            self.verdicts[sop_instance_uid] = once and self._judge(came)
        self._begin()

    def close(self) -> None:
        """Forget what has come in part."""
        self._content.close()

    def _begin(self) -> None:
        self._digest = hashlib.sha256()
        self._content = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - see end, close


def _level(level: str, series: Series) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    ds.StudyInstanceUID, ds.SeriesInstanceUID = series
    return ds


def _request(field: int, sop_class: str, association: Association) -> Mapping[int, int | str]:
    return {
        AFFECTED_CLASS: sop_class,
        FIELD: field,
        MESSAGE_ID: association.next_message_id(),
        PRIORITY: 0,
    }


def _stored(command: Mapping[int, bytes]) -> Mapping[int, int | str]:
    return {
        AFFECTED_CLASS: uid(command, AFFECTED_CLASS),
        FIELD: C_STORE | RESPONSE,
        RESPONDED_TO: number(command, MESSAGE_ID),
        STATUS: SUCCESS,
        AFFECTED_INSTANCE: uid(command, AFFECTED_INSTANCE),
    }


def _instance_uid(association: Association, data: bytes) -> str:
    try:
        return str(decode_data(data).SOPInstanceUID)
    except (ValueError, AttributeError):
        raise TargetError(
            f"{association.peer.location} answers C-FIND without a SOP Instance UID; it cannot "
            "say what it holds."
        ) from None


def _require(association: Association, syntax: Syntax, name: str) -> int:
    if syntax not in association.accepted:
        raise TargetRefused(
            f"{association.peer.location} does not accept {name}. Allow it there, or choose "
            "another proof for the target."
        )
    return association.accepted[syntax]


def _require_success(association: Association, status: int, name: str) -> None:
    if status == SUCCESS:
        return
    if 0xA700 <= status <= 0xA7FF:
        raise TargetUnavailable(
            f"{association.peer.location} is out of resources for {name} ({status:04X}h)."
        )
    raise TargetRefused(
        f"{association.peer.location} answers {name} with {status & 0xFFFF:04X}h; look into its "
        "log."
    )
