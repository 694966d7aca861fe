"""Google Cloud Storage, against two emulators: each keeps to what the other does not.

fake-gcs-server refuses to overwrite when asked so (412); gcp-storage-emulator refuses bytes that
have another MD5 or CRC32C, and knows soft delete.  Neither knows credentials, quotas or ACLs, so
what Google says of those is answered by a proxy in the words of the published reference.
Google's own service is met in ``test_real_services``, when a place there is given.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.compute_engine import _metadata
from pydantic import ValidationError

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetQuotaUsed,
    TargetRefused,
    TargetUnavailable,
)
from sendit.storage import Package, Target
from sendit.storage.gcs_store import GcsStore
from sendit.storage.google_login import GoogleLogin
from sendit.storage.http_options import HttpOptions
from sendit.storage.objects import GZIP
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.store_receiver import StoreReceiver, make_large
from tests.support.cloud import GcsServer
from tests.support.troubled_store import Answer, TroubledStore

JSON = {"Content-Type": "application/json"}


def refusal(code: int, reason: str, message: str = "") -> Answer:
    """Return an error as the reference of the JSON interface shows it."""
    errors = [{"domain": "global", "reason": reason, "message": message}]
    body = {"error": {"code": code, "message": message, "errors": errors}}
    return code, JSON, json.dumps(body).encode()


ANSWERS = {
    "full": refusal(403, "quotaExceeded"),
    "error 500": refusal(500, "internalError"),
    "expired credentials": refusal(401, "authError"),
    "no rights": refusal(403, "forbidden"),
    "busy": refusal(429, "rateLimitExceeded"),
    "uniform": refusal(400, "invalid", "Cannot use ACL API; uniform bucket-level access is on."),
    "not enabled": refusal(403, "accessNotConfigured"),
    "no store": (405, {}, b"<html>"),
    "no length": (411, {}, b"<html>"),
    "asks to wait": (503, {"Retry-After": "3600"}, b"{}"),
    "no bucket": refusal(404, "notFound", "The specified bucket does not exist."),
}
TROUBLES = frozenset(
    {"away", "full", "slow", "drops connections", "error 500", "expired credentials"}
)


def proxy_before(server: GcsServer) -> Iterator[TroubledStore]:
    proxy = TroubledStore(server.url, ANSWERS)
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(fake_gcs: GcsServer) -> Iterator[TroubledStore]:
    yield from proxy_before(fake_gcs)


@pytest.fixture
def strict_proxy(gcp_emulator: GcsServer) -> Iterator[TroubledStore]:
    yield from proxy_before(gcp_emulator)


def make_receiver(server: GcsServer, way: TroubledStore, **options: object) -> StoreReceiver:
    own = {"bucket": server.bucket, "collection": "irb-1", "anonymous": True}
    return StoreReceiver("gcs", server, way, {**own, **options})


def make_gcs(url: str, **options: object) -> Target:
    own = {"endpoint": url, "bucket": "research", "collection": "irb-1", "anonymous": True}
    return build("gcs", {**own, "timeout_seconds": 30, **options}, base=Path("/"))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


class TestArchive(TargetContract):
    troubles = TROUBLES

    @pytest.fixture
    def receiver(self, fake_gcs: GcsServer, proxy: TroubledStore) -> Receiver:
        return make_receiver(fake_gcs, proxy)


class TestTree(TargetContract):
    troubles = TROUBLES

    @pytest.fixture
    def receiver(self, fake_gcs: GcsServer, proxy: TroubledStore) -> Receiver:
        return make_receiver(fake_gcs, proxy, layout="tree")


class TestByDigest(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture(params=["tree", "archive"])
    def receiver(
        self, fake_gcs: GcsServer, proxy: TroubledStore, request: pytest.FixtureRequest
    ) -> Receiver:
        return make_receiver(fake_gcs, proxy, layout=request.param, proof="digest")


class TestWithDigestsChecked(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture(params=["tree", "archive"])
    def receiver(
        self, gcp_emulator: GcsServer, strict_proxy: TroubledStore, request: pytest.FixtureRequest
    ) -> Receiver:
        return make_receiver(gcp_emulator, strict_proxy, layout=request.param)


# What is kept, and how


def test_an_archive_need_not_be_packed(fake_gcs: GcsServer, package: Package) -> None:
    target = make_gcs(fake_gcs.url, pack=False)

    target.verify(package, target.send(package))

    [key] = fake_gcs.list()
    assert int(fake_gcs.about(key)["size"]) > sum(one.size for one in package.instances)


def test_an_object_has_the_name_and_the_type_of_the_original_sendit(
    fake_gcs: GcsServer, package: Package
) -> None:
    receipt = make_gcs(fake_gcs.url).send(package)

    key = "Collection/IRB-1/Entity/PXKCD/PXKCD_20190704_SXKCD.tar.gz"
    assert fake_gcs.list() == [key]
    told = fake_gcs.about(key)
    assert told["contentType"] == "application/gzip"
    stored = receipt.stored[package.instances[0].sop_instance_uid]
    assert stored.place == key
    assert stored.version == told["generation"]
    assert stored.size == int(told["size"])
    assert {word.split(":")[0] for word in stored.digest.split()} == {"md5", "crc32c"}


def test_rights_are_asked_for_and_nothing_is_overwritten(
    proxy: TroubledStore, package: Package
) -> None:
    make_gcs(proxy.url).send(package)
    make_gcs(proxy.url, acl="bucket", collection="other").send(package)

    first, second = (path for method, path in proxy.asked if method == "POST")
    assert "predefinedAcl=projectPrivate" in first
    assert "predefinedAcl" not in second
    assert all("ifGenerationMatch=0" in path for path in (first, second))


@pytest.mark.parametrize("server", ["fake_gcs", "gcp_emulator"])
def test_a_large_archive_is_one_object_and_one_request(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    emulator: GcsServer = request.getfixturevalue(server)
    package = make_large(tmp_path)
    target = make_gcs(emulator.url)

    receipt = target.send(package)

    target.verify(package, receipt)
    assert len(emulator.list()) == 1


@pytest.mark.parametrize("n_lost", [1, 2])
def test_an_upload_goes_on_after_a_lost_connection(
    strict_proxy: TroubledStore, tmp_path: Path, n_lost: int
) -> None:
    package = make_large(tmp_path)
    target = make_gcs(strict_proxy.url)

    with strict_proxy.troubled_for(n_lost, "breaks off", after=0):
        receipt = target.send(package)

    target.verify(package, receipt)
    spans = [one["content-range"] for one in strict_proxy.headers if "content-range" in one]
    assert len(spans) == 1 + 2 * n_lost  # what was lost, and each time how much had come
    starts = [int(span.split()[1].split("-")[0]) for span in spans[::2]]
    assert starts == sorted(set(starts))
    assert starts[0] == 0


def test_an_upload_that_came_whole_is_ended_after_a_lost_connection(
    strict_proxy: TroubledStore,
) -> None:
    options = HttpOptions(url=strict_proxy.url, timeout_seconds=30)
    store = GcsStore(options, GoogleLogin(None, (), anonymous=True), "research", acl="")
    blocks = [bytes([number]) * (1 << 20) for number in range(20)]
    strict_proxy.n_kept = None

    with store.connected(), strict_proxy.troubled_for(1, "breaks off", after=0):
        held = store.put_blocks(
            "key", lambda: iter(blocks), GZIP, at_most=20 << 20, progress=lambda: None
        )

    assert held is not None
    assert store.is_of(held, blocks, at_most=20 << 20)
    spans = [one["content-range"] for one in strict_proxy.headers if "content-range" in one]
    assert spans == ["bytes 0-*/*", "bytes */*", f"bytes */{20 << 20}"]


def test_an_upload_that_is_lost_again_and_again_is_given_up(
    strict_proxy: TroubledStore, tmp_path: Path
) -> None:
    package = make_large(tmp_path)
    target = make_gcs(strict_proxy.url)

    with strict_proxy.troubled_for(3, "breaks off", after=0), pytest.raises(TargetUnavailable):
        target.send(package)

    target.verify(package, target.send(package))


def test_a_line_that_breaks_now_and_then_is_no_reason_to_give_up(
    strict_proxy: TroubledStore,
) -> None:
    options = HttpOptions(url=strict_proxy.url, timeout_seconds=30)
    store = GcsStore(options, GoogleLogin(None, (), anonymous=True), "research", acl="")
    blocks = [bytes([number]) * (1 << 20) for number in range(56)]
    strict_proxy.n_kept = 10

    with store.connected(), strict_proxy.troubled_for(5, "breaks off", after=0):
        held = store.put_blocks(
            "key", lambda: iter(blocks), GZIP, at_most=56 << 20, progress=lambda: None
        )

    assert held is not None
    assert store.is_of(held, blocks, at_most=56 << 20)


@pytest.mark.parametrize("trouble", ["asks to wait", "full"])
def test_an_upload_is_not_gone_on_with_when_the_store_says_later(
    strict_proxy: TroubledStore, tmp_path: Path, trouble: str
) -> None:
    target = make_gcs(strict_proxy.url)

    with strict_proxy.troubled_for(1, trouble, after=2), pytest.raises(TargetUnavailable):
        target.send(make_large(tmp_path))

    assert [method for method, _ in strict_proxy.asked] == ["GET", "POST", "PUT"]


def test_an_archive_that_appears_while_it_is_packed_is_not_overwritten(
    fake_gcs: GcsServer, package: Package, tmp_path: Path
) -> None:
    # Only of an upload in one request: the emulator forgets the condition of a resumable one.
    theirs = make_package(tmp_path / "other", salt="changed")
    target, other = (make_gcs(fake_gcs.url) for _ in range(2))
    calls = iter(range(1000))

    def while_sending() -> None:
        if next(calls) == 0:
            other.send(theirs)

    with pytest.raises(TargetConflict):
        target.send(package, progress=while_sending)

    other.verify(theirs, other.send(theirs))


def test_what_is_not_what_was_sent_is_removed_again(
    fake_gcs: GcsServer, proxy: TroubledStore, package: Package
) -> None:
    def other_digest(answer: Answer) -> Answer:
        told: dict[str, Any] = json.loads(answer[2])
        return answer[0], answer[1], json.dumps({**told, "crc32c": "AAAAAA=="}).encode()

    proxy.changed = {"POST": other_digest}

    with pytest.raises(TargetUnavailable, match="other bytes"):
        make_gcs(proxy.url).send(package)

    assert fake_gcs.list() == []


@pytest.mark.parametrize("layout", ["tree", "archive", "large archive"])
def test_an_answer_that_tells_nothing_of_what_came_is_asked_for_more(
    gcp_emulator: GcsServer, strict_proxy: TroubledStore, tmp_path: Path, layout: str
) -> None:
    package = make_large(tmp_path) if layout.startswith("large") else make_package(tmp_path)
    target = make_gcs(strict_proxy.url, layout=layout.split()[-1])
    part = "upload_id" if layout.startswith("large") else "uploadType=multipart"
    strict_proxy.changed = {part: lambda answer: (answer[0], answer[1], b"")}

    target.verify(package, target.send(package))

    assert not any(method == "DELETE" for method, _ in strict_proxy.asked)
    assert len(gcp_emulator.list()) == (len(package.instances) if layout == "tree" else 1)


def test_a_file_that_was_changed_here_does_not_stay_there(
    fake_gcs: GcsServer, package: Package
) -> None:
    path = package.root / package.instances[1].file
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")

    with pytest.raises(TargetError, match="changed"):
        make_gcs(fake_gcs.url, layout="tree").send(package)

    assert not any("2.25.301" in key for key in fake_gcs.list())


# Refusals


@pytest.mark.parametrize(
    ("trouble", "kind", "word"),
    [
        ("no rights", TargetRefused, "storage.objects.create"),
        ("busy", TargetUnavailable, "too much"),
        ("uniform", TargetRefused, 'set acl of the target to "bucket"'),
        ("not enabled", TargetRefused, "not enabled"),
        ("full", TargetQuotaUsed, "two days"),
        ("no bucket", TargetRefused, "set bucket anew"),
        ("no store", TargetRefused, "see endpoint"),
        ("no length", TargetRefused, "Transfer-Encoding"),
    ],
)
@pytest.mark.parametrize("layout", ["tree", "archive"])
def test_a_refusal_says_what_to_do(
    proxy: TroubledStore,
    package: Package,
    trouble: str,
    kind: type[TargetError],
    word: str,
    layout: str,
) -> None:
    with proxy.troubled(trouble), pytest.raises(kind, match=word) as told:
        make_gcs(proxy.url, layout=layout).send(package)

    assert type(told.value) is kind


def test_a_store_that_is_busy_is_asked_again_when_it_is_read_too(
    proxy: TroubledStore, package: Package
) -> None:
    target = make_gcs(proxy.url, layout="tree", connections=1)
    receipt = target.send(package)

    with proxy.troubled_for(1, "busy", after=1):  # the first question is about the object
        target.verify(package, receipt)


def test_a_store_that_asks_to_wait_for_an_hour_is_left_alone(
    proxy: TroubledStore, package: Package
) -> None:
    with proxy.troubled("asks to wait"), pytest.raises(TargetUnavailable, match="503"):
        make_gcs(proxy.url).send(package)

    assert len(proxy.asked) == 1


def test_a_bucket_that_is_not_there_is_told(fake_gcs: GcsServer, package: Package) -> None:
    with pytest.raises(TargetRefused, match="set bucket anew"):
        make_gcs(fake_gcs.url, bucket="nowhere").send(package)


def test_what_can_be_restored_is_not_gone(gcp_emulator: GcsServer, package: Package) -> None:
    server = gcp_emulator.with_new_bucket()
    target = make_gcs(server.url, bucket=server.bucket)
    target.probe()
    receipt = target.send(package)

    removal = target.remove(receipt)  # type: ignore[attr-defined]

    assert set(removal.left.values()) == {"can be restored until the bucket's soft delete ends."}
    assert server.list() == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"bucket": "no/name"}, "bucket"),
        ({"collection": "a/b"}, "match"),
        ({"endpoint": "https://storage.googleapis.com"}, "need credentials"),
        ({"ca_file": "/ca.pem"}, "https"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        make_gcs("http://127.0.0.1:1", **options)


# Credentials


class Google:
    """Gives tokens as OAuth's server and as the metadata server do, and counts them."""

    TOLD: ClassVar[dict[str, Any]] = {
        "access_token": "t0ken",
        "expires_in": 3600,
        "token_type": "Bearer",
        "email": "sendit@research-project.iam.gserviceaccount.com",
        "scopes": [],
    }

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self.proxy = TroubledStore("http://127.0.0.1:1", self._answers)
        self.proxy.trouble = "token"
        self.give(self.TOLD["access_token"])

    def give(self, token: str) -> None:
        """Give this token from now on."""
        told = json.dumps({**self.TOLD, "access_token": token}).encode()
        self._answers["token"] = (200, JSON, told)


