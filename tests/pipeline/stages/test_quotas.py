"""A quota of a cloud store that is used up: the batch waits for hours and loses no try."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sendit.pipeline import machine
from sendit.records.models import Delivery
from sendit.terms import DeliveryState, Status
from tests.pipeline.line import NO_TARGET, Line
from tests.support.cloud import KEY, SECRET, GcsServer, SeaweedServer
from tests.support.troubled_store import TroubledStore

JSON = {"Content-Type": "application/json"}
QUOTA = b'{"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}], "message": "Jane Doe"}}'
ANSWERS = {
    "quota": (403, JSON, QUOTA),
    "asks to wait": (503, {"Retry-After": "1800"}, b"{}"),
    "error 500": (500, {}, b"{}"),
}


@pytest.fixture
def proxy(fake_gcs: GcsServer) -> Iterator[TroubledStore]:
    proxy = TroubledStore(fake_gcs.url, ANSWERS)
    yield proxy
    proxy.close()


@pytest.fixture
def cloud_line(line: Line, proxy: TroubledStore, fake_gcs: GcsServer) -> Line:
    table = f'kind = "gcs"\nendpoint = "{proxy.url}"\nbucket = "{fake_gcs.bucket}"\n'
    table += 'collection = "irb-1"\nanonymous = true\n'
    line.set_project(f'{NO_TARGET}[[targets]]\nname = "google"\n{table}')
    line.installation.add_study("ACC1", n_series=1)
    return line


def test_a_quota_is_waited_for_and_uses_up_no_try(
    cloud_line: Line, proxy: TroubledStore, fake_gcs: GcsServer
) -> None:
    with proxy.troubled("quota"):
        batch = cloud_line.run("ACC1")
        for _ in range(12):
            cloud_line.work(later=timedelta(hours=2))
    waiting = Delivery.objects.get(batch=batch)
    assert (waiting.state, waiting.attempts) == (DeliveryState.PENDING, 0)
    assert waiting.error is not None
    assert waiting.error["code"] == "TARGET_QUOTA"
    assert "quota of the project is used up. It is tried again" in waiting.error["message"]
    assert "Jane" not in waiting.error["message"]

    with proxy.troubled("error 500"):
        cloud_line.work(later=timedelta(hours=2))
    assert Delivery.objects.get(batch=batch).state == DeliveryState.PENDING
    cloud_line.work(later=timedelta(hours=2))

    assert cloud_line.batch(batch.pk).status == Status.DONE
    assert len(fake_gcs.list()) == len(set(fake_gcs.list()))


@pytest.mark.parametrize("code", ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded"])
def test_a_quota_of_s3_is_waited_for_and_uses_up_no_try(
    line: Line, seaweedfs: SeaweedServer, code: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>Jane Doe</Message></Error>".encode()
    proxy = TroubledStore(seaweedfs.url, {"quota": (403, {}, body)})
    table = f'kind = "s3"\nendpoint = "{proxy.url}"\nbucket = "{seaweedfs.bucket}"\n'
    table += f'access_key_id = "{KEY}"\nsecret_access_key = "{SECRET}"\n'
    line.set_project(f'{NO_TARGET}[[targets]]\nname = "archive"\n{table}')
    line.installation.add_study("ACC1", n_series=1)

    with proxy.troubled("quota"):
        batch = line.run("ACC1")
        for _ in range(12):
            line.work(later=timedelta(hours=2))
    waiting = Delivery.objects.get(batch=batch)
    line.work(later=timedelta(hours=2))
    proxy.close()

    assert (waiting.state, waiting.attempts) == (DeliveryState.PENDING, 0)
    assert waiting.error is not None
    assert waiting.error["code"] == "TARGET_QUOTA"
    assert f"{code}: a quota is used up. It is tried again" in waiting.error["message"]
    assert line.batch(batch.pk).status == Status.DONE


def test_a_quota_is_asked_for_each_hour_at_last_and_given_up_after_days(
    cloud_line: Line, proxy: TroubledStore
) -> None:
    began = cloud_line.clock
    with proxy.troubled("quota"):
        batch = cloud_line.run("ACC1")
        for _ in range(180):
            cloud_line.work(later=timedelta(minutes=30))
            if cloud_line.batch(batch.pk).status == Status.ERROR:
                break

    assert cloud_line.batch(batch.pk).status == Status.ERROR
    assert cloud_line.codes(batch.pk) == ["TARGET_QUOTA"]
    assert cloud_line.clock - began > timedelta(days=2)
    machine.retry(batch.pk, target="google", now=cloud_line.clock)
    cloud_line.work(later=timedelta(hours=2))
    assert cloud_line.batch(batch.pk).status == Status.DONE


def test_a_store_that_asks_to_wait_is_left_alone_for_so_long(
    cloud_line: Line, proxy: TroubledStore
) -> None:
    with proxy.troubled("asks to wait"):
        batch = cloud_line.run("ACC1")

    delivery = Delivery.objects.get(batch=batch)
    assert delivery.retry_at is not None
    assert delivery.retry_at - cloud_line.clock >= timedelta(minutes=30)
    cloud_line.work(later=timedelta(minutes=20))
    assert cloud_line.batch(batch.pk).status == Status.DONEPROCESSING
    cloud_line.work(later=timedelta(minutes=11))
    assert cloud_line.batch(batch.pk).status == Status.DONE
