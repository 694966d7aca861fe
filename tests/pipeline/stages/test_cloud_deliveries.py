"""S3 and Google's store, with rows and without, as receivers of the delivery contract."""

import json
from collections.abc import Iterator

import pytest

from sendit.storage.bigquery_schema import SCHEMAS
from tests.contracts.deliveries import DeliveryContract
from tests.storage.store_receiver import StoreReceiver
from tests.storage.test_gcs import make_receiver as make_gcs_receiver
from tests.storage.test_s3 import make_receiver as make_s3_receiver
from tests.support.cloud import BIGQUERY_PROJECT, GcsServer, SeaweedServer, new_dataset
from tests.support.troubled_store import TroubledStore


def table_of(receiver: StoreReceiver) -> str:
    """Return the lines of a project file for the target of a receiver."""
    options = {"endpoint": receiver.way.url, **receiver.options}
    lines = (f"{name} = {json.dumps(value)}" for name, value in options.items())
    return "\n".join((f'kind = "{receiver.kind}"', *lines))


class StoreDeliveries(DeliveryContract):
    @pytest.fixture
    def target_table(self, receiver: StoreReceiver) -> str:
        return table_of(receiver)


@pytest.mark.parametrize("proof", ["read", "digest"])
@pytest.mark.parametrize("layout", ["tree", "archive"])
class TestS3(StoreDeliveries):
    @pytest.fixture
    def receiver(
        self, seaweedfs: SeaweedServer, layout: str, proof: str
    ) -> Iterator[StoreReceiver]:
        proxy = TroubledStore(seaweedfs.url, {})
        yield make_s3_receiver(seaweedfs, proxy, layout=layout, proof=proof)
        proxy.close()


@pytest.mark.parametrize("proof", ["read", "digest"])
@pytest.mark.parametrize("layout", ["tree", "archive"])
class TestGcs(StoreDeliveries):
    @pytest.fixture
    def receiver(self, fake_gcs: GcsServer, layout: str, proof: str) -> Iterator[StoreReceiver]:
        proxy = TroubledStore(fake_gcs.url, {})
        yield make_gcs_receiver(fake_gcs, proxy, layout=layout, proof=proof)
        proxy.close()


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
@pytest.mark.parametrize("layout", ["tree", "archive"])
class TestGcsWithRows(StoreDeliveries):
    @pytest.fixture
    def receiver(
        self, fake_gcs: GcsServer, bigquery_emulator: str, layout: str, schema: str
    ) -> Iterator[StoreReceiver]:
        proxy = TroubledStore(fake_gcs.url, {})
        yield make_gcs_receiver(
            fake_gcs,
            proxy,
            layout=layout,
            bigquery_endpoint=bigquery_emulator,
            bigquery_dataset=new_dataset(bigquery_emulator),
            bigquery_project=BIGQUERY_PROJECT,
            bigquery_schema=schema,
        )
        proxy.close()
