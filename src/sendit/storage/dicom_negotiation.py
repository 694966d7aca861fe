"""What is agreed with a peer before anything is sent: syntaxes, roles, the size of a PDU.

The PDUs are pynetdicom's; sending them is the association's matter.

DICOM: PS3.8 9.3 (A-ASSOCIATE), PS3.7 D.3 (user information).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from sendit import __version__
from sendit.errors import TargetError, TargetRefused, TargetUnavailable
from sendit.storage.dicom_peer import Busy, Peer

Syntax = tuple[str, str]
"""An abstract syntax (SOP Class) and one transfer syntax."""

MAX_CONTEXTS: Final = 128
"""There are 128 odd numbers below 256 (PS3.8 9.3.2.2)."""
MAX_PDU: Final = 131072
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = "2.25.191734382098245071233620841277361208113"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, NotImplementedError, struct.error)


def request(peer: Peer, syntaxes: Sequence[Syntax], we_receive: Sequence[str]) -> bytes:
    """Return an A-ASSOCIATE-RQ that proposes each syntax as a presentation context of its own."""
    contexts = []
    for position, (abstract, transfer) in enumerate(syntaxes):
        context = PresentationContext()
        context.context_id = 2 * position + 1
        context.abstract_syntax, context.transfer_syntax = abstract, [transfer]
        contexts.append(context)
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    version = ImplementationVersionNameNotification()
    length.maximum_length_received = MAX_PDU
    implementation.implementation_class_uid = _IMPLEMENTATION
    version.implementation_version_name = f"SENDIT_{__version__}"[:16]
    asked = A_ASSOCIATE()
    asked.application_context_name = _APPLICATION_CONTEXT
    asked.calling_ae_title, asked.called_ae_title = peer.calling_ae, peer.called_ae
    asked.presentation_context_definition_list = contexts
    asked.user_information = [length, implementation, version, *map(_role, we_receive)]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    return pdu.encode()


def _role(sop_class_uid: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = sop_class_uid, False, True
    return role


def negotiated(
    peer: Peer, kind: int, body: bytes, syntaxes: Sequence[Syntax]
) -> tuple[int, Mapping[Syntax, int]]:
    """Return the largest PDU that the peer takes, and the contexts that it accepts."""
    if kind not in (2, 3):
        raise TargetUnavailable(f"{peer.location} ended the association before it began.")
    raw = struct.pack(">BxI", kind, len(body)) + body
    try:
        if kind == 3:
            refusal = A_ASSOCIATE_RJ()
            refusal.decode(raw)
            no = refusal.to_primitive()
            raise _rejected(peer, no.result or 0, no.result_source or 0, no.diagnostic or 0)
        answer = A_ASSOCIATE_AC()
        answer.decode(raw)
        yes = answer.to_primitive()
        accepted = {
            syntaxes[(context.context_id - 1) // 2]: context.context_id
            for context in yes.presentation_context_definition_results_list
            if context.result == 0 and context.context_id
        }
        return yes.maximum_length_received or 0, accepted
    except _MALFORMED:
        raise TargetUnavailable(f"{peer.location} does not speak DICOM.") from None


def _rejected(peer: Peer, result: int, source: int, diagnostic: int) -> TargetError:
    """Return what an A-ASSOCIATE-RJ means (PS3.8 table 9-21)."""
    if result == 2 or source == 3:
        return Busy(f"{peer.location} takes no association now; it may have too many.")
    match source, diagnostic:
        case 1, 3:
            remedy = f'it does not know our AE title "{peer.calling_ae}"; enter it there'
        case 1, 7:
            remedy = f'its AE title is another than "{peer.called_ae}"; set the target\'s called_ae'
        case _:
            remedy = f"source {source}, reason {diagnostic}; look into its log"
    return TargetRefused(f"{peer.location} rejects our association: {remedy}.")
