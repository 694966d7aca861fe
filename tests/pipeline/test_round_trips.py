"""How often the database is asked: few times for each image, and a fixed number for each batch.

Counted are the statements that the pipeline sends, whatever mode it runs in.
"""

import pytest
from django.db import connection

from tests.pipeline.line import Line

pytestmark = pytest.mark.django_db

PER_IMAGE = 0.2
PER_BATCH = 200
FEW, MANY = 64, 256


def statements(line: Line, name: str, *, images: int) -> int:
    """Take a study of so many images through the pipeline; return how many statements it took."""
    line.installation.add_study(name, n_series=1, n_images=images)
    batch_id = line.hand_in(name)
    sent = 0

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        nonlocal sent
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            sent += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        line.work()
    assert line.batch(batch_id).stage == ""
    return sent


@pytest.mark.timeout(300)
def test_images_cost_few_round_trips_and_batches_a_fixed_number(line: Line) -> None:
    few = statements(line, "ACC1", images=FEW)
    many = statements(line, "ACC2", images=MANY)

    each = (many - few) / (MANY - FEW)
    assert each <= PER_IMAGE, f"{each:.3f} for each further image"
    assert few - FEW * each <= PER_BATCH
