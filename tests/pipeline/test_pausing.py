import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sendit.config.windows import opens_at
from sendit.errors import UsageError
from sendit.metrics.standing import standing
from sendit.metrics.status import describe
from sendit.pipeline.admission import admit, obstacle
from sendit.pipeline.pausing import pause, paused, resume
from sendit.records.models import Batch
from sendit.terms import Stage, Status
from tests.pipeline.line import Line, register_folder
from tests.support.installation import PROJECT

pytestmark = pytest.mark.django_db

Where = dict[str, str]


def held(batch_id: int) -> str:
    return str(describe([Batch.objects.get(pk=batch_id)])[0]["held"])


def stands(batch_id: int) -> str:
    """Return what ``sendit status`` and the pages say in one sentence."""
    batch = Batch.objects.get(pk=batch_id)
    [told] = describe([batch])
    return standing(batch, now=datetime.now(UTC), held=told["held"]).words


@pytest.mark.parametrize("where", [{}, {"project": "demo"}], ids=["node", "project"])
def test_paused_batch_takes_no_step_and_says_why(line: Line, where: Where) -> None:
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")

    assert pause(line.configuration, **where)
    line.work()

    assert line.batch(batch_id).status == Status.NEW
    assert "sendit resume" in held(batch_id)
    assert "sendit resume" in stands(batch_id)
    assert resume(line.configuration, now=line.clock, **where)
    line.work()
    assert line.batch(batch_id).status == Status.DONE


@pytest.mark.parametrize("where", [{}, {"project": "demo"}], ids=["node", "project"])
def test_nothing_of_what_is_paused_is_let_in(line: Line, where: Where) -> None:
    line.installation.add_study("ACC1", n_series=1)
    register_folder(line.configuration, line.installation.inbox / "ACC1")
    pause(line.configuration, **where)

    assert admit(line.configuration, now=line.clock) == []
    assert ("paused" in (obstacle(line.configuration) or "")) is (where == {})
    resume(line.configuration, now=line.clock, **where)
    assert len(admit(line.configuration, now=line.clock)) == 1


def test_batch_for_a_paused_target_waits_before_it_is_sent(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    pause(line.configuration, target="out")

    batch = line.run("ACC1")

    assert (batch.stage, batch.status) == (Stage.SEND, Status.DONEPROCESSING)
    assert held(batch.pk) == 'Target out is paused; "sendit resume --target out" lets it go on.'
    assert "Target out is paused" in stands(batch.pk)
    assert line.installation.delivered() == []
    line.work(later=timedelta(hours=1))
    assert line.batch(batch.pk).stage == Stage.SEND
    resume(line.configuration, target="out", now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE


def test_pausing_twice_says_so_and_unknown_names_are_refused(line: Line) -> None:
    assert pause(line.configuration)
    assert not pause(line.configuration)
    assert paused().node
    assert resume(line.configuration, now=line.clock)
    assert not resume(line.configuration, now=line.clock)

    for where in ({"project": "dem"}, {"target": "outt"}):
        with pytest.raises(UsageError, match="Did you mean"):
            pause(line.configuration, **where)


def test_batch_waits_for_the_hours_in_which_it_may_be_sent(line: Line) -> None:
    elsewhere = PROJECT.replace('name = "out"', 'name = "other"')
    line.installation.write_project(elsewhere, name="elsewhere")
    local = line.clock.astimezone()
    begin, end = local + timedelta(hours=2), local + timedelta(hours=4)
    line.set_project(f'send_window = "{begin:%H:%M}-{end:%H:%M}"\n' + PROJECT)
    line.installation.add_study("ACC1", n_series=1)

    batch = line.run("ACC1")

    assert batch.stage == Stage.SEND
    assert f"goes on at {begin:%Y-%m-%d %H:%M %Z}" in held(batch.pk)
    pause(line.configuration, target="other")  # where this batch does not go
    assert "goes on at" in held(batch.pk)
    line.work(later=timedelta(hours=2, minutes=1))
    assert line.batch(batch.pk).status == Status.DONE


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        ("", "12:00", None),
        ("20:00-06:00", "23:00", None),
        ("20:00-06:00", "05:59", None),
        ("20:00-06:00", "06:00", "20:00"),
        ("20:00-06:00", "12:00", "20:00"),
        ("08:00-10:00", "08:00", None),
        ("08:00-10:00", "10:00", "08:00 next day"),
        ("08:00-10:00", "07:00", "08:00"),
    ],
)
def test_window_opens_when_it_says(window: str, at: str, opens: str | None) -> None:
    def moment(text: str) -> datetime:
        hours, minutes = map(int, text.split()[0].split(":"))
        day = datetime(2026, 5, 4).astimezone()
        return day + timedelta(hours=hours, minutes=minutes, days=int("next day" in text))

    expected = None if opens is None else moment(opens)

    assert opens_at(window, now=moment(at).astimezone(UTC)) == expected


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine's clock be New York's: 5 h behind, 4 h from 8 March to 1 November 2026."""
    with monkeypatch.context() as environ:
        environ.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("20:00-06:00", "2026-03-08T00:30Z", "2026-03-08T01:00Z"),
        ("20:00-06:00", "2026-03-08T09:59Z", None),
        ("20:00-06:00", "2026-03-08T10:00Z", "2026-03-09T00:00Z"),
        ("20:00-06:00", "2026-11-01T10:59Z", None),
        ("20:00-06:00", "2026-11-01T11:00Z", "2026-11-02T01:00Z"),
        ("01:30-05:00", "2026-11-01T05:30Z", None),
        ("01:30-05:00", "2026-11-01T06:10Z", None),
        ("02:30-05:00", "2026-03-08T07:10Z", "2026-03-08T07:30Z"),
        ("02:15-02:45", "2026-03-08T07:05Z", "2026-03-08T07:15Z"),
    ],
    ids=[
        "before the night that is short",
        "the last minute of the short night",
        "after the short night",
        "the last minute of the long night",
        "after the long night",
        "begins in the hour that comes twice",
        "and is open the second time",
        "begins in the hour that is left out",
        "lies in the hour that is left out: by the hour as it was",
    ],
)
def test_window_goes_by_the_clock_on_the_wall_when_that_is_changed(
    window: str, now: str, opens: str | None
) -> None:
    expected = None if opens is None else datetime.fromisoformat(opens)

    assert opens_at(window, now=datetime.fromisoformat(now)) == expected


@pytest.mark.parametrize("text", ["20-06", "24:00-01:00", "08:00-08:00", "night"])
def test_window_that_is_none_is_refused_with_its_key(line: Line, text: str) -> None:
    problems = refused(lambda: line.set_project(f'send_window = "{text}"\n' + PROJECT))

    assert "send_window" in problems
    assert "HH:MM-HH:MM" in problems


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(Exception, match="send_window") as caught:
        do()
    return str(caught.value)
