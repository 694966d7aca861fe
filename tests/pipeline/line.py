"""A whole pipeline in this process: folders are registered, admitted and worked to rest.

::

    def test_study_is_delivered(line: Line) -> None:
        line.installation.add_study("ACC1")

        batch = line.run("ACC1")

        assert batch.status == Status.DONE

What the intake does with a finished folder is done here by ``hand_in``, so that these
tests stand on the pipeline alone.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sendit.config import Configuration
from sendit.pipeline import machine
from sendit.pipeline.preparation import prepare
from sendit.pipeline.runner import Runner, Step
from sendit.pipeline.work import folder_key
from sendit.pipeline.workspace import Workspace
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Profile
from tests.support.installation import PROJECT, Installation

NO_TARGET = PROJECT.split("[[targets]]", maxsplit=1)[0]
"""The project ``demo`` without its target."""


@dataclass(slots=True)
class Line:
    """An installation, its keys, and a clock that the test moves."""

    installation: Installation
    configuration: Configuration
    site_key: bytes
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.configuration.settings.work_dir)

    def set_project(self, text: str) -> None:
        """Replace the project file for the batches that are handed in from now on."""
        self.installation.write_project(text)
        self.configuration = self.installation.configuration()

    def hand_in(self, name: str) -> int:
        """Register and admit the finished folder of that name; return the batch's number."""
        batch = register_folder(self.configuration, self.installation.inbox / name)
        assert machine.admit(batch.pk, now=self.clock)
        return int(batch.pk)

    def work(self, *, later: timedelta = timedelta(0)) -> None:
        """Advance every batch until nothing is due."""
        self.clock += later
        runner = self.runner()
        while (batch_id := runner.next_batch()) is not None:
            while runner.advance(batch_id) is not Step.IDLE:
                pass

    def run(self, name: str) -> Batch:
        """Hand a folder in, work until everything rests, and return its batch."""
        batch_id = self.hand_in(name)
        self.work()
        return self.batch(batch_id)

    def runner(self, worker: str = "here:1:1") -> Runner:
        """Return a worker of its own name."""
        return Runner(
            self.configuration, site_key=self.site_key, worker=worker, now=lambda: self.clock
        )

    def batch(self, batch_id: int) -> Batch:
        return Batch.objects.get(pk=batch_id)

    def codes(self, batch_id: int) -> list[str]:
        """Return the codes of the batch's error list, oldest first."""
        return [entry["code"] for entry in self.batch(batch_id).errors]

    def err_folder(self, name: str) -> Path:
        return self.installation.inbox / f"{name}.err"


def make_line(installation: Installation, configuration: Configuration) -> Line:
    """Prepare the installation and return its pipeline."""
    return Line(installation, configuration, prepare(configuration).site)


def register_folder(configuration: Configuration, folder: Path, *, project: str = "demo") -> Batch:
    """Register a finished folder as the intake does."""
    chosen = configuration.projects[project]
    profile, _ = Profile.objects.get_or_create(
        digest=chosen.digest, defaults={"project": project, "content": chosen.snapshot()}
    )
    uid = os.fsencode(folder.name).decode("utf-8", "backslashreplace")
    return machine.register(
        uid=uid,
        uid_digest=keyed_digest(f"{folder.parent}/{uid}/{Batch.objects.count()}"),
        folder=folder.name,
        folder_key=folder_key(folder.lstat()),
        inbox=str(folder.parent),
        project=project,
        profile_id=profile.digest,
        priority=chosen.priority,
    )
