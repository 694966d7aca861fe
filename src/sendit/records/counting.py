"""How many batches of each project have each status: kept, as ``kept.py`` says, not counted."""

from collections import Counter
from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import Sum

from sendit.records.kept import AT_MOST, FEW, KeptSums
from sendit.records.models import BatchCount

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
"""Numbers that were emptied as a whole stay so when the batches are emptied next."""
_NO_TRIGGERS = {
    "postgresql": ("DROP FUNCTION IF EXISTS records_count_batch() CASCADE",),
    "sqlite": tuple(
        f"DROP TRIGGER IF EXISTS records_batch_{name}" for name in ("came", "went", "moved")
    ),
}
COUNTS = KeptSums(
    table="records_batchcount",
    keys=("project", "status"),
    values=("number",),
    triggers=_TRIGGERS,
    no_triggers=_NO_TRIGGERS,
    terms=dict.fromkeys(
        ("postgresql", "sqlite"), "SELECT project, status, 1 AS number FROM records_batch"
    ),
)
"""Made by migration 0014."""


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
        COUNTS.keep_out_others()
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
