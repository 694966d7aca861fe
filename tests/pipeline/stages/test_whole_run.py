from sendit.records.models import BatchIdentifiers, Image
from sendit.terms import Status
from tests.pipeline.line import Line


def test_good_study_is_delivered_and_nothing_of_it_stays(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=2, n_images=3)

    batch = line.run("ACC1")

    assert (batch.status, batch.stage, batch.has_error, batch.errors) == (
        Status.DONE,
        "",
        False,
        [],
    )
    assert set(Image.objects.values_list("status", flat=True)) == {Status.DONE}
    assert len(line.installation.delivered()) == 6
    assert list(line.installation.inbox.iterdir()) == []
    assert not line.workspace.phi(batch.pk).exists()
    assert not line.workspace.clean(batch.pk).exists()
    assert not BatchIdentifiers.objects.exists()
    assert batch.finished is not None
    assert batch.cleaned_at is not None
