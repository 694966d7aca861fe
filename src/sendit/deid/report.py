"""What was done to an instance: tags, actions, rules and counts; never a value.

``Report`` speaks of one instance, ``Totals`` of many; both become the JSON that
``sendit deid --report`` writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sendit import __version__
from sendit.deid.recipe import Recipe
from sendit.errors import ImageError
from sendit.terms import OUTCOME_OF, Outcome, Reason

ACTIONS = ("X", "Z", "D", "U", "C", "K", "shift", "private")

OPEN = "open"
"""How a file is counted that has no outcome: its batch is on its way, or stopped."""

Json = dict[str, Any]  # what json.dumps takes; read by nobody here


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one input file."""

    outcome: Outcome | None
    """None while there is none."""
    reason: Reason | None = None
    detail: str | None = None
    sop_instance_uid: str | None = None
    """New, like every identifier in a report; None unless written."""
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None
    patient_id: str | None = None
    study_pseudonym: str | None = None
    study_date: str = ""
    """As written into the result; empty if it has none."""
    modality: str = ""
    sop_class_uid: str = ""
    file: str | None = None
    """Path of the result relative to its root."""
    sha256: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    elements: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """(path, action, rule) → how often."""
    regions: tuple[Mapping[str, int], ...] = ()
    """Rectangles of pixels that were overwritten."""
    sources: str = ""
    """New UIDs of the instances that it was derived from, or refers to as its evidence."""

    @classmethod
    def of_error(cls, error: ImageError, *, bytes_in: int = 0) -> "Report":
        """Return the report of a file that was not written."""
        return cls(OUTCOME_OF[error.reason], error.reason, error.detail or None, bytes_in=bytes_in)

    def as_json(self, source: str | int | None = None) -> Json:
        """Return the entry of ``images`` for this file."""
        return {
            "source": source,
            "outcome": None if self.outcome is None else str(self.outcome),
            "reason": None if self.reason is None else str(self.reason),
            "detail": self.detail,
            "sop_instance_uid": self.sop_instance_uid,
            "file": self.file,
            "sha256": self.sha256,
            "actions": dict(sorted(self.actions.items())),
            "rules": dict(sorted(self.rules.items())),
            "regions": [dict(region) for region in self.regions],
        }


def count_notes(
    notes: Iterable[tuple[str, str, str]],
) -> tuple[dict[str, int], dict[str, int], dict[tuple[str, str, str], int]]:
    """Return counts by action, by rule, and by (path, action, rule)."""
    elements: dict[tuple[str, str, str], int] = Counter(notes)
    actions: dict[str, int] = {}
    rules: dict[str, int] = {}
    for (_path, action, rule), count in elements.items():
        if action:
            actions[action] = actions.get(action, 0) + count
        rules[rule] = rules.get(rule, 0) + count
    return actions, rules, elements


class Totals:
    """Adds up the reports of a run into the document of ``--report``."""

    def __init__(self, recipe: Recipe, *, started: datetime, batch: int | None = None) -> None:
        self._recipe = recipe
        self._started = started
        self._batch = batch
        self._counts: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._elements: Counter[tuple[str, str, str]] = Counter()
        self._images: list[Json] = []

    def add(self, report: Report, *, source: str | int | None = None) -> None:
        """Count one file; ``source`` is its name, or its number when names are not wanted."""
        self._counts.update(
            {
                "files": 1,
                str(report.outcome or OPEN): 1,
                "bytes_in": report.bytes_in,
                "bytes_out": report.bytes_out,
            }
        )
        self._actions.update(report.actions)
        self._elements.update(report.elements)
        number = len(self._images) + 1
        self._images.append(report.as_json(number if source is None else source))

    @property
    def open(self) -> int:
        """Return how many files have no outcome."""
        return self._counts[OPEN]

    def count(self, outcome: Outcome) -> int:
        """Return how many files ended in this way."""
        return self._counts[str(outcome)]

    @property
    def files(self) -> int:
        """Return how many files were seen."""
        return self._counts["files"]

    def as_json(self, *, finished: datetime | None = None) -> Json:
        """Return the whole document."""
        return {
            "schema": 1,
            "sendit": __version__,
            "batch": self._batch,
            "started": _iso(self._started),
            "finished": _iso(finished or datetime.now(UTC)),
            "recipe": self._recipe.as_json(),
            "totals": {
                name: self._counts[name]
                for name in (
                    "files",
                    *(str(outcome) for outcome in Outcome),
                    "bytes_in",
                    "bytes_out",
                )
            },
            "actions": {action: self._actions[action] for action in ACTIONS},
            "elements": [
                {"path": path, "action": action, "rule": rule, "count": count}
                for (path, action, rule), count in sorted(self._elements.items())
            ],
            "images": self._images,
        }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
