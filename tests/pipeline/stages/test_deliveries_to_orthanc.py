"""A real Orthanc as the receiver of the delivery contract, by each way of sending to it."""

from collections.abc import Iterator

import pytest

from sendit.records.models import Image
from sendit.terms import Stage, Status
from tests.contracts.deliveries import DeliveryContract, deliver, digests
from tests.pipeline.line import NO_TARGET, Line
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


@pytest.mark.parametrize("supersede", ["hold", "replace", "new-generation"])
def test_a_peer_that_only_finds_uids_never_gets_other_content_under_one(
    line: Line, orthanc: OrthancServer, supersede: str
) -> None:
    port = orthanc.dicom_port
    table = f'kind = "dicom"\nhost = "127.0.0.1"\nport = {port}\ncalled_ae = "ORTHANC"\n'
    line.set_project(
        f'{NO_TARGET}[[targets]]\nname = "pacs"\n{table}proof = "find"\n'
        f'[delivery]\nsupersede = "{supersede}"\n'
    )
    way = TroubledTcp(port)
    receiver = OrthancReceiver(orthanc, "dicom", way)
    first = deliver(line, "ACC1")
    before = digests(receiver)

    second = deliver(line, "ACC2", SliceThickness="7")
    way.close()

    assert first.status == Status.DONE
    assert second.stage == Stage.SEND
    assert second.status == (Status.DONEPROCESSING if supersede == "hold" else Status.ERROR)
    assert len(before) == Image.objects.filter(batch=first).count()
    assert digests(receiver) == before
