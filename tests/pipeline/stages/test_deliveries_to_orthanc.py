"""A real Orthanc as the receiver of the delivery contract, by each way of sending to it."""

from collections.abc import Iterator

import pytest

from tests.contracts.deliveries import DeliveryContract
from tests.storage.orthanc_receiver import OrthancReceiver, engine_meta
from tests.support.dicom_peers import OrthancServer
from tests.support.troubled_http import TroubledHttp
from tests.support.troubled_tcp import TroubledTcp


@pytest.fixture
def proxy(orthanc: OrthancServer) -> Iterator[TroubledHttp]:
    proxy = TroubledHttp(orthanc.url)
    yield proxy
    proxy.close()


class TestByRest(DeliveryContract):
    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> OrthancReceiver:
        return OrthancReceiver(orthanc, "orthanc", proxy)

    @pytest.fixture
    def target_table(self, proxy: TroubledHttp) -> str:
        return f'kind = "orthanc"\nurl = "{proxy.url}"'


class TestByDicomWeb(DeliveryContract):
    @pytest.fixture
    def receiver(self, orthanc: OrthancServer, proxy: TroubledHttp) -> OrthancReceiver:
        return OrthancReceiver(orthanc, "dicomweb", proxy)

    @pytest.fixture
    def target_table(self, proxy: TroubledHttp) -> str:
        return f'kind = "dicomweb"\nurl = "{proxy.url}/dicom-web"'


class DicomDeliveries(DeliveryContract):
    proof: str

    @pytest.fixture
    def receiver(self, orthanc: OrthancServer) -> Iterator[OrthancReceiver]:
        relay = TroubledTcp(orthanc.dicom_port)
        yield OrthancReceiver(orthanc, "dicom", relay, {"proof": self.proof}, engine_meta)
        relay.close()

    @pytest.fixture
    def target_table(self, receiver: OrthancReceiver) -> str:
        return (
            f'kind = "dicom"\nhost = "127.0.0.1"\nport = {receiver.way.port}\n'
            f'called_ae = "ORTHANC"\nproof = "{self.proof}"'
        )


class TestByCStoreAndRetrieving(DicomDeliveries):
    proof = "retrieve"


class TestByCStoreAndFinding(DicomDeliveries):
    proof = "find"
