"""DICOMweb, against the plug-in of a real Orthanc with its defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sendit.errors import InstancesMissing
from sendit.storage import Package, RemovableTarget, Target
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.orthanc_receiver import OrthancReceiver
from tests.support.dicom_peers import OrthancServer
from tests.support.troubled_http import TroubledHttp


def make_dicomweb(server: OrthancServer, **options: object) -> Target:
    return build("dicomweb", {"url": server.dicomweb, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


@pytest.fixture
def proxy(orthanc: OrthancServer) -> Iterator[TroubledHttp]:
    proxy = TroubledHttp(orthanc.url)
    yield proxy
    proxy.close()


class TestByRetrieving(TargetContract):
    troubles = frozenset(
        {
            "away", "full", "slow", "drops connections", "error 500", "expired credentials",
            "refuses class",
        }
    )  # fmt: skip

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> Receiver:
        return OrthancReceiver(orthanc, "dicomweb", proxy)


class TestByMetadata(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> Receiver:
        return OrthancReceiver(orthanc, "dicomweb", proxy, {"proof": "metadata"})


def test_what_a_server_does_not_let_us_remove_is_listed(
    orthanc: OrthancServer, package: Package
) -> None:
    target = make_dicomweb(orthanc)
    receipt = target.send(package)
    assert isinstance(target, RemovableTarget)

    removal = target.remove(receipt)

    assert removal.removed == ()
    assert removal.left.keys() == receipt.digests.keys()
    assert all(reason.endswith("remove it there.") for reason in removal.left.values())


def test_a_server_that_says_stored_and_did_not_is_noticed(
    orthanc: OrthancServer, package: Package
) -> None:
    target = make_dicomweb(orthanc)

    with orthanc.refusing("CT"):
        receipt = target.send(package)

    with pytest.raises(InstancesMissing, match=r"2\.25\.300 was taken there") as failure:
        target.verify(package, receipt)
    assert failure.value.failures.keys() == receipt.digests.keys()


def test_originals_are_not_taken() -> None:
    assert not accepts_identified("dicomweb")
