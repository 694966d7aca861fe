"""``sendit demo``: real studies through the whole pipeline, in a folder of its own."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from sendit.cli import demo_run, demo_text
from sendit.cli.command import SenditCommand
from sendit.cli.demo_folder import DEFAULT, MARKER
from sendit.cli.demo_studies import STUDIES
from sendit.cli.hints import shown
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.metrics.report import write_report
from sendit.records.models import Batch


class Command(SenditCommand):
    """Shows the product at work."""

    help = """Take real studies through the whole pipeline, in a folder that is made anew.
The studies are test files that pydicom brings along: CT, MR, one with a file that is not
DICOM, one with nothing but images that the project leaves out."""
    example = "sendit demo --dir sendit-demo"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--dir",
            type=Path,
            default=Path(DEFAULT),
            metavar="DIR",
            help=f"Made anew each time; one that was not made by the demo is refused ({DEFAULT}).",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Run the demo and say whether everything went as it must."""
        folder = _folder_of(configuration)
        self.prepare_to_work(configuration)
        console = Console(highlight=False)
        console.print(f"Demo in {shown(folder)}, with {len(STUDIES)} real studies:")
        for study in STUDIES:
            console.print(f"  {study.name:15} {study.shows}", soft_wrap=True)
        console.print()
        demo_run.fill_inbox(folder / "inbox")
        self._watch(configuration)
        found = demo_run.outcomes()
        report = folder / "report.html"
        batches = Batch.objects.order_by("pk").select_related("profile")
        work_dir = configuration.settings.work_dir
        write_report(batches, report, work_dir=work_dir, now=datetime.now(UTC))
        console.print(demo_text.outcome_table(found))
        for line in demo_text.notes(found):
            console.print(f"\n{line}", soft_wrap=True, end="")
        console.print("\n\nWhat was done to the headers")
        console.print(demo_text.action_table(found))
        console.print("\nLook further")
        for label, words in demo_text.hints(folder, found, report):
            console.print(f"  {label}:\n    {words}", soft_wrap=True)
        wrong = [one.study.name for one in found if not one.as_expected]
        if wrong:
            self.stderr.write(f"Not as expected: {', '.join(wrong)}.")
        return int(bool(wrong))

    def _watch(self, configuration: Configuration) -> None:
        console = Console(stderr=True)
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[step]:10}"),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            tasks = {
                study.name: progress.add_task(study.name, total=demo_run.N_STEPS, step="")
                for study in STUDIES
            }

            def look() -> None:
                for study in STUDIES:
                    done = demo_run.steps_done(study)
                    step = demo_run.step_name(done)
                    progress.update(tasks[study.name], completed=done, step=step)

            demo_run.run_pipeline(configuration, after_look=look)


def _folder_of(configuration: Configuration) -> Path:
    source = configuration.source
    if source is None or not (source.parent / MARKER).is_file():
        raise UsageError('The demo makes its own configuration: run it as "sendit demo".')
    return source.parent
