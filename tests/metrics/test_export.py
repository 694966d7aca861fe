from datetime import date, timedelta
from pathlib import Path

import pytest

from sendit.metrics.export import write_process_times
from sendit.metrics.numbers import process_times
from sendit.terms import Stage, Status
from tests.support.batches import NOW, make_batch

pytestmark = pytest.mark.django_db
TODAY = date(2017, 8, 26)


def test_table_has_the_columns_of_old(tmp_path: Path) -> None:
    waiting = make_batch("CANARY1", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)
    done = make_batch("CANARY2", status=Status.DONE, bytes=5_250_000)

    path = write_process_times(process_times(with_uid=False), folder=tmp_path, today=TODAY)

    started, finished = (NOW - timedelta(minutes=2)).timestamp(), NOW.timestamp()
    assert path.name == "sendit-process-time-2017-08-26.tsv"
    assert path.read_text() == (
        "\tbatch_id\tstatus\tsize_mb\tstart_time\tfinish_time\ttotal_time_sec\ttotal_time_min\n"
        f"{done.pk}\t{done.pk}\tDONE\t5.25\t{started:.0f}\t{finished:.0f}\t120\t2\n"
        f"{waiting.pk}\t{waiting.pk}\tQUEUE\t\t\t\t\t\n"
    )


def test_file_of_the_same_day_is_replaced(tmp_path: Path) -> None:
    make_batch("ACC1", status=Status.DONE)
    first = write_process_times(process_times(with_uid=False), folder=tmp_path, today=TODAY)
    make_batch("ACC2", status=Status.DONE)

    write_process_times(process_times(with_uid=False), folder=tmp_path, today=TODAY)

    assert len(first.read_text().splitlines()) == 3
    assert list(tmp_path.iterdir()) == [first]
