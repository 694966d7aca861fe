"""Run the demo's pipeline and compare what became of each study with what must.

The pipeline is ``sendit run --once`` in a process of its own, as anybody would start it;
this process only puts the studies into the inbox and reads the database.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sendit.cli.child import end, environment
from sendit.cli.demo_studies import STUDIES, DemoStudy, write_study
from sendit.config import Configuration
from sendit.errors import SenditError
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Image
from sendit.terms import Stage, Status, Verdict

LOOK_SECONDS = 0.15
STOP_SECONDS = 10.0
N_STEPS = len(Stage)


class DemoFailed(SenditError):
    """The pipeline of the demo did not run to its end."""

    code = "DEMO"


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What became of one study."""

    study: DemoStudy
    batch: Batch | None
    delivered: int = 0
    excluded: int = 0
    patient_id: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether it is what the demo promises."""
        if self.batch is None:
            return False
        found = (self.batch.status, self.delivered, self.excluded, self.batch.unreadable)
        wanted = self.study
        return found == (wanted.status, wanted.delivered, wanted.excluded, wanted.unreadable)


def fill_inbox(inbox: Path) -> None:
    """Put the studies into the inbox, finished."""
    for study in STUDIES:
        write_study(study, inbox)


def run_pipeline(configuration: Configuration, *, after_look: Callable[[], None]) -> None:
    """Run the pipeline until it is idle; ``after_look`` is called every moment.

    Raises
    ------
    DemoFailed
        When it ends with an error.
    """
    log = configuration.settings.work_dir / "logs" / "demo.log"
    command = [sys.executable, "-m", "sendit", "run", "--once"]
    with (
        log.open("wb") as opened,
        subprocess.Popen(
            command,
            stdout=opened,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(configuration),
        ) as child,
    ):
        try:
            while child.poll() is None:
                after_look()
                time.sleep(LOOK_SECONDS)
        finally:
            end(child, seconds=STOP_SECONDS)
    after_look()
    if child.returncode:
        raise DemoFailed(f'"sendit run" ended with {child.returncode}; its log is {log}.')


def steps_done(study: DemoStudy) -> int:
    """Return how many of the ``N_STEPS`` stages a study has behind it."""
    batch = _batch_of(study)
    if batch is None:
        return 0
    if not batch.stage or batch.held or batch.status in (Status.DONE, Status.EMPTY, Status.ERROR):
        return N_STEPS
    return list(Stage).index(Stage(batch.stage))


def step_name(n_done: int) -> str:
    """Return the name of the stage that a study with so many behind it is at."""
    return "" if n_done >= N_STEPS else list(Stage)[n_done].replace("_", " ")


def outcomes() -> Sequence[DemoOutcome]:
    """Return what became of each study."""
    return [_outcome(study) for study in STUDIES]


def _outcome(study: DemoStudy) -> DemoOutcome:
    batch = _batch_of(study)
    if batch is None:
        return DemoOutcome(study, None)
    images = Image.objects.filter(batch=batch)
    arrived = images.accepted().filter(status__in=[Status.SENT, Status.DONE])
    first = arrived.order_by("nr").first()
    return DemoOutcome(
        study,
        batch,
        delivered=arrived.count(),
        excluded=images.filter(verdict=Verdict.EXCLUDED).count(),
        patient_id=first.patient_id if first is not None else "",
    )


def _batch_of(study: DemoStudy) -> Batch | None:
    return Batch.objects.filter(uid_digest=keyed_digest(study.name)).first()
