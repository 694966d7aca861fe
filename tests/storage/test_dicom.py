"""C-STORE and its proofs, against a real Orthanc with its defaults, and DCMTK's servers."""

import hashlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from sendit.errors import InstancesMissing, TargetError, TargetRefused, TargetUnavailable
from sendit.storage import Package, PackagedInstance, PackagedStudy, Target
from sendit.storage.outgoing import data_start
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.orthanc_receiver import OrthancReceiver
from tests.support.dicom_peers import DcmtkServer, OrthancServer, have, running_dcmqrscp
from tests.support.make_study import make_instance, write_instance
from tests.support.troubled_tcp import TroubledTcp


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


@pytest.fixture
def relay(orthanc: OrthancServer) -> Iterator[TroubledTcp]:
    relay = TroubledTcp(orthanc.dicom_port)
    yield relay
    relay.close()


class TestByRetrieving(TargetContract):
    troubles = frozenset({"away", "slow", "drops connections"})
    is_removable = False

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, relay: TroubledTcp) -> Receiver:
        return OrthancReceiver(orthanc, "dicom", relay, {"proof": "retrieve"})


class TestByFinding(TargetContract):
    troubles = frozenset({"full", "refuses class"})
    is_removable = False

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, relay: TroubledTcp) -> Receiver:
        return OrthancReceiver(orthanc, "dicom", relay, {"proof": "find"})


class TestByCommitment(TargetContract):
    troubles = frozenset({"away"})
    is_removable = False

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, relay: TroubledTcp) -> Receiver:
        options = {"proof": "commitment", "listen_port": orthanc.report_port}
        return OrthancReceiver(orthanc, "dicom", relay, options)


def make_dicom(server: DcmtkServer, **options: object) -> Target:
    """Return a target with one association at a time.

    DCMTK's servers give two instances that come at the same moment one file name now and then,
    and keep the second only.
    """
    own = {"host": "127.0.0.1", "port": server.port, "called_ae": server.ae, "timeout_seconds": 5}
    return build("dicom", {**own, "connections": 1, **options}, base=Path("/"))


Storescp = Callable[..., AbstractContextManager[DcmtkServer]]


@pytest.mark.parametrize("proof", ["find", "retrieve", "auto"])
def test_dcmtks_archive_holds_what_was_sent(
    dcmqrscp: DcmtkServer, package: Package, proof: str
) -> None:
    target = make_dicom(dcmqrscp, proof=proof)

    target.probe()
    target.verify(package, target.send(package))

    assert len(dcmqrscp.files()) == 3


def test_dcmtks_archive_without_an_instance_proves_nothing(
    dcmqrscp: DcmtkServer, package: Package
) -> None:
    target = make_dicom(dcmqrscp)
    receipt = target.send(package)
    dcmqrscp.clear()

    with pytest.raises(InstancesMissing, match=r"2\.25\.300 was taken there, and is not"):
        target.verify(package, receipt)


def test_a_peer_without_commitment_says_so(dcmqrscp: DcmtkServer, package: Package) -> None:
    target = make_dicom(dcmqrscp, proof="commitment")

    with pytest.raises(TargetRefused, match="does not accept Storage Commitment"):
        target.probe()
    with pytest.raises(TargetRefused, match="does not accept Storage Commitment"):
        target.verify(package, target.send(package))


def test_every_transfer_syntax_goes_as_it_is(orthanc: OrthancServer, tmp_path: Path) -> None:
    package = make_compressed(tmp_path)
    peer = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_ae": "ORTHANC"}
    target = build("dicom", {**peer, "proof": "retrieve"}, base=Path("/"))

    target.verify(package, target.send(package))

    stored = orthanc.files()
    for instance in package.instances:
        ours, theirs = (
            (package.root / instance.file).read_bytes(),
            stored[instance.sop_instance_uid],
        )
        # What is deflated it deflates anew; that it is the same content was proven above.
        if DeflatedExplicitVRLittleEndian.encode() not in ours[: data_start(ours)]:
            assert theirs[data_start(theirs) :] == ours[data_start(ours) :]


