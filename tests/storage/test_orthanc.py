"""Orthanc by REST, against a real Orthanc with its defaults."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError

from sendit.errors import TargetConflict, TargetError, TargetRefused, VerificationFailed
from sendit.storage import (
    IdentifiedInstance,
    IdentifiedPackage,
    IdentifiedTarget,
    Package,
    RemovableTarget,
    Target,
)
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.orthanc_receiver import OrthancReceiver
from tests.support.dicom_peers import OrthancServer, have, running_orthanc
from tests.support.make_study import make_instance, write_instance
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


def test_a_compressed_body_arrives_as_the_file_that_it_was(
    orthanc: OrthancServer, package: Package
) -> None:
    target = make_orthanc(orthanc, compress=True)

    target.verify(package, target.send(package))

    first = package.instances[0]
    assert orthanc.files()[first.sop_instance_uid] == (package.root / first.file).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"url": "orthanc:8042"}, {"url": "ftp://orthanc"}, {"url": "http://me:pw@orthanc"},
        {"url": "http://orthanc/?a=b"}, {"url": "http://orthanc:99999"}, {"connections": 0},
        {"password": "x"}, {"token": "t", "username": "u"}, {"ca_file": "ca.pem"}, {"ulr": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        build("orthanc", {"url": "http://orthanc"} | change, base=Path("/"))


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path, package: Package) -> None:
    if not have("Orthanc", "libOrthancDicomWeb.so"):
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"sendit": "right"}}
    with running_orthanc(tmp_path / "guarded", **users) as server:
        good = make_orthanc(server, username="sendit", password="right")
        good.verify(package, good.send(package))

        with pytest.raises(TargetRefused, match="credentials") as told:
            make_orthanc(server, username="sendit", password="wrong-canary").send(package)

    assert "canary" not in str(told.value)


def test_a_copy_under_another_patient_is_noticed(
    orthanc: OrthancServer, package: Package, tmp_path: Path
) -> None:
    target = make_orthanc(orthanc)
    receipt = target.send(package)
    other = make_package(tmp_path / "other", patient_id="POTHER")
    orthanc.post("/instances", (other.root / other.instances[0].file).read_bytes())

    with pytest.raises(VerificationFailed, match="is there 2 times"):
        target.verify(package, receipt)


def test_a_result_that_changed_here_proves_nothing(
    orthanc: OrthancServer, package: Package
) -> None:
    target = make_orthanc(orthanc)
    file = package.root / package.instances[0].file
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    receipt = target.send(package)

    with pytest.raises(VerificationFailed, match="has changed here"):
        target.verify(package, receipt)


def test_a_server_that_is_none_of_orthancs_is_told(
    orthanc: OrthancServer, package: Package
) -> None:
    target = build("orthanc", {"url": f"{orthanc.url}/app"}, base=Path("/"))

    with pytest.raises(TargetError, match="check the"):
        target.send(package)


def test_what_is_removed_there_meanwhile_counts_as_gone_and_other_content_stays(
    orthanc: OrthancServer, package: Package, tmp_path: Path
) -> None:
    target = make_orthanc(orthanc)
    assert isinstance(target, RemovableTarget)
    receipt = target.send(package)
    orthanc.clear()
    make_orthanc(orthanc).send(make_package(tmp_path / "other", n_instances=1, salt="changed"))

    removal = target.remove(receipt)

    assert set(removal.removed) == {"2.25.301", "2.25.302"}
    assert removal.left["2.25.300"].endswith("it was not touched.")
    assert set(orthanc.files()) == {"2.25.300"}


def test_originals_go_and_their_names_are_in_no_message(
    orthanc: OrthancServer, tmp_path: Path
) -> None:
    def originals(salt: str) -> IdentifiedPackage:
        path = tmp_path / f"{salt}.dcm"
        ds = make_instance(
            SOPInstanceUID="1.2.840.99.1", PatientName="CANARY", PatientComments=salt
        )
        content = write_instance(path, ds).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return IdentifiedPackage(
            tmp_path, 7, (IdentifiedInstance(1, path.name, "C/1.dcm", digest, len(content)),)
        )

    target = cast("IdentifiedTarget", make_orthanc(orthanc))
    receipt = target.send_identified(originals("one"))
    target.verify_identified(originals("one"), receipt)

    with pytest.raises(TargetConflict) as told:
        target.send_identified(originals("two"))

    assert "instance 1 " in str(told.value)
    assert "1.2.840.99.1" not in str(told.value)


def test_originals_are_taken() -> None:
    assert accepts_identified("orthanc")
