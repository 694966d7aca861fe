"""``sendit recall``: take back every delivered copy of a patient, a study or a batch."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli import broker
from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.metrics.wording import count_text
from sendit.pipeline.recalling import Wanted, recall
from sendit.records.models import Recall


class Command(SenditCommand):
    """Takes copies back."""

    help = """Take back every delivered copy of a patient, a study or a batch.
Each target that can removes what it has, and is asked whether it is gone; what is left is
listed for a person. If it comes in again, it is held."""
    example = 'sendit recall --patient 4711 --reason "consent withdrawn"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--patient", metavar="X", help="Pseudonym, or the original Patient ID.")
        what.add_argument(
            "--study", metavar="X", help="Study Instance UID, new or original, or its pseudonym."
        )
        what.add_argument("--batch", metavar="X", help="Number or uid of a batch.")
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="Kept, encrypted, with the recall."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Recall, and say what became of each copy."""
        self.prepare(configuration)
        scope = next(
            word
            for word in (Recall.PATIENT, Recall.STUDY, Recall.BATCH)
            if getattr(options, word) is not None
        )
        wanted = Wanted(scope, getattr(options, scope))
        left = 0
        found = 0
        for copy in recall(
            configuration,
            wanted,
            by=broker.user(),
            reason=options.reason,
            now=lambda: datetime.now(UTC),
        ):
            found += 1
            left += bool(copy.left)
            count = f"{count_text(copy.n_instances, 'instance')}, " if copy.n_instances else ""
            ending = f"LEFT. {copy.left}" if copy.left else "removed, and shown to be gone."
            self.say(f"{copy.where}: {count}{copy.what}: {ending}")
        if not found:
            self.say("No copy is left anywhere.")
        if Recall.objects.latest("pk").studies.exists():
            self.say(f"If this {scope} comes in again, it is held; see its alerts.")
        else:  # no new names by which it would be known
            self.say(f"If this {scope} comes in again, it is not held: it was not de-identified.")
        if left:
            self.stderr.write(f"{count_text(left, 'entry', 'entries')} left for a person.")
        return int(bool(left))