def test_transfer_syntaxes_that_are_refused_are_named(
    dcmqrscp: DcmtkServer, tmp_path: Path
) -> None:
    package = make_compressed(tmp_path)

    with pytest.raises(TargetRefused) as refusal:
        make_dicom(dcmqrscp).send(package)

    assert "CT Image Storage in transfer syntax Deflated Explicit VR" in str(refusal.value)
    assert set(refusal.value.failures) == {"2.25.403", "2.25.404", "2.25.405"}
    assert len(dcmqrscp.files()) == 3


def test_what_is_refused_compressed_goes_decompressed_if_the_project_says_so(
    dcmqrscp: DcmtkServer, tmp_path: Path
) -> None:
    package = make_compressed(tmp_path)
    target = make_dicom(dcmqrscp, decompress=True)

    receipt = target.send(package)
    target.verify(package, receipt)

    plain = dcmread(package.root / package.instances[0].file)
    stored = {ds.SOPInstanceUID: ds for ds in map(dcmread, dcmqrscp.files())}
    for uid in ("2.25.403", "2.25.404", "2.25.405"):
        assert receipt.stored[uid].warning == "sent decompressed"
        assert stored[uid].file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert len(stored[uid].PixelData) == len(plain.PixelData)
    assert receipt.stored["2.25.400"].warning == ""


def test_a_peer_that_breaks_off_is_away(storescp: Storescp, package: Package) -> None:
    with storescp("--abort-during") as server, pytest.raises(TargetUnavailable) as told:
        make_dicom(server).send(package)

    assert str(server.port) in str(told.value)


def test_a_peer_that_takes_no_association_is_away(storescp: Storescp, package: Package) -> None:
    with storescp("--refuse") as server, pytest.raises(TargetError, match=r"rejects|takes no"):
        make_dicom(server).send(package)


def test_a_peer_that_takes_one_association_gets_everything_by_it(
    tmp_path: Path, package: Package
) -> None:
    if not have("dcmqrscp"):
        pytest.skip("DCMTK is not installed")
    with running_dcmqrscp(tmp_path / "one", associations=1) as server:
        receipt = make_dicom(server, connections=4).send(package)

        assert len(server.files()) == 3
        assert receipt.n_instances == 3


def test_a_wrong_ae_title_is_told_with_its_remedy(dcmqrscp: DcmtkServer, package: Package) -> None:
    with pytest.raises(TargetRefused, match="set the target's called_ae"):
        make_dicom(dcmqrscp, called_ae="NOBODY").send(package)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(64), b"\2\0"])
def test_what_does_not_speak_dicom_is_told(package: Package, answer: bytes) -> None:
    with answering(answer) as port:
        peer = {"host": "127.0.0.1", "port": port, "called_ae": "X", "timeout_seconds": 1}
        target = build("dicom", peer, base=Path("/"))

        with pytest.raises(TargetUnavailable):
            target.send(package)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that says one thing to everybody and goes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def make_compressed(root: Path) -> Package:
    """Write one CT in each of several transfer syntaxes."""
    syntaxes = [
        ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
    ]  # fmt: skip
    instances = []
    for number, syntax in enumerate(syntaxes):
        uid = f"2.25.4{number:02}"
        identity = {"StudyInstanceUID": "2.25.101", "SeriesInstanceUID": "2.25.201"}
        ds = make_instance(
            number=number + 1,
            rows=64,
            columns=64,
            PatientID="PXKCD",
            SOPInstanceUID=uid,
            **identity,
        )
        file = f"PXKCD/2.25.101/2.25.201/{uid}.dcm"
        content = write_instance(root / file, ds, transfer_syntax_uid=syntax).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        instances.append(PackagedInstance(uid, file, digest, len(content)))
    study = PackagedStudy("PXKCD", "2.25.101", "SXKCD", "20190704", tuple(instances))
    return Package(root, 1, (study,))


@pytest.mark.parametrize(
    "change",
    [
        {"called_ae": "MUCH TOO LONG A TITLE"}, {"called_ae": ""}, {"calling_ae": "A\\B"},
        {"port": 0}, {"port": "104"}, {"ca_file": "ca.pem"}, {"connections": 0}, {"prof": "find"},
        {"tls": True, "listen_port": 11112}, {"proof": "hope"},
        {"decompress": True, "proof": "retrieve"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    options = {"host": "pacs", "port": 104, "called_ae": "PACS"} | change

    with pytest.raises(ValidationError):
        build("dicom", options, base=Path("/"))


def test_originals_are_taken() -> None:
    assert accepts_identified("dicom")
