"""What went through in each hour (UTC): kept, as ``kept.py`` says, and not summed anew.

Batches that are ``DONE`` and their bytes, in the hour in which they became so; images, in the
hour in which the run that de-identified them ended.  There is a row for each hour of each year,
so sums carry a mark: what is to be put together is found without looking through them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from sendit.records.kept import AT_MOST, FEW, KeptSums
from sendit.records.models import HourCount

_VALUES = ("batches", "bytes", "images")
_HOUR = {
    "postgresql": "date_trunc('hour', {}, 'UTC')",
    "sqlite": "substr({}, 1, 13) || ':00:00'",
}
_ADD = "INSERT INTO records_hourcount (project, hour, batches, bytes, images, is_sum)"


def _add_batch(vendor: str, row: str, sign: str) -> str:
    return (
        f"{_ADD} SELECT {row}.project, {_HOUR[vendor].format(f'{row}.finished')}, "
        f"{sign}1, {sign}{row}.bytes, 0, FALSE "
        f"WHERE {row}.status = 'DONE' AND {row}.finished IS NOT NULL;"
    )


def _add_run(vendor: str, row: str, sign: str) -> str:
    return (
        f"{_ADD} SELECT project, {_HOUR[vendor].format(f'{row}.ended')}, "  # noqa: S608
        f"0, 0, {sign}{row}.images, FALSE FROM records_batch "
        f"WHERE id = {row}.batch_id AND {row}.stage = 'deidentify' AND {row}.ended IS NOT NULL;"
    )


def _terms(vendor: str) -> str:
    return f"""
        SELECT project, {_HOUR[vendor].format("finished")} AS hour, 1 AS batches, bytes, 0 AS images
        FROM records_batch WHERE status = 'DONE' AND finished IS NOT NULL
        UNION ALL SELECT project, {_HOUR[vendor].format("ended")}, 0, 0, images
        FROM records_stagerun AS run JOIN records_batch AS batch ON batch.id = run.batch_id
        WHERE run.stage = 'deidentify' AND ended IS NOT NULL
    """  # noqa: S608 - ours


_TABLES = {
    # A batch stays with its project.
    "batch": (_add_batch, "status, finished, bytes"),
    "stagerun": (_add_run, "stage, ended, images"),
}
"""What a row of each adds, and the columns that change it."""


def _postgresql() -> Iterator[str]:
    for table, (add, columns) in _TABLES.items():
        was, now = add("postgresql", "OLD", "-"), add("postgresql", "NEW", "")
        yield f"""
            CREATE FUNCTION records_hour_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP <> 'INSERT' THEN {was} END IF;
                IF TG_OP <> 'DELETE' THEN {now} END IF;
                RETURN NULL;
            END $$
        """
        yield f"""
            CREATE TRIGGER records_{table}_hour
            AFTER INSERT OR DELETE OR UPDATE OF {columns} ON records_{table}
            FOR EACH ROW EXECUTE FUNCTION records_hour_of_{table}()
        """


def _sqlite() -> Iterator[str]:
    for table, (add, columns) in _TABLES.items():
        was, now = add("sqlite", "OLD", "-"), add("sqlite", "NEW", "")
        name, on = f"CREATE TRIGGER records_{table}_hour", f"ON records_{table}"
        yield f"{name}_came AFTER INSERT {on} BEGIN {now} END"
        yield f"{name}_moved AFTER UPDATE OF {columns} {on} BEGIN {was} {now} END"
        # Sums that were emptied as a whole stay so when the batches are emptied next.
        any_kept = "EXISTS (SELECT 1 FROM records_hourcount)"
        yield f"{name}_went AFTER DELETE {on} WHEN {any_kept} BEGIN {was} END"


HOURS = KeptSums(
    table="records_hourcount",
    keys=("project", "hour"),
    values=_VALUES,
    triggers={"postgresql": tuple(_postgresql()), "sqlite": tuple(_sqlite())},
    no_triggers={
        "postgresql": tuple(
            f"DROP FUNCTION IF EXISTS records_hour_of_{table}() CASCADE" for table in _TABLES
        ),
        "sqlite": tuple(
            f"DROP TRIGGER IF EXISTS records_{table}_hour_{name}"
            for table in _TABLES
            for name in ("came", "moved", "went")
        ),
    },
    terms={vendor: _terms(vendor) for vendor in _HOUR},
    marks=("is_sum",),
)
"""Made by migration 0015.

On SQLite its triggers go before a later migration copies the table of batches, which they name.
"""


def kept_hours(projects: Collection[str] | None) -> QuerySet[HourCount]:
    """Return the rows to sum, of all or of some projects."""
    rows = HourCount.objects.order_by()
    return rows if projects is None else rows.filter(project__in=projects)


def put_together(*, few: int = FEW) -> None:
    """Make one row of those of an hour, if what was added to it is no longer few."""
    added = HourCount.objects.filter(is_sum=False)
    if added[: few + 1].count() <= few:
        return
    columns = ("pk", "project", "hour", *_VALUES)
    with transaction.atomic():
        HOURS.keep_out_others()
        rows = list(added.order_by("pk").values_list(*columns)[:AT_MOST])
        keys = {row[1:3] for row in rows}
        sums = HourCount.objects.filter(is_sum=True, hour__in={hour for _, hour in keys})
        rows += [row for row in sums.values_list(*columns) if row[1:3] in keys]
        # By their keys: what is added meanwhile was not summed.
        HourCount.objects.filter(pk__in=[pk for pk, *_ in rows]).delete()
        HourCount.objects.bulk_create(
            HourCount(
                project=project, hour=hour, batches=batches, bytes=size, images=images, is_sum=True
            )
            for (project, hour), (batches, size, images) in _totals(rows).items()
            if batches or size or images
        )


def _totals(
    rows: Iterable[tuple[int, str, datetime, int, int, int]],
) -> Mapping[tuple[str, datetime], tuple[int, int, int]]:
    totals: dict[tuple[str, datetime], tuple[int, int, int]] = {}
    for _, project, hour, *values in rows:
        batches, size, images = totals.get((project, hour), (0, 0, 0))
        totals[project, hour] = (batches + values[0], size + values[1], images + values[2])
    return totals
