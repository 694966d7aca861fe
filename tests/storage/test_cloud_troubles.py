"""What happens to an object in the middle of being stored: nothing is lost, nothing doubled."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sendit.errors import TargetError, TargetRefused, TargetUnavailable
from sendit.storage import Package, Target
from tests.contracts.targets import make_package
from tests.storage.store_receiver import make_large
from tests.storage.test_gcs import JSON, Google, make_gcs, write_key
from tests.storage.test_s3 import XML, make_s3
from tests.support.cloud import KEY, READER, READER_SECRET, SECRET, GcsServer, SeaweedServer
from tests.support.troubled_store import Answer, TroubledStore

HEAD = {"x-amz-bucket-region": "eu-west-1"}
ANSWERS = {
    "expired": (400, XML, b"<Error><Code>ExpiredToken</Code><Token0>TOP</Token0></Error>"),
    "skewed": (403, XML, b"<Error><Code>RequestTimeTooSkewed</Code></Error>"),
    "elsewhere": (400, HEAD, b""),
    "busy": (503, {}, b""),
    "unknown token": (401, JSON, b'{"error": {"errors": [{"reason": "authError"}]}}'),
    "forgotten": (404, {}, b"Not Found"),
    "gone": (410, {}, b"Gone"),
}


@pytest.fixture
def s3_way(seaweedfs: SeaweedServer) -> Iterator[TroubledStore]:
    way = TroubledStore(seaweedfs.url, ANSWERS)
    yield way
    way.close()


@pytest.fixture
def gcs_way(gcp_emulator: GcsServer) -> Iterator[TroubledStore]:
    way = TroubledStore(gcp_emulator.url, ANSWERS)
    yield way
    way.close()


@pytest.fixture
def google() -> Iterator[Google]:
    google = Google()
    yield google
    google.proxy.close()


@pytest.fixture
def small(tmp_path: Path) -> Package:
    return make_package(tmp_path / "small")


@pytest.fixture
def large(tmp_path: Path) -> Package:
    return make_large(tmp_path / "large")


def send_until_sent(
    target: Target,
    package: Package,
    way: TroubledStore,
    n_before: int,
    trouble: str = "loses answers",
) -> bool:
    """Send, in trouble after so many requests; again if need be.  Say whether it came to that."""
    way.asked.clear()
    # Twice, since over a connection that was idle a question is asked again at once.
    with way.troubled(trouble, after=n_before):
        way.times = 2
        with suppress(TargetUnavailable):
            target.send(package)
        met, way.times = way.times < 2, float("inf")
    target.verify(package, target.send(package))
    return met


@pytest.mark.parametrize("layout", ["tree", "archive", "archive of many parts"])
def test_an_answer_of_s3_that_is_lost_is_no_matter(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.endswith("parts") else small
    for n_before in range(20):
        options = {"layout": layout.split()[0], "part_mib": 5, "connections": 1}
        target = make_s3(seaweedfs, endpoint=s3_way.url, **options)

        met = send_until_sent(target, package, s3_way, n_before)

        assert len(seaweedfs.keys()) == (len(package.instances) if layout == "tree" else 1)
        assert seaweedfs.uploads() == []
        seaweedfs.clear()
        if not met:
            break
    assert n_before > 1


@pytest.mark.parametrize("layout", ["tree", "archive", "large archive"])
def test_an_answer_of_google_that_is_lost_is_no_matter(
    gcp_emulator: GcsServer, gcs_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.startswith("large") else small
    for n_before in range(20):
        options = {"layout": layout.split()[-1], "connections": 1}
        target = make_gcs(gcs_way.url, **options)

        met = send_until_sent(target, package, gcs_way, n_before)

        assert len(gcp_emulator.list()) == (len(package.instances) if layout == "tree" else 1)
        gcp_emulator.clear()
        if not met:
            break
    assert n_before > 1


@pytest.mark.parametrize("layout", ["tree", "archive", "archive of many parts"])
def test_an_answer_of_s3_that_ends_too_early_is_no_answer(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.endswith("parts") else small
    options = {"layout": layout.split()[0], "part_mib": 5, "connections": 1, "proof": "digest"}
    for n_before in range(20):
        target = make_s3(seaweedfs, endpoint=s3_way.url, **options)

        met = send_until_sent(target, package, s3_way, n_before, "cuts answers")

        seaweedfs.clear()
        if not met:
            break
    assert n_before > 1


@pytest.mark.parametrize("layout", ["tree", "archive", "large archive"])
def test_an_answer_of_google_that_ends_too_early_is_no_answer(
    gcp_emulator: GcsServer, gcs_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.startswith("large") else small
    options = {"layout": layout.split()[-1], "connections": 1, "proof": "digest"}
    receipt = make_gcs(gcs_way.url, **options).send(package)
    for n_before in range(20):
        target = make_gcs(gcs_way.url, **options)

        with gcs_way.troubled("cuts answers", after=n_before):
            gcs_way.times = 1
            with suppress(TargetUnavailable):
                target.verify(package, receipt)
            met, gcs_way.times = gcs_way.times < 1, float("inf")

        if not met:
            break
    assert n_before > 0


@pytest.mark.parametrize("status", ["forgotten", "gone"])
def test_an_upload_that_google_has_forgotten_is_begun_anew(
    gcp_emulator: GcsServer, gcs_way: TroubledStore, large: Package, status: str
) -> None:
    target = make_gcs(gcs_way.url)

    with gcs_way.troubled(status, after=2), pytest.raises(TargetUnavailable, match="begun anew"):
        target.send(large)

    target.verify(large, target.send(large))
    assert len(gcp_emulator.list()) == 1


def test_an_upload_to_google_goes_on_when_it_was_busy(
    gcp_emulator: GcsServer, gcs_way: TroubledStore, large: Package
) -> None:
    target = make_gcs(gcs_way.url)

    with gcs_way.troubled_for(2, "busy", after=2):
        receipt = target.send(large)

    target.verify(large, receipt)
    assert sum(method == "POST" for method, _ in gcs_way.asked) == 1


# What is there already


@pytest.mark.parametrize("layout", ["tree", "archive", "archive of many parts"])
def test_what_is_at_s3_already_is_not_fetched_to_be_compared(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.endswith("parts") else small
    options = {"endpoint": s3_way.url, "layout": layout.split()[0], "part_mib": 5}
    first = make_s3(seaweedfs, **options).send(package)
    s3_way.asked.clear()

    again = make_s3(seaweedfs, **options).send(package)

    assert {method for method, path in s3_way.asked if "list-type" not in path} == {"HEAD"}
    assert again == first


@pytest.mark.parametrize("layout", ["tree", "archive", "large archive"])
def test_what_is_at_google_already_is_not_fetched_to_be_compared(
    gcs_way: TroubledStore, small: Package, large: Package, layout: str
) -> None:
    package = large if layout.startswith("large") else small
    options = {"layout": layout.split()[-1]}
    first = make_gcs(gcs_way.url, **options).send(package)
    gcs_way.asked.clear()

    again = make_gcs(gcs_way.url, **options).send(package)

    assert {method for method, _ in gcs_way.asked} == {"GET"}
    assert not any("alt=media" in path for _, path in gcs_way.asked)
    assert again == first


@pytest.mark.parametrize("layout", ["tree", "archive"])
def test_what_a_store_tells_too_little_of_is_fetched_and_compared(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, layout: str
) -> None:
    def of_a_key(answer: Answer) -> Answer:
        hidden = ("x-amz-checksum-sha256", "etag")
        headers = {key: one for key, one in answer[1].items() if key.lower() not in hidden}
        return answer[0], {**headers, "ETag": '"of-a-key"'}, answer[2]

    s3_way.changed = {"HEAD": of_a_key}
    target = make_s3(seaweedfs, endpoint=s3_way.url, layout=layout)
    target.send(small)
    s3_way.asked.clear()

    target.send(small)

    fetched = [path for method, path in s3_way.asked if method == "GET" and "?" not in path]
    assert len(fetched) == (3 if layout == "tree" else 1)


# Credentials that are not good any more


def write_keys(file: Path, key: str, secret: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return file


def test_keys_that_were_replaced_are_read_anew(
    seaweedfs: SeaweedServer, small: Package, keys: Path
) -> None:
    write_keys(keys, "AKOLD", "old")
    target = make_s3(seaweedfs, access_key_id="", secret_access_key="")
    with pytest.raises(TargetRefused, match="InvalidAccessKeyId"):
        target.send(small)
    write_keys(keys, KEY, SECRET)

    target.verify(small, target.send(small))


def test_keys_that_expire_in_the_middle_are_told_and_what_is_there_is_gone_on_with(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, large: Package, keys: Path
) -> None:
    write_keys(keys, KEY, SECRET)
    options = {"access_key_id": "", "secret_access_key": "", "part_mib": 5, "connections": 1}
    target = make_s3(seaweedfs, endpoint=s3_way.url, **options)

    with (
        s3_way.troubled("expired", after=5),
        pytest.raises(TargetRefused, match=r"ExpiredToken: the keys have expired; renew") as told,
    ):
        target.send(large)

    assert "TOP" not in str(told.value)
    s3_way.asked.clear()
    target.verify(large, target.send(large))
    assert sum(method == "PUT" for method, _ in s3_way.asked) < 4
    assert (len(seaweedfs.keys()), seaweedfs.uploads()) == (1, [])


def test_keys_without_a_right_are_not_looked_for_again(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, keys: Path
) -> None:
    write_keys(keys, READER, READER_SECRET)
    target = make_s3(seaweedfs, endpoint=s3_way.url, access_key_id="", secret_access_key="")

    with pytest.raises(TargetRefused, match="lack a right"):
        target.send(small)

    assert [method for method, _ in s3_way.asked] == ["HEAD", "PUT"]


def test_a_token_that_google_does_not_take_any_more_is_renewed_in_the_middle(
    gcp_emulator: GcsServer, gcs_way: TroubledStore, google: Google, large: Package, tmp_path: Path
) -> None:
    file = write_key(tmp_path / "key.json", f"{google.proxy.url}/token")
    target = make_gcs(gcs_way.url, anonymous=False, credentials_file=str(file))
    target.probe()
    google.give("n3w")

    with gcs_way.troubled_for(1, "unknown token", after=2):
        receipt = target.send(large)

    target.verify(large, receipt)
    assert gcs_way.headers[-1]["authorization"] == "Bearer n3w"
    assert len(google.proxy.asked) == 2
    assert len(gcp_emulator.list()) == 1


def test_a_token_that_is_refused_again_is_told(
    gcs_way: TroubledStore, google: Google, small: Package, tmp_path: Path
) -> None:
    file = write_key(tmp_path / "key.json", f"{google.proxy.url}/token")
    target = make_gcs(gcs_way.url, anonymous=False, credentials_file=str(file))

    with (
        gcs_way.troubled("unknown token"),
        pytest.raises(TargetRefused, match="wrong or have expired") as told,
    ):
        target.send(small)

    assert "t0ken" not in str(told.value)
    assert len(gcs_way.asked) == 1


# Refusals


def test_clocks_that_differ_are_told(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package
) -> None:
    with s3_way.troubled("skewed"), pytest.raises(TargetRefused, match="set the clock of this"):
        make_s3(seaweedfs, endpoint=s3_way.url).send(small)


def test_the_region_is_told_where_an_answer_has_no_body(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package
) -> None:
    target = make_s3(seaweedfs, endpoint=s3_way.url, proof="digest", layout="tree")
    receipt = target.send(small)

    with (
        s3_way.troubled("elsewhere"),
        pytest.raises(TargetRefused, match=r'another region .*set region to "eu-west-1"'),
    ):
        target.verify(small, receipt)


@pytest.mark.parametrize("proof", ["read", "digest"])
def test_clocks_that_differ_are_told_where_an_answer_has_no_body(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, proof: str
) -> None:
    target = make_s3(seaweedfs, endpoint=s3_way.url, proof=proof)
    receipt = target.send(small)

    with s3_way.troubled("skewed"):
        with pytest.raises(TargetRefused, match=r"RequestTimeTooSkewed.*set the clock of this"):
            target.send(small)
        with pytest.raises(TargetRefused, match=r"RequestTimeTooSkewed.*set the clock of this"):
            target.verify(small, receipt)


def test_keys_that_were_replaced_are_read_anew_where_an_answer_has_no_body(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, small: Package, keys: Path
) -> None:
    write_keys(keys, KEY, SECRET)
    options = {"access_key_id": "", "secret_access_key": "", "proof": "digest"}
    target = make_s3(seaweedfs, endpoint=s3_way.url, **options)
    receipt = target.send(small)
    write_keys(keys, READER, READER_SECRET)

    with s3_way.troubled_for(2, "expired", after=0):
        target.verify(small, receipt)

    assert [method for method, _ in s3_way.asked[-4:]] == ["HEAD", "GET", "GET", "HEAD"]


@pytest.mark.parametrize("layout", ["tree", "archive"])
def test_a_key_may_hold_every_character_that_a_prefix_may(
    seaweedfs: SeaweedServer, small: Package, layout: str
) -> None:
    target = make_s3(seaweedfs, layout=layout, prefix="a+b=c._-/D")
    receipt = target.send(small)
    target.verify(small, target.send(small))

    removal = target.remove(receipt)  # type: ignore[attr-defined]

    assert all(one.place.startswith("a+b=c._-/D/") for one in receipt.stored.values())
    assert removal.left == {}
    assert seaweedfs.keys() == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("body", [b'{"name": "Jane Doe"}', b"<html>Jane Doe</html>", b""])
def test_an_answer_that_is_none_is_told_and_nothing_of_it(
    seaweedfs: SeaweedServer, s3_way: TroubledStore, large: Package, method: str, body: bytes
) -> None:
    s3_way.changed = {method: lambda _: (200, {}, body)}
    target = make_s3(seaweedfs, endpoint=s3_way.url, part_mib=5)

    with pytest.raises(TargetError, match=s3_way.url) as told:
        target.verify(large, target.send(large))

    assert "Jane" not in str(told.value)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("body", [b'["Jane Doe"]', b"<html>Jane Doe</html>", b'{"size": "x"}'])
def test_an_answer_that_is_not_google_s_is_told_and_nothing_of_it(
    gcs_way: TroubledStore, large: Package, method: str, body: bytes
) -> None:
    gcs_way.changed = {method: lambda _: (200, {}, body)}
    target = make_gcs(gcs_way.url)

    with pytest.raises(TargetError, match=gcs_way.url) as told:
        target.verify(large, target.send(large))

    assert "Jane" not in str(told.value)
