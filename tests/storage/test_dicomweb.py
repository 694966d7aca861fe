"""DICOMweb, against the plug-in of a real Orthanc with its defaults."""

from pathlib import Path

import pytest

from sendit.errors import VerificationFailed
from sendit.storage import Package, Target
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import TargetContract, make_package
from tests.support.dicom_peers import OrthancServer


def make_dicomweb(server: OrthancServer, **options: object) -> Target:
    return build("dicomweb", {"url": server.dicomweb, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


class TestByRetrieving(TargetContract):
    @pytest.fixture
    def target(self, orthanc: OrthancServer) -> Target:
        return make_dicomweb(orthanc)


class TestByMetadata(TargetContract):
    @pytest.fixture
    def target(self, orthanc: OrthancServer) -> Target:
        return make_dicomweb(orthanc, proof="metadata")


def test_bytes_spoilt_on_the_disk_of_the_server_are_noticed(
    orthanc: OrthancServer, package: Package
) -> None:
    target = make_dicomweb(orthanc)
    receipt = target.send(package)
    bad = package.instances[1]
    stored = orthanc.stored_file(bad.sop_instance_uid)
    content = bytearray(stored.read_bytes())
    content[-5] ^= 1
    stored.write_bytes(content)

    with pytest.raises(VerificationFailed, match=bad.sop_instance_uid) as failure:
        target.verify(package, receipt)

    assert set(failure.value.failures) == {bad.sop_instance_uid}


def test_originals_are_not_taken() -> None:
    assert not accepts_identified("dicomweb")
