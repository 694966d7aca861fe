"""S3, against a real SeaweedFS: signatures, checksums, conditions, parts and versions are its own.

Amazon's own service is met in ``test_real_services``, when a place there is given.
"""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from sendit.errors import (
    TargetConflict,
    TargetRefused,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage import Package, PackagedInstance, PackagedStudy, Target
from sendit.storage.registry import accepts_identified, build
from sendit.storage.s3_answers import read_xml
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.store_receiver import StoreReceiver, make_large, unpacked
from tests.support.cloud import KEY, READER, READER_SECRET, SECRET, SeaweedServer
from tests.support.troubled_store import Answer, TroubledStore

XML = {"Content-Type": "application/xml"}
ANSWERS = {
    "full": (403, XML, b"<Error><Code>QuotaExceeded</Code></Error>"),
    "error 500": (500, XML, b"<Error><Code>InternalError</Code></Error>"),
}
ANSWERS |= {
    code: (
        status,
        {**XML, "x-amz-bucket-region": "eu-west-1"},
        f"<Error><Code>{code}</Code></Error>".encode(),
    )
    for status, code in ((301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed"))
}
TROUBLES = frozenset(
    {"away", "full", "slow", "drops connections", "error 500", "expired credentials"}
)


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """A bucket of SeaweedFS, past the target."""

    server: SeaweedServer

    def list(self) -> list[str]:
        return self.server.keys()

    def get(self, key: str) -> bytes:
        return self.server.ask("GET", quote(key)).body

    def put(self, key: str, content: bytes) -> None:
        self.server.ask("PUT", quote(key), content)

    def delete(self, key: str) -> None:
        self.server.ask("DELETE", quote(key))


@pytest.fixture
def proxy(seaweedfs: SeaweedServer) -> Iterator[TroubledStore]:
    proxy = TroubledStore(seaweedfs.url, ANSWERS)
    yield proxy
    proxy.close()


def make_receiver(server: SeaweedServer, way: TroubledStore, **options: object) -> StoreReceiver:
    return StoreReceiver(
        "s3",
        S3Bucket(server),
        way,
        {
            "bucket": server.bucket,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            **options,
        },
        {"expired credentials": {"secret_access_key": "of-yesterday"}},
    )


class TestArchive(TargetContract):
    troubles = TROUBLES

    @pytest.fixture
    def receiver(self, seaweedfs: SeaweedServer, proxy: TroubledStore) -> Receiver:
        return make_receiver(seaweedfs, proxy, prefix="research/irb-1")


class TestTree(TargetContract):
    troubles = TROUBLES

    @pytest.fixture
    def receiver(self, seaweedfs: SeaweedServer, proxy: TroubledStore) -> Receiver:
        return make_receiver(seaweedfs, proxy, layout="tree")


class TestByDigest(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture(params=["tree", "archive"])
    def receiver(
        self, seaweedfs: SeaweedServer, proxy: TroubledStore, request: pytest.FixtureRequest
    ) -> Receiver:
        return make_receiver(seaweedfs, proxy, layout=request.param, proof="digest")


def make_s3(server: SeaweedServer, **options: object) -> Target:
    known = {"access_key_id": KEY, "secret_access_key": SECRET}
    own = {"endpoint": server.url, "bucket": server.bucket, "timeout_seconds": 30, **known}
    return build("s3", {**own, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


# Archives of many parts


def test_an_archive_of_many_parts_is_one_object_with_the_digest_that_the_store_computed(
    seaweedfs: SeaweedServer, tmp_path: Path
) -> None:
    package = make_large(tmp_path)
    target = make_s3(seaweedfs, part_mib=5)

    receipt = target.send(package)

    target.verify(package, receipt)
    stored = receipt.stored["2.25.30"]
    assert stored.place == "P_20190704_S.tar.gz"
    assert stored.digest.startswith("etag:")
    assert stored.digest.endswith("-4")
    assert str(stored.size) == seaweedfs.ask("HEAD", stored.place).headers["content-length"]
    assert seaweedfs.uploads() == []


def test_parts_that_are_there_are_not_sent_again(
    seaweedfs: SeaweedServer, proxy: TroubledStore, tmp_path: Path
) -> None:
    package = make_large(tmp_path)
    target = make_s3(seaweedfs, endpoint=proxy.url, part_mib=5, connections=1)
    with proxy.troubled("error 500", after=6), pytest.raises(TargetUnavailable):
        target.send(package)
    assert len(seaweedfs.uploads()) == 1
    first = [path for method, path in proxy.asked if method == "PUT"]
    proxy.asked.clear()

    receipt = make_s3(seaweedfs, endpoint=proxy.url, part_mib=5, connections=1).send(package)

    sent = [path for method, path in proxy.asked if method == "PUT"]
    assert first
    assert 0 < len(sent) < 4
    target.verify(package, receipt)
    assert seaweedfs.uploads() == []


def test_an_archive_that_appears_while_it_is_sent_is_not_overwritten(
    seaweedfs: SeaweedServer, tmp_path: Path
) -> None:
    ours, theirs = make_large(tmp_path / "a"), make_large(tmp_path / "b", salt=b"other")
    target, other = (make_s3(seaweedfs, part_mib=5) for _ in range(2))
    calls = iter(range(1000))

    def while_sending() -> None:
        if next(calls) == 12:
            other.send(theirs)

    with pytest.raises(TargetConflict) as refusal:
        target.send(ours, progress=while_sending)

    assert len(refusal.value.failures) == 3
    other.verify(theirs, other.send(theirs))
    assert seaweedfs.uploads() == []


def test_a_large_instance_goes_in_parts_too(seaweedfs: SeaweedServer, tmp_path: Path) -> None:
    path = tmp_path / "P/2.25.1/2.25.2/2.25.3.dcm"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        stream.truncate(66 << 20)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    one = PackagedInstance("2.25.3", "P/2.25.1/2.25.2/2.25.3.dcm", digest, 66 << 20)
    package = Package(tmp_path, 1, (PackagedStudy("P", "2.25.1", "S", "", (one,)),))
    target = make_s3(seaweedfs, layout="tree", part_mib=16)

    receipt = target.send(package)

    target.verify(package, receipt)
    assert receipt.stored["2.25.3"].digest.endswith("-5")


@pytest.mark.parametrize(
    ("tells_sha256", "name"), [(True, "ChecksumSHA256"), (False, "ETag")], ids=["SHA-256", "MD5"]
)
def test_an_object_of_other_parts_than_were_sent_is_noticed(
    seaweedfs: SeaweedServer, proxy: TroubledStore, tmp_path: Path, tells_sha256: bool, name: str
) -> None:
    def told(answer: Answer) -> Answer:
        status, headers, body = answer
        if not tells_sha256:
            hidden = ("x-amz-checksum-sha256", "content-length")
            headers = {key: value for key, value in headers.items() if key.lower() not in hidden}
            body = re.sub(rb"<ChecksumSHA256>.*</ChecksumSHA256>", b"", body)
        return status, headers, body

    def of_other_parts(answer: Answer) -> Answer:
        status, headers, body = told(answer)
        body = re.sub(rf"(<{name}>(?:&#34;)?)....".encode(), rb"\1abcd", body)
        return status, headers, body

    package = make_large(tmp_path)
    first = make_s3(seaweedfs, endpoint=proxy.url, part_mib=5, prefix="first")
    proxy.changed = {"uploadId=": told}
    first.verify(package, first.send(package))
    proxy.changed = {"PUT": told, "POST": of_other_parts}

    with pytest.raises(VerificationFailed, match="other bytes than were sent"):
        make_s3(seaweedfs, endpoint=proxy.url, part_mib=5, prefix="second").send(package)


def test_a_store_need_not_tell_of_how_many_parts_a_checksum_is(
    seaweedfs: SeaweedServer, proxy: TroubledStore, tmp_path: Path
) -> None:
    def without_count(answer: Answer) -> Answer:
        status, headers, body = answer
        return status, headers, re.sub(rb"-\d+(</ChecksumSHA256>)", rb"\1", body)

    proxy.changed = {"POST": without_count}
    package = make_large(tmp_path)
    target = make_s3(seaweedfs, endpoint=proxy.url, part_mib=5)

    target.verify(package, target.send(package))


# What is kept, and how


def test_an_object_has_the_name_and_the_type_that_the_guide_says(
    seaweedfs: SeaweedServer, package: Package
) -> None:
    archive = make_s3(seaweedfs, prefix="/a/b/")
    tree = make_s3(seaweedfs, layout="tree", prefix="c")

    archive.send(package)
    receipt = tree.send(package)

    uids = [one.sop_instance_uid for one in package.instances]
    assert seaweedfs.keys() == [
        "a/b/PXKCD_20190704_SXKCD.tar.gz",
        *(f"c/PXKCD/2.25.100/2.25.200/{uid}.dcm" for uid in uids),
    ]
    told = seaweedfs.ask("HEAD", "a/b/PXKCD_20190704_SXKCD.tar.gz")
    assert told.headers["content-type"] == "application/gzip"
    place = receipt.stored[uids[0]].place
    assert seaweedfs.ask("HEAD", quote(place)).headers["content-type"] == "application/dicom"
    assert receipt.stored[uids[0]].digest == f"sha256:{package.instances[0].sha256}"
    names = unpacked(seaweedfs.ask("GET", "a/b/PXKCD_20190704_SXKCD.tar.gz").body)
    assert all(name.startswith("PXKCD_20190704_SXKCD/2.25.200/") for name in names)


def test_an_archive_need_not_be_packed_and_is_the_same_to_us_either_way(
    seaweedfs: SeaweedServer, package: Package
) -> None:
    loose, packed = make_s3(seaweedfs, pack=False), make_s3(seaweedfs)

    receipt = loose.send(package)

    [key] = seaweedfs.keys()
    content = seaweedfs.ask("GET", key).body
    assert len(content) > sum(one.size for one in package.instances)
    assert len(unpacked(content)) == len(package.instances)
    packed.verify(package, receipt)
    packed.send(package)
    assert seaweedfs.ask("GET", key).body == content


def test_encryption_is_asked_for_each_object(seaweedfs: SeaweedServer, package: Package) -> None:
    target = make_s3(seaweedfs, encryption="AES256", layout="tree")

    receipt = target.send(package)

    target.verify(package, receipt)
    place = receipt.stored[package.instances[0].sop_instance_uid].place
    told = seaweedfs.ask("HEAD", quote(place))
    assert told.headers["x-amz-server-side-encryption"] == "AES256"


def test_the_bucket_may_be_in_the_name_of_the_host(
    seaweedfs: SeaweedServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not every resolver knows names below localhost, which are the loopback (RFC 6761 6.3).
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest: resolve("127.0.0.1", *rest))
    port = seaweedfs.url.rsplit(":", 1)[1]
    target = make_s3(seaweedfs, endpoint=f"http://localhost:{port}", style="virtual")

    target.verify(package, target.send(package))

    assert target.location == f"http://{seaweedfs.bucket}.localhost:{port}"  # type: ignore[attr-defined]
    assert len(seaweedfs.keys()) == 1


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://irb-1.s3.eu-central-1.amazonaws.com"),
        ({"style": "path"}, "https://s3.eu-central-1.amazonaws.com/irb-1"),
        ({"endpoint": "https://s3.example.org:9000"}, "https://s3.example.org:9000/irb-1"),
        ({"bucket": "irb.1"}, "https://s3.eu-central-1.amazonaws.com/irb.1"),
        ({"bucket": "Irb_1"}, "https://s3.eu-central-1.amazonaws.com/Irb_1"),
    ],
)
def test_the_address_is_the_usual_one_for_the_store(options: dict[str, str], url: str) -> None:
    target = build("s3", {"bucket": "irb-1", "region": "eu-central-1", **options}, base=Path("/"))

    assert target.location == url  # type: ignore[attr-defined]


# Versions


def test_what_is_taken_back_leaves_no_version(
    server_of_versions: SeaweedServer, package: Package
) -> None:
    target = make_s3(server_of_versions)
    receipt = target.send(package)
    assert receipt.stored[package.instances[0].sop_instance_uid].version

    removal = target.remove(receipt)  # type: ignore[attr-defined]

    assert removal.left == {}
    found = read_xml(server_of_versions.ask("GET", "?versions=").body)
    assert list(found.all("Version")) == []


def test_an_older_version_that_is_kept_is_told(
    server_of_versions: SeaweedServer, package: Package
) -> None:
    target = make_s3(server_of_versions)
    place = "PXKCD_20190704_SXKCD.tar.gz"
    target.remove(target.send(package))  # type: ignore[attr-defined]
    server_of_versions.ask("PUT", place, b"somebody else's")
    server_of_versions.ask("DELETE", place)
    receipt = target.send(package)

    removal = target.remove(receipt)  # type: ignore[attr-defined]

    assert set(removal.left.values()) == {"is kept as an older version of its key."}


@pytest.fixture
def server_of_versions(seaweedfs: SeaweedServer) -> SeaweedServer:
    server = seaweedfs.with_new_bucket()
    server.ask(
        "PUT",
        "?versioning=",
        b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    )
    return server


# Refusals


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"bucket": "no-such-bucket"}, "NoSuchBucket"),
        ({"access_key_id": "AKNOBODY"}, "InvalidAccessKeyId"),
        ({"secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"access_key_id": READER, "secret_access_key": READER_SECRET}, "s3:PutObject"),
        ({"access_key_id": "", "secret_access_key": "", "profile": "nobody"}, "ProfileNotFound"),
    ],
)
@pytest.mark.parametrize("layout", ["tree", "archive"])
def test_a_refusal_says_what_to_do(
    seaweedfs: SeaweedServer, package: Package, options: dict[str, str], word: str, layout: str
) -> None:
    target = make_s3(seaweedfs, layout=layout, **options)

    with pytest.raises(TargetRefused, match=word):
        target.send(package)
    with pytest.raises(TargetRefused, match=word):
        target.probe()


@pytest.mark.parametrize("code", ["PermanentRedirect", "AuthorizationHeaderMalformed"])
def test_the_region_of_the_bucket_is_told(
    proxy: TroubledStore, seaweedfs: SeaweedServer, package: Package, code: str
) -> None:
    with (
        proxy.troubled(code),
        pytest.raises(TargetRefused, match=r'another region.*set region to "eu-west-1"'),
    ):
        make_s3(seaweedfs, endpoint=proxy.url).send(package)


def test_a_store_that_is_busy_is_asked_again_when_it_is_read_too(
    proxy: TroubledStore, seaweedfs: SeaweedServer, package: Package
) -> None:
    target = make_s3(seaweedfs, endpoint=proxy.url)
    receipt = target.send(package)

    with proxy.troubled_for(1, "error 500", after=0):
        target.verify(package, receipt)


def test_bytes_that_change_on_their_way_are_refused_by_the_store(
    seaweedfs: SeaweedServer, package: Package
) -> None:
    victim = package.instances[1]
    path = package.root / victim.file
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")

    with pytest.raises(TargetUnavailable, match="bytes changed"):
        make_s3(seaweedfs, layout="tree").send(package)

    held = seaweedfs.keys()
    assert not any(victim.sop_instance_uid in key for key in held)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"bucket": "no/name"}, "bucket"),
        ({"access_key_id": "AK"}, r"need each other.*SENDIT_<PROJECT>_<TARGET>_SECRET_ACCESS_KEY"),
        ({"endpoint": "ftp://h"}, r"endpoint\n +is not an address; allowed: http"),
        ({"kms_key": "k"}, "aws:kms"),
        ({"prefix": "a/../b"}, "characters"),
        ({"profile": "p", "access_key_id": "A", "secret_access_key": "s"}, "exclude"),
        ({"endpoint": "http://h", "ca_file": "/ca.pem"}, "https"),
        ({"part_mib": 4}, "greater than or equal to 5"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        build("s3", {"bucket": "irb-1", **options}, base=Path("/"))


# Keys


def test_keys_are_found_in_the_environment(
    seaweedfs: SeaweedServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    target = make_s3(seaweedfs, access_key_id="", secret_access_key="")

    target.verify(package, target.send(package))


def test_keys_are_found_in_the_files(
    seaweedfs: SeaweedServer, package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[irb]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    target = make_s3(seaweedfs, access_key_id="", secret_access_key="", profile="irb")

    target.verify(package, target.send(package))


class Metadata(BaseHTTPRequestHandler):
    """The metadata service of a machine with a role, version 2 (AWS, user guide of EC2)."""

    role = "/latest/meta-data/iam/security-credentials/"
    keys = json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": KEY,
            "SecretAccessKey": SECRET,
            "Token": "",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    )

    def do_PUT(self) -> None:
        self._tell("token" if self.path == "/latest/api/token" else "")

    def do_GET(self) -> None:
        known = {self.role: "irb", f"{self.role}irb": self.keys}
        is_known = self.headers.get("x-aws-ec2-metadata-token") == "token"
        self._tell(known.get(self.path, "") if is_known else "")

    def _tell(self, text: str) -> None:
        self.send_response(200 if text else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_keys_are_found_at_the_metadata_service(
    seaweedfs: SeaweedServer, package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as service:
        threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{service.server_address[1]}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        target = make_s3(seaweedfs, access_key_id="", secret_access_key="")

        target.verify(package, target.send(package))

        service.shutdown()


def test_originals_are_never_taken() -> None:
    assert not accepts_identified("s3")
