"""``sendit project``: the end of a study protocol."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.broker import user
from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.records.audit import Act
from sendit.records.closing import close_project


class Command(SenditCommand):
    """Closes a project."""

    help = """Close a project: what leads from its names back to patients is destroyed.
This cannot be undone: nobody is re-identified, and no patient who comes again gets the old
names. The project's namespace cannot be used again."""
    example = 'sendit project close irb-41449 --reason "study ended, IRB letter 30"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="close")
        closing = actions.add_parser("close", help="Destroy its keys and names, for ever.")
        closing.add_argument("name", metavar="NAME", help="Name of its file, without .toml.")
        closing.add_argument(
            "--reason", default="", metavar="TEXT", help="Kept, encrypted, in the audit log."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Close it and say what went."""
        self.prepare(configuration)
        project = configuration.projects.get(options.name)
        if project is None:
            known = ", ".join(sorted(configuration.projects)) or "none"
            raise UsageError(f'There is no project "{options.name}"; there are: {known}.')
        namespace = project.identity.namespace
        others = tuple(
            other.name
            for other in configuration.projects.values()
            if other.identity.namespace == namespace and other.name != project.name
        )
        closed = close_project(
            project,
            others=others,
            act=Act(user(), "project close", subject=project.name, reason=options.reason),
            now=datetime.now(UTC),
            head_folder=configuration.settings.keys.site_file.parent,
        )
        self.say(
            f"Project {project.name} is closed: {closed.patients} patients of namespace "
            f"{closed.namespace} are gone from the ledger, with the kept identifiers of "
            f"{closed.batches} batches. Nobody is named in it again.",
            "Destroy the backups that hold them, too. Names that were derived from the site key "
            "can be derived again by whoever has that key and an original id: when no other "
            f"project needs it, destroy {configuration.settings.keys.site_file} and its copies.",
        )
        return 0
