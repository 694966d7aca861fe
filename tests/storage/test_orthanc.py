"""Orthanc by REST, against a real Orthanc with its defaults."""

from pathlib import Path

import pytest

from sendit.errors import VerificationFailed
from sendit.storage import Package, Target
from sendit.storage.registry import build
from tests.contracts.targets import TargetContract, make_package
from tests.support.dicom_peers import OrthancServer


def make_orthanc(server: OrthancServer, **options: object) -> Target:
    return build("orthanc", {"url": server.url, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


class TestByMd5(TargetContract):
    @pytest.fixture
    def target(self, orthanc: OrthancServer) -> Target:
        return make_orthanc(orthanc)


class TestByFile(TargetContract):
    @pytest.fixture
    def target(self, orthanc: OrthancServer) -> Target:
        return make_orthanc(orthanc, proof="file")


@pytest.mark.parametrize("proof", ["md5", "file"])
def test_bytes_spoilt_on_the_disk_of_orthanc_are_noticed(
    orthanc: OrthancServer, package: Package, proof: str
) -> None:
    target = make_orthanc(orthanc, proof=proof)
    receipt = target.send(package)
    bad = package.instances[1]
    stored = orthanc.stored_file(bad.sop_instance_uid)
    content = bytearray(stored.read_bytes())
    content[-5] ^= 1
    stored.write_bytes(content)

    with pytest.raises(VerificationFailed, match=bad.sop_instance_uid) as failure:
        target.verify(package, receipt)

    assert set(failure.value.failures) == {bad.sop_instance_uid}
