"""What retention says of one batch: what may go, and when.

Only says so; what goes is decided and removed by ``stages/clean_up.py``, and ``sendit clean
--dry-run`` shows it.
"""

from datetime import datetime, timedelta

from sendit.config import Project
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Image
from sendit.terms import Status, Verdict


def due(
    batch: Batch, project: Project, workspace: Workspace, *, now: datetime
) -> dict[str, datetime]:
    """Return when each thing may go; what is kept for ever, or was never there, is not in it."""
    retention = project.retention
    empty = batch.status == Status.EMPTY
    rules: dict[str, str | timedelta] = {
        "results": retention.results,
        "identifiers": retention.identifiers,
        "previews": retention.previews,
    }
    if workspace.phi(batch.pk).is_dir():
        rules["originals"] = retention.excluded if empty else retention.originals
        if excluded_numbers(batch.pk):
            rules["excluded"] = retention.excluded
    files_stay = "keep" in (rules.get("originals"), rules["results"], rules.get("excluded"))
    if not files_stay:  # files whose rows are forgotten would be orphans
        rules["rows"] = retention.rows
    since = min(batch.finished or now, now)  # a clock that was ahead may have written it
    times = {}
    for what, rule in rules.items():
        if rule == "remove":
            times[what] = since
        elif isinstance(rule, timedelta):
            times[what] = since + rule
    return times


def held_back(
    times: dict[str, datetime], project: Project, *, until: datetime
) -> dict[str, datetime]:
    """Return the same, but what an optional target still needs stays for now."""
    needed = "results" if project.anonymize else "originals"
    return {
        what: max(moment, until) if what in (needed, "identifiers", "rows") else moment
        for what, moment in {needed: until, **times}.items()
    }


def excluded_numbers(batch_id: int) -> set[str]:
    """Return the numbers of the excluded images, as their originals are named."""
    excluded = Image.objects.filter(batch=batch_id, verdict=Verdict.EXCLUDED)
    return {str(nr) for nr in excluded.values_list("nr", flat=True)}
