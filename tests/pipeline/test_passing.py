import pytest
from django.db import connection, transaction

from sendit.config import Configuration
from sendit.records.passing import passing
from tests.pipeline.line import make_line
from tests.support.installation import Installation

pytestmark = pytest.mark.django_db(transaction=True)

NORMAL, FULL = 1, 2
CLAIMS = {"records_batch", "records_image", "records_stagerun"}


def waits() -> int | None:
    """Return what SQLite does at a commit; None: another database."""
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        [(level,)] = cursor.execute("PRAGMA synchronous").fetchall()
    return int(level)


def test_only_what_is_in_the_block_is_not_waited_for() -> None:
    before = waits()

    with passing(), transaction.atomic():
        inside = waits()

    assert inside == (NORMAL if connection.vendor == "sqlite" else None)
    assert waits() == (FULL if connection.vendor == "sqlite" else before)


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(RuntimeError), passing():
        raise RuntimeError

    assert waits() != NORMAL


def test_within_a_transaction_that_others_wait_for_nothing_changes() -> None:
    with transaction.atomic():
        before = waits()
        with passing():
            assert waits() == before


def test_nothing_but_claims_may_be_forgotten(
    installation: Installation, in_this_process: Configuration
) -> None:
    line = make_line(installation, in_this_process)
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    batch_id = line.hand_in("ACC1")
    sent: list[str] = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        line.work()

    assert line.batch(batch_id).stage == ""
    blocks = "\n".join(sent).split("PRAGMA synchronous=NORMAL")[1:]
    forgotten = [
        sql
        for block in blocks
        for sql in block.partition("PRAGMA synchronous=FULL")[0].splitlines()
        if sql.startswith(("INSERT", "UPDATE", "DELETE"))
    ]
    assert len(blocks) >= 6 or connection.vendor != "sqlite"  # from import to clean-up
    assert {sql.split('"')[1] for sql in forgotten} <= CLAIMS
    set_to = " ".join(sql.partition(" WHERE ")[0] for sql in forgotten)
    assert not any(f'"{column}" = ' in set_to for column in ("stage", "removals", "held"))
