"""A real Orthanc as the receiver of the delivery contract, by each way of sending to it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread

from sendit.records.models import Image
from sendit.terms import Stage, Status
from tests.contracts.deliveries import (
    N_IMAGES,
    DeliveryContract,
    deliver,
    digests,
    hand_in,
    sent,
    work_until,
)
from tests.pipeline.line import NO_TARGET, Line
from tests.storage.orthanc_receiver import OrthancReceiver, engine_meta
from tests.support.dicom_peers import DcmtkServer, OrthancServer, have, running_orthanc
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


def test_what_a_peer_is_known_to_hold_is_not_sent_again_with_what_it_lost(
    line: Line, tmp_path: Path
) -> None:
    if not have("Orthanc", "libOrthancDicomWeb.so"):
        pytest.skip("Orthanc is not installed")
    with running_orthanc(tmp_path / "orthanc", OverwriteInstances=True) as orthanc:
        table = f'host = "127.0.0.1"\nport = {orthanc.dicom_port}\ncalled_ae = "ORTHANC"\n'
        line.set_project(
            f'{NO_TARGET}[[targets]]\nname = "pacs"\nkind = "dicom"\n{table}proof = "find"\n'
        )
        batch_id = hand_in(line, "ACC1")
        work_until(line, batch_id, Stage.VERIFY)
        lost = orthanc.instances()[0][1]
        orthanc.delete(f"/instances/{lost}")
        kept = set(orthanc.storage.glob("??/??/*"))

        line.work()
        line.work(later=timedelta(minutes=1))

        assert line.batch(batch_id).status == Status.DONE
        assert len(orthanc.instances()) == N_IMAGES
        # One that is sent again is written under another name.
        assert kept < set(orthanc.storage.glob("??/??/*"))


def test_an_archive_that_forgot_what_it_took_gets_it_again(
    line: Line, dcmqrscp: DcmtkServer
) -> None:
    table = f'host = "127.0.0.1"\nport = {dcmqrscp.port}\ncalled_ae = "ARCHIVE"\n'
    line.set_project(
        f'{NO_TARGET}[[targets]]\nname = "pacs"\nkind = "dicom"\n{table}proof = "find"\n'
        "connections = 1\n"
    )
    batch_id = hand_in(line, "ACC1")
    work_until(line, batch_id, Stage.VERIFY)
    dcmqrscp.clear()

    line.work()
    line.work(later=timedelta(minutes=1))

    batch = line.batch(batch_id)
    assert batch.status == Status.DONE
    held = [dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in dcmqrscp.files()]
    assert sorted(held) == sorted(sent(batch))


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
