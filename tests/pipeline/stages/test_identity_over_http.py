"""A batch and a service that is away, wrong, or speaks for somebody else."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sendit.pipeline import machine
from sendit.records.models import Image
from sendit.terms import Status
from tests.pipeline.line import Line
from tests.support.dasher import JITTER, Dasher, Reply, dasher
from tests.support.installation import PROJECT


@pytest.fixture
def there(line: Line, tmp_path: Path) -> Iterator[Dasher]:
    with dasher() as service:
        secrets = service.write_secrets(tmp_path / "secrets.json")
        keys = f'kind = "rest"\nurl = "{service.url}"\nsecrets_file = "{secrets}"\n'
        line.set_project(PROJECT.replace("[identity]", f"[identity]\n{keys}"))
        yield service


def test_a_service_that_is_away_is_asked_again(line: Line, there: Dasher) -> None:
    there.instead = [Reply(503, headers={"Retry-After": "3600"})]
    line.installation.add_study("ACC1", n_series=1, PatientID="7301", StudyDate="20150601")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.PROCESSING, "identify")
    assert batch.retry_at is not None
    assert not line.installation.delivered()
    line.work(later=timedelta(hours=2))
    assert line.batch(batch.pk).status == Status.DONE
    image = Image.objects.filter(batch=batch).first()
    assert image is not None
    assert (image.patient_id, image.study_date) == ("IR10f5", "20150513")
    assert JITTER == -19


@pytest.mark.parametrize(
    "reply",
    [Reply(200, b"<html>VPN</html>"), Reply(400), Reply(200, b'{"results": []}')],
    ids=["a proxy", "a refusal", "nobody"],
)
def test_an_answer_that_cannot_be_used_stops_the_batch_until_it_is_retried(
    line: Line, there: Dasher, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    there.instead = [reply]
    line.installation.add_study("ACC1", n_series=1, PatientID="7301955")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.ERROR, "identify")
    assert line.codes(batch.pk) == ["IDENTITY"]
    assert not line.installation.delivered()
    assert "7301955" not in caplog.text + str(batch.errors)
    machine.retry(batch.pk, target=None, now=line.clock)
    line.work()
    assert line.installation.delivered()
