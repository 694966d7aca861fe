from itertools import product
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from sendit.pipeline import machine
from sendit.pipeline.machine import MOVES, Event, Move
from sendit.pipeline.machine.steps import make_move
from sendit.records.models import Batch, Image
from sendit.terms import Stage, Status
from tests.pipeline.machine.rows import NOW, make_batch

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "states.md"
OTHERWISE = (Event.REGISTERED, Event.FORGOTTEN)
"""Moves after or before which there is no row."""


def pairs() -> set[tuple[str, str]]:
    """Return every (stage, status) that the table leads to."""
    found = {(str(m.to_stage), str(m.status)) for m in MOVES if m.to_stage and m.status}
    cleaned = {s for stage, s in found if stage == Stage.CLEAN_UP and s != Status.DONEPROCESSING}
    return found | {("", status) for status in cleaned}


@pytest.mark.usefixtures("database")
def test_database_takes_the_pairs_of_the_table_and_no_others() -> None:
    batch = make_batch()
    taken = set()

    for stage, status in product([*Stage, ""], Status):
        try:
            with transaction.atomic():
                Batch.objects.filter(pk=batch.pk).update(stage=stage, status=status)
        except IntegrityError:
            continue
        taken.add((str(stage), str(status)))

    assert taken == pairs()


@pytest.mark.usefixtures("database")
def test_database_takes_the_image_states_and_no_others() -> None:
    batch = make_batch(images=1)
    taken = set()

    for status in Status:
        try:
            with transaction.atomic():
                Image.objects.filter(batch=batch).update(status=status)
        except IntegrityError:
            continue
        taken.add(status)

    assert taken == set(Status) - {Status.QUEUE, Status.EMPTY, Status.ERROR}


@pytest.mark.usefixtures("database")
def test_database_takes_no_half_of_a_lease() -> None:
    batch = make_batch()

    for half in ({"lease_token": "x"}, {"lease_until": NOW}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Batch.objects.filter(pk=batch.pk).update(**half)


def status_before(move: Move) -> Status:
    """Return a status that the table lets a batch have at the stage that a move leaves."""
    wanted = {Event.ADMITTED: Status.QUEUE, Event.RETRIED: Status.ERROR, Event.CLEANED: Status.DONE}
    if move.event in wanted:
        return wanted[move.event]
    return next(Status(s) for stage, s in sorted(pairs()) if stage == move.stage and s != "ERROR")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "move",
    [move for move in MOVES if move.event not in OTHERWISE],
    ids=lambda move: f"{move.stage}-{move.event.name.lower()}",
)
def test_every_row_of_the_table_can_be_made(move: Move) -> None:
    batch = make_batch(images=1)
    assert move.stage is not None
    Batch.objects.filter(pk=batch.pk).update(stage=move.stage, status=status_before(move))

    make_move(batch.pk, move.stage, move.event, now=NOW)

    batch.refresh_from_db()
    assert batch.stage == (move.to_stage or "")
    assert batch.status == (move.status or status_before(move))
    assert batch.images.get().status == (move.images or Status.NEW)


def test_no_event_leaves_a_stage_in_two_ways() -> None:
    assert len(machine.BY_EVENT) == len(MOVES)


def page() -> str:
    """Return the page of the reference that shows the table."""
    rows = [
        "| stage | what happens | next stage | batch | accepted images |",
        "|---|---|---|---|---|",
    ]
    for move in MOVES:
        cells = (
            f"`{move.stage}`" if move.stage else "",
            str(move.event),
            f"`{move.to_stage}`" if move.to_stage else "",
            f"`{move.status}`" if move.status else "unchanged" if move.to_stage else "",
            f"`{move.images}`" if move.images else "",
        )
        rows.append("| " + " | ".join(cells).replace("|  |", "| |") + " |")
    return HEAD + "\n".join(rows).replace("|  |", "| |") + "\n"


HEAD = """\
# States and moves

A batch has a *status*, the public word, and a *stage*, the step that runs next. A batch that
stopped keeps its stage, so `sendit retry` knows where to resume. This is the whole table by
which batches move; `src/sendit/pipeline/machine/table.py` holds it, and nothing else in sendit
writes a state. The page is made from it by `tests/pipeline/machine/test_table.py`.

Besides these moves an image becomes `PROCESSING` when a worker claims it, `DONEPROCESSING` when
its result is written and checked, and `SENT` when every required target has proven that it
holds it. An image that is left out keeps the state it had; nothing of it leaves.

"""


def test_page_of_the_reference_shows_the_table() -> None:
    stale = not PAGE.exists() or PAGE.read_text() != page()
    if stale:
        PAGE.write_text(page())

    assert not stale, "docs/reference/states.md was stale and is written anew; commit it"
