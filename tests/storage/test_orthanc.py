"""Orthanc by REST, against a real Orthanc with its defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sendit.storage import Package, Target
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.orthanc_receiver import OrthancReceiver
from tests.support.dicom_peers import OrthancServer
from tests.support.troubled_http import TroubledHttp


def make_orthanc(server: OrthancServer, **options: object) -> Target:
    return build("orthanc", {"url": server.url, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


@pytest.fixture
def proxy(orthanc: OrthancServer) -> Iterator[TroubledHttp]:
    proxy = TroubledHttp(orthanc.url)
    yield proxy
    proxy.close()


class TestByMd5(TargetContract):
    troubles = frozenset(
        {
            "away", "full", "slow", "drops connections", "error 500", "expired credentials",
            "refuses class",
        }
    )  # fmt: skip

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> Receiver:
        return OrthancReceiver(orthanc, "orthanc", proxy)


class TestByFile(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> Receiver:
        return OrthancReceiver(orthanc, "orthanc", proxy, {"proof": "file"})


def test_originals_are_taken() -> None:
    assert accepts_identified("orthanc")
