"""C-STORE and its proofs, against a real Orthanc with its defaults, and DCMTK's servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sendit.storage import Package
from sendit.storage.registry import accepts_identified
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.orthanc_receiver import OrthancReceiver
from tests.support.dicom_peers import OrthancServer
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


def test_originals_are_taken() -> None:
    assert accepts_identified("dicom")
