"""``sendit reidentify``: from a new name back to the patient, by those who have the right."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli import broker
from sendit.cli.command import SenditCommand
from sendit.cli.table import one_line
from sendit.config import Configuration
from sendit.errors import NotAllowed
from sendit.records.audit import Act, append
from sendit.records.reidentify import Original, reidentify


class Command(SenditCommand):
    """Goes back, and writes it down first."""

    help = """Say whom a new name or UID stands for; needs a credential of its own.
The question is in the audit log before it is answered. A credential is a file that
"sendit identity credential issue" makes."""
    example = 'sendit reidentify PBCDFGHJKLMNPQRS --reason "incidental finding, IRB letter 17"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "name", metavar="SUID|UID", help="Pseudonym of a patient or study, or a new UID."
        )
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="Kept, encrypted, in the audit log."
        )
        broker.add_credential(parser)

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Ask for the credential, write down the question, answer."""
        self.prepare_to_read(configuration)
        head_folder = configuration.settings.audit.folder
        now = datetime.now(UTC)
        try:
            actor = broker.holder(options.credential)
        except NotAllowed:
            act = Act(broker.user(), "reidentify refused", reason=options.reason)
            append(act, now=now, head_folder=head_folder)
            raise
        found = reidentify(
            options.name, actor=actor, reason=options.reason, now=now, head_folder=head_folder
        )
        for original in found:
            self._show(original)
        return 0

    def _show(self, original: Original) -> None:
        self.say(f"{original.what} in namespace {original.namespace}")
        for key, value in original.values.items():
            self.say(f"  {key}: {one_line(value)}")
        for one in original.patient:
            said = ", ".join(f"{key} {one_line(value)}" for key, value in one.items())
            self.say(f"  patient: {said}")
