"""How many batches of each project have each status, kept and not counted anew.

A trigger adds a row for what a batch left and one for where it came, in the transaction that
moves it, whoever moves it: nobody waits for anybody, as all would for one row that holds the
number.  The watcher now and then puts the rows of a kind together, so that there are few.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from django.db import connection, transaction
from django.db.models import Sum

from sendit.records.models import BatchCount

FEW = 1000
"""So many rows are read in a millisecond."""
AT_MOST = 10_000
"""Rows put together in one transaction."""

_TRIGGERS = {
    "postgresql": (
        """
        CREATE FUNCTION records_count_batch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                INSERT INTO records_batchcount (project, status, number)
                VALUES (OLD.project, OLD.status, -1);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO records_batchcount (project, status, number)
                VALUES (NEW.project, NEW.status, 1);
            END IF;
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER records_batch_there AFTER INSERT OR DELETE ON records_batch
        FOR EACH ROW EXECUTE FUNCTION records_count_batch()
        """,
        """
        CREATE TRIGGER records_batch_moved AFTER UPDATE OF project, status ON records_batch
        FOR EACH ROW WHEN (OLD.project <> NEW.project OR OLD.status <> NEW.status)
        EXECUTE FUNCTION records_count_batch()
        """,
    ),
    "sqlite": (
        """
        CREATE TRIGGER records_batch_came AFTER INSERT ON records_batch BEGIN
            INSERT INTO records_batchcount (project, status, number)
            VALUES (NEW.project, NEW.status, 1);
        END
        """,
        """
        CREATE TRIGGER records_batch_went AFTER DELETE ON records_batch
        WHEN EXISTS (SELECT 1 FROM records_batchcount) BEGIN
            INSERT INTO records_batchcount (project, status, number)
            VALUES (OLD.project, OLD.status, -1);
        END
        """,
        """
        CREATE TRIGGER records_batch_moved AFTER UPDATE OF project, status ON records_batch
        WHEN OLD.project <> NEW.project OR OLD.status <> NEW.status BEGIN
            INSERT INTO records_batchcount (project, status, number)
            VALUES (OLD.project, OLD.status, -1), (NEW.project, NEW.status, 1);
        END
        """,
    ),
}
"""Part of migration 0014: what is changed here needs another one.

So does a migration that makes SQLite copy the table of batches: its triggers go with the old one.
Numbers that were emptied as a whole stay so when the batches are emptied next.
"""
_NO_TRIGGERS = {
    "postgresql": ("DROP FUNCTION IF EXISTS records_count_batch() CASCADE",),
    "sqlite": tuple(
        f"DROP TRIGGER IF EXISTS records_batch_{name}" for name in ("came", "went", "moved")
    ),
}
_COUNT = """
    INSERT INTO records_batchcount (project, status, number)
    SELECT project, status, COUNT(*) FROM records_batch GROUP BY project, status
"""
_COUNT_ANEW = {
    # One statement sees one moment; what others add meanwhile is in neither part of it.
    "postgresql": ("WITH gone AS (DELETE FROM records_batchcount) " + _COUNT,),  # noqa: S608 - ours
    "sqlite": ("DELETE FROM records_batchcount", _COUNT),
}
_DIFFER = """
    SELECT COUNT(*) FROM (
        SELECT 1 FROM (
            SELECT project, status, number FROM records_batchcount
            UNION ALL SELECT project, status, -1 FROM records_batch
        ) AS both_ways GROUP BY project, status HAVING SUM(number) <> 0
    ) AS wrong
"""


def count_from_now_on() -> None:
    """Make the triggers, and count what is there."""
    _run(*_TRIGGERS[connection.vendor], _COUNT)


def count_no_more() -> None:
    """Remove the triggers."""
    _run(*_NO_TRIGGERS[connection.vendor])


def batches_by_status(projects: Collection[str] | None = None) -> Mapping[str, int]:
    """Return how many batches have each status, of all or of some projects; states of none miss."""
    kept = BatchCount.objects.order_by()
    if projects is not None:
        kept = kept.filter(project__in=projects)
    rows = kept.values_list("status").annotate(sum=Sum("number"))
    return {str(status): number for status, number in rows if number}


def put_together(*, few: int = FEW) -> None:
    """Make one row of those of a kind, if they are no longer few."""
    if BatchCount.objects.count() <= few:
        return
    with transaction.atomic():
        _alone()
        rows = list(BatchCount.objects.values_list("pk", "project", "status", "number")[:AT_MOST])
        sums: Counter[tuple[str, str]] = Counter()
        for _, project, status, number in rows:
            sums[project, status] += number
        # By their keys: what is added meanwhile was not summed.
        BatchCount.objects.filter(pk__in=[pk for pk, *_ in rows]).delete()
        BatchCount.objects.bulk_create(
            BatchCount(project=project, status=status, number=number)
            for (project, status), number in sums.items()
            if number
        )


def count_anew() -> None:
    """Count all batches, whatever is kept of it."""
    with transaction.atomic():
        _alone()
        _run(*_COUNT_ANEW[connection.vendor])


def counts_are_right() -> bool:
    """Say whether what is kept is what counting finds."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFER)
        return not cursor.fetchone()[0]


def _alone() -> None:
    """Keep out whoever puts together or counts, and nobody who adds or reads."""
    if connection.vendor == "postgresql":
        _run("LOCK TABLE records_batchcount IN SHARE UPDATE EXCLUSIVE MODE")


def _run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
