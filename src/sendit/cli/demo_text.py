"""What ``sendit demo`` shows when it is done."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from sendit.cli.demo_run import DemoOutcome
from sendit.cli.hints import program, shown, typed
from sendit.metrics.report import ACTIONS
from sendit.metrics.report_facts import elements_of

COLUMNS = ("batch", "study", "outcome", "images", "excluded", "errors", "where")
NUMBERS = frozenset({"batch", "images", "excluded", "errors"})


def outcome_table(found: Sequence[DemoOutcome]) -> Table:
    """Return the table of batches; it fits into 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in COLUMNS:
        table.add_column(title, justify="right" if title in NUMBERS else "left", no_wrap=True)
    for one in found:
        table.add_row(*_cells(one))
    return table


def notes(found: Sequence[DemoOutcome]) -> list[str]:
    """Return what there is to say about batches that did not simply go through."""
    lines = []
    for one in found:
        if one.batch is None:
            lines.append(f"{one.study.name}: was not taken in.")
            continue
        told = [entry["message"] for entry in (*one.batch.errors, *one.batch.alerts)]
        lines += [f"Batch {one.batch.pk}, {one.study.name}: {message}" for message in told]
        if one.study.unreadable:
            lines.append(f"  It waits in inbox/{one.study.name}.err for a person.")
    return lines


def action_table(found: Sequence[DemoOutcome]) -> Table:
    """Return the table of what was done to the headers."""
    counts: Counter[str] = Counter()
    for one in found:
        if one.batch is not None:
            for (_path, action, _rule), count in elements_of(one.batch).items():
                counts[action] += count
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("times", justify="right")
    table.add_column("action")
    for action, meaning in ACTIONS.items():
        if counts[action]:
            table.add_row(str(counts[action]), meaning)
    return table


def hints(folder: Path, found: Sequence[DemoOutcome], report: Path) -> list[tuple[str, str]]:
    """Return what to look at next: what for, and the words to type or the place to open."""
    config = f"--config {typed(folder / 'sendit.toml')}"
    out = folder / "out"
    result = next(iter(sorted(out.rglob("*.dcm"))), out)
    waiting = next((one.batch for one in found if one.batch and one.batch.has_error), None)
    listed = [
        ("a page about the run", shown(report)),
        ("results", shown(out)),
        ("one result's header", f"{_pydicom()} show {typed(result)}"),
        ("states and errors", f"{program()} status {config}"),
        ("the same as a service", f"{program()} serve {config}"),
    ]
    if waiting is not None:
        words = f"{program()} resolve {waiting.pk} --accept {config}"
        listed.insert(4, (f"close batch {waiting.pk} without its bad file", words))
    return listed


def _pydicom() -> str:
    """Return how pydicom's own program is started; it lies beside the Python it belongs to."""
    beside = Path(sys.executable).with_name("pydicom")
    found = shutil.which("pydicom")
    is_this = found is not None and Path(found).absolute() == beside.absolute()
    return "pydicom" if is_this else typed(beside)


def _cells(one: DemoOutcome) -> tuple[str, ...]:
    where = f"out/{one.patient_id}" if one.patient_id else ""
    if one.batch is None:
        return ("–", one.study.name, "MISSING", "0", "0", "0", where)
    status = one.batch.status if one.as_expected else f"[bold red]{one.batch.status}?[/]"
    counts = (one.delivered, one.excluded, one.batch.unreadable)
    return (str(one.batch.pk), one.study.name, status, *map(str, counts), where)
