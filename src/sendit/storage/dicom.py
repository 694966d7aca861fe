"""Any PACS by C-STORE, proven by Storage Commitment, C-FIND, or C-GET and comparing.

Files go as they are: for each SOP Class and transfer syntax that is in the package there is a
presentation context of its own.  What the peer does not accept is refused, or, with
``decompress``, sent decompressed.

Storage Commitment and C-FIND say of a UID that it is there, and not what is under it.  Only
``proof = "retrieve"`` proves content; with the others the pipeline's ledger sees to it that a
UID is never used for other content.  A peer that coerces or transcodes can be proven by them,
and not by retrieving.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from sendit.errors import TargetConflict, VerificationFailed
from sendit.storage.base import (
    IdentifiedPackage,
    Package,
    Progress,
    Receipt,
    Stored,
    no_progress,
)
from sendit.storage.dicom_commands import IMPLICIT
from sendit.storage.dicom_commitment import (
    NO_SUCH_INSTANCE,
    PUSH_MODEL,
    Listener,
    commit,
    offers_commitment,
)
from sendit.storage.dicom_items import Item, Series, by_series, items_of, items_of_identified
from sendit.storage.dicom_options import DicomOptions, listener_context, peer_of
from sendit.storage.dicom_peer import Peer
from sendit.storage.dicom_query import FIND, GET, Came, echo, find, retrieve
from sendit.storage.dicom_store import store
from sendit.storage.outgoing import (
    MISSING,
    Failure,
    digests_of,
    own_head,
    require_same_package,
    settle,
)
from sendit.storage.same_content import same_data_set
from sendit.storage.together import Traffic, together


class Dicom:
    """Sends by C-STORE over several associations."""

    options_model: ClassVar[type[BaseModel]] = DicomOptions

    def __init__(self, options: DicomOptions) -> None:
        self._options = options
        self.proves_content = options.proof == "retrieve"

    @property
    def location(self) -> str:
        """Its AE title, host and port."""
        one = self._options
        return f"{one.called_ae} at {one.host}:{one.port}"

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store every instance; what is proven, or shown to be there, is not sent again."""
        return self._send(items_of(package), package.proven, progress)

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Ask for every instance, as ``proof`` says."""
        self._verify(items_of(package), receipt, progress)

    def send_identified(
        self, package: IdentifiedPackage, /, *, progress: Progress = no_progress
    ) -> Receipt:
        """Store originals, as ``send`` does results."""
        return self._send(items_of_identified(package), frozenset(), progress)

    def verify_identified(
        self, package: IdentifiedPackage, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Ask for every original, as ``verify`` does for results."""
        self._verify(items_of_identified(package), receipt, progress)

    def probe(self) -> None:
        """Ask for an answer (C-ECHO) and for the services that the proof needs.

        Nothing is stored: what a peer took by C-STORE cannot be taken back.
        """
        services = {
            "commitment": [((PUSH_MODEL, IMPLICIT), "Storage Commitment")],
            "find": [((FIND, IMPLICIT), "C-FIND (Study Root)")],
            "retrieve": [
                ((FIND, IMPLICIT), "C-FIND (Study Root)"),
                ((GET, IMPLICIT), "C-GET (Study Root)"),
            ],
        }
        peer = peer_of(self._options)
        echo(peer, traffic=Traffic(), needs=services[self._chosen_proof(peer)])

    def _chosen_proof(self, peer: Peer) -> str:
        if self._options.proof != "auto":
            return self._options.proof
        asked = self._options.listen_port is not None and offers_commitment(peer)
        return "commitment" if asked else "find"

    def _send(self, items: Sequence[Item], proven: frozenset[str], progress: Progress) -> Receipt:
        peer = peer_of(self._options)
        results: dict[str, Stored | Failure] = {key: Stored(peer.called_ae) for key in proven}
        if self.proves_content:
            results = self._compare_what_is_there(peer, items, progress)
        new = [item for item in items if item.key not in results]
        for _ in range(len(items) - len(new)):
            progress()
        sent = store(
            peer,
            new,
            at_once=self._options.connections,
            decompress=self._options.decompress,
            progress=progress,
        )
        results |= {item.key: one for item, one in zip(new, sent, strict=True)}
        outgoing = [item.outgoing for item in items]
        stored = settle(outgoing, [results[item.key] for item in items], location=self.location)
        return Receipt(self.location, len(items), digests_of(outgoing), stored=stored)

    def _compare_what_is_there(
        self, peer: Peer, items: Sequence[Item], progress: Progress
    ) -> dict[str, Stored | Failure]:
        """Return the outcome for every instance whose UID is at the peer already."""

        def compare(
            one: tuple[Series, Sequence[Item]], traffic: Traffic
        ) -> Mapping[str, Stored | Failure]:
            there = set(find(peer, one[0], traffic=traffic))
            known = [item for item in one[1] if item.uid in there]
            return self._compared(peer, one[0], known, traffic) if known else {}

        found = together(
            by_series(items).items(),
            compare,
            at_once=self._options.connections,
            progress=progress,
        )
        return {key: outcome for part in found for key, outcome in part.items()}

    def _compared(
        self, peer: Peer, series: Series, items: Sequence[Item], traffic: Traffic
    ) -> Mapping[str, Stored | Failure]:
        """Fetch a Series and say of each instance whether it is the one that we have."""
        by_uid = {item.uid: item for item in items}

        def judge(came: Came) -> bool:
            item = by_uid.get(came.sop_instance_uid)
            if item is None or came.transfer_syntax_uid != item.meta.transfer_syntax_uid:
                return False
            same = came.own_sha256 == item.outgoing.sha256
            return same or same_data_set(item.outgoing, came.content)

        syntaxes = sorted({item.syntax for item in items})
        heads = {item.uid: own_head(item.outgoing) for item in items}
        verdicts = retrieve(peer, series, syntaxes, judge, heads=heads, traffic=traffic)
        return {
            item.key: Stored(peer.called_ae)
            if verdicts.get(item.uid)
            else Failure(
                TargetConflict,
                "is there already with other content (or in another transfer syntax), which was "
                "left alone. Remove it there if it does not belong there, then retry the batch.",
            )
            for item in items
        }

    def _verify(self, items: Sequence[Item], receipt: Receipt, progress: Progress) -> None:
        outgoing = [item.outgoing for item in items]
        require_same_package(outgoing, receipt)
        peer = peer_of(self._options)
        proof = self._chosen_proof(peer)
        if proof == "commitment":
            results = self._committed(peer, items, progress)
        else:
            look = self._retrieved if proof == "retrieve" else self._found
            found = together(
                by_series(items).items(),
                lambda one, traffic: look(peer, one[0], one[1], traffic),
                at_once=self._options.connections,
                progress=progress,
                weight=lambda one: len(one[1]),
            )
            results = {key: outcome for part in found for key, outcome in part.items()}
        settle(outgoing, [results[item.key] for item in items], location=self.location)

    def _committed(
        self, peer: Peer, items: Sequence[Item], progress: Progress
    ) -> Mapping[str, Stored | Failure]:
        options = self._options
        listener = None
        if options.listen_port is not None:
            listener = Listener(
                options.listen_host, options.listen_port, options.calling_ae,
                listener_context(options),
            )  # fmt: skip
        told = commit(
            peer, items, listener=listener, wait_seconds=options.commitment_seconds,
            progress=progress,
        )  # fmt: skip
        return {
            key: _uncommitted(reason) if reason else Stored(peer.called_ae)
            for key, reason in told.items()
        }

    def _found(
        self, peer: Peer, series: Series, items: Sequence[Item], traffic: Traffic
    ) -> Mapping[str, Stored | Failure]:
        times = Counter(find(peer, series, traffic=traffic))
        return {item.key: _missing(times[item.uid]) or Stored(peer.called_ae) for item in items}

    def _retrieved(
        self, peer: Peer, series: Series, items: Sequence[Item], traffic: Traffic
    ) -> Mapping[str, Stored | Failure]:
        times = Counter(find(peer, series, traffic=traffic))
        known = [item for item in items if times[item.uid] == 1]
        compared = self._compared(peer, series, known, traffic) if known else {}
        outcomes: dict[str, Stored | Failure] = {}
        for item in items:
            outcome = _missing(times[item.uid]) or compared[item.key]
            if isinstance(outcome, Failure) and outcome.kind is TargetConflict:
                outcome = Failure(
                    VerificationFailed,
                    "has other content there than was sent (or another transfer syntax). Remove "
                    "it there if it does not belong there, then retry the batch.",
                )
            outcomes[item.key] = outcome
        return outcomes


def _uncommitted(reason: int) -> Failure:
    if reason == NO_SUCH_INSTANCE:
        return MISSING
    return Failure(
        VerificationFailed,
        f"is not committed to there ({reason:04X}h). Retry the batch to send it again.",
    )


def _missing(times: int) -> Failure | None:
    if times == 1:
        return None
    if not times:
        return MISSING
    return Failure(VerificationFailed, f"is there {times} times. Remove those that do not belong.")