@pytest.fixture
def google() -> Iterator[Google]:
    google = Google()
    yield google
    google.proxy.close()


def write_key(path: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = {
        "type": "service_account",
        "project_id": "research-project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "sendit@research-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(document))
    return path


def test_a_token_comes_from_the_key_of_a_service_account(
    google: Google, proxy: TroubledStore, package: Package, tmp_path: Path
) -> None:
    file = write_key(tmp_path / "key.json", f"{google.proxy.url}/token")
    target = make_gcs(proxy.url, anonymous=False, credentials_file=str(file))

    target.verify(package, target.send(package))

    assert google.proxy.asked == [("POST", "/token")]
    assert all(headers["authorization"] == "Bearer t0ken" for headers in proxy.headers)


def test_a_token_comes_from_the_file_that_the_environment_names(
    google: Google,
    proxy: TroubledStore,
    package: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = write_key(tmp_path / "key.json", f"{google.proxy.url}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    make_gcs(proxy.url, anonymous=False).send(package)

    assert google.proxy.asked == [("POST", "/token")]


def set_metadata_server(monkeypatch: pytest.MonkeyPatch, folder: Path, host: str) -> None:
    """Let Google's library find no credentials but those of a metadata server."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    monkeypatch.setenv("GCE_METADATA_IP", host)
    # It reads this name once, when it is imported, and another test may have done that.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)


def test_a_token_comes_from_the_metadata_server(
    google: Google,
    proxy: TroubledStore,
    package: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = google.proxy.url.removeprefix("http://")
    google.proxy.answer_headers = {"Metadata-Flavor": "Google"}
    set_metadata_server(monkeypatch, tmp_path, host)

    make_gcs(proxy.url, anonymous=False).send(package)

    assert any("/token" in path for _, path in google.proxy.asked)
    assert proxy.headers[-1]["authorization"] == "Bearer t0ken"


def test_credentials_that_were_revoked_are_told(
    proxy: TroubledStore, package: Package, tmp_path: Path
) -> None:
    no = TroubledStore("http://127.0.0.1:1", {"no": (400, JSON, b'{"error": "invalid_grant"}')})
    no.trouble = "no"
    file = write_key(tmp_path / "key.json", f"{no.url}/token")

    with pytest.raises(TargetRefused, match="expired or were revoked"):
        make_gcs(proxy.url, anonymous=False, credentials_file=str(file)).send(package)

    no.close()


BROKEN = {
    "empty": ("", "is not JSON"),
    "nothing": ("{}", "is not the whole key"),
    "half": ('{"type": "service_account"}', "is not the whole key"),
    "other": ('{"type": "authorized_user", "refresh_token": "r"}', "is not the whole key"),
    "no key": ('{"client_email": "a@b", "token_uri": "http://h", "private_key": "k"}', "private"),
    "a list": ("[]", "is not the whole key"),
    "null": ("null", "is not the whole key"),
    "no text": ("\xff\xfe", "is not JSON"),
    "missing": (None, "cannot be read"),
}


@pytest.mark.parametrize(("content", "word"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_holds_no_credentials_is_told(
    proxy: TroubledStore, package: Package, tmp_path: Path, content: str | None, word: str
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    target = make_gcs(proxy.url, anonymous=False, credentials_file=str(file))

    with pytest.raises(TargetRefused, match=rf"key\.json .*{word}.* set credentials_file") as told:
        target.send(package)

    assert "Error" not in str(told.value)
    assert proxy.asked == []


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_a_variable_that_names_no_credentials_is_told(
    package: Package, tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    with pytest.raises(TargetRefused, match=r"key\.json .*set GOOGLE_APPLICATION_CREDENTIALS"):
        make_gcs("http://127.0.0.1:1", anonymous=False).send(package)


def test_that_nobody_gives_credentials_is_told(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_metadata_server(monkeypatch, tmp_path, "127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_TIMEOUT", "1")
    monkeypatch.setenv("GCE_METADATA_DETECT_RETRIES", "1")

    with pytest.raises(TargetRefused, match=r"no metadata server that answers\. Set one"):
        make_gcs("http://127.0.0.1:1", anonymous=False).send(package)


def test_that_nobody_gives_tokens_is_told(package: Package, tmp_path: Path) -> None:
    file = write_key(tmp_path / "key.json", "http://127.0.0.1:1/token")
    target = make_gcs("http://127.0.0.1:1", anonymous=False, credentials_file=str(file))

    with pytest.raises(TargetUnavailable, match=r"tokens .*key\.json did not answer\. See that"):
        target.send(package)


def test_originals_are_never_taken() -> None:
    assert not accepts_identified("gcs")
