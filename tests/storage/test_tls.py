"""TLS with certificates of both ends, to a real Orthanc, by each way.

DICOM is Orthanc's own TLS.  HTTPS ends in a proxy before it, as at most sites: Debian's Orthanc
1.10.1 dies (a segmentation fault in its web server) when a client shows a certificate.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sendit.errors import TargetError, TargetRefused
from sendit.storage.registry import build
from tests.contracts.targets import make_package
from tests.support.certificates import Authority, Certificate
from tests.support.dicom_peers import OrthancServer, have, running_orthanc
from tests.support.troubled_http import TroubledHttp

KINDS = ("dicom", "dicomweb", "orthanc")
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Guarded:
    """An Orthanc that speaks only TLS, and only with whom its authority vouches for."""

    server: OrthancServer
    proxy: TroubledHttp
    authority: Authority
    ours: Certificate

    def options(self, kind: str) -> dict[str, object]:
        tls = {
            "ca_file": str(self.authority.certificate),
            "client_certificate": str(self.ours.certificate),
            "client_key": str(self.ours.key),
            "client_key_password": PASSWORD,
            "timeout_seconds": 10,
        }
        if kind == "dicom":
            port = self.server.dicom_port
            own = {"host": "127.0.0.1", "port": port, "called_ae": "ORTHANC", "tls": True}
            return tls | own | {"proof": "commitment", "listen_port": self.server.report_port}
        return tls | {"url": self.proxy.url + ("/dicom-web" if kind == "dicomweb" else "")}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    if not have("Orthanc", "libOrthancDicomWeb.so"):
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    server = authority.issue("server")
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(server.certificate),
        "DicomTlsPrivateKey": str(server.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
    }
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(server.both)
    with running_orthanc(folder / "orthanc", reports_by_tls=True, **tls) as orthanc:
        proxy = TroubledHttp(orthanc.url, tls=context)
        yield Guarded(orthanc, proxy, authority, authority.issue("sendit", password=PASSWORD))
        proxy.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_goes_by_tls_and_is_proven(guarded: Guarded, kind: str, tmp_path: Path) -> None:
    guarded.server.clear()
    package = make_package(tmp_path, salt="tls")
    target = build(kind, guarded.options(kind), base=tmp_path)

    target.probe()
    target.verify(package, target.send(package))


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_nobody_vouches_for_is_refused(
    guarded: Guarded, kind: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    options = guarded.options(kind) | {"ca_file": str(stranger.certificate)}

    with pytest.raises(TargetRefused, match="not to be trusted"):
        build(kind, options, base=tmp_path).send(make_package(tmp_path / "clean"))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_certificate_of_ours_nothing_goes(
    guarded: Guarded, kind: str, tmp_path: Path
) -> None:
    options = guarded.options(kind)
    for key in ("client_certificate", "client_key", "client_key_password", "listen_port"):
        options.pop(key, None)

    with pytest.raises(TargetError):
        build(kind, options, base=tmp_path).send(make_package(tmp_path / "clean"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"client_key_password": "wrong"}, {"ca_file": "missing.pem"}])
def test_a_certificate_that_cannot_be_used_is_told(
    guarded: Guarded, kind: str, change: dict[str, object], tmp_path: Path
) -> None:
    options = guarded.options(kind) | change

    with pytest.raises(TargetRefused, match="cannot be used") as told:
        build(kind, options, base=tmp_path).send(make_package(tmp_path / "clean"))

    assert "client_key" in str(told.value)
    assert PASSWORD not in str(told.value)
