"""``sendit project``: the end of a study protocol."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.broker import user
from sendit.cli.command import SenditCommand
from sendit.config import Configuration, Project
from sendit.config.own_keys import FOLDER, own_key_file
from sendit.errors import UsageError
from sendit.metrics.wording import count_text
from sendit.records.audit import Act
from sendit.records.closing import Closed, close_project


class Command(SenditCommand):
    """Closes a project."""

    help = """Close a project: what leads from its names back to patients is destroyed.
This cannot be undone: nobody is re-identified, and no patient who comes again gets the old
names. The project's namespace cannot be used again. With identity.own_key, its names, UIDs and
shifts cannot be derived again either; without, whoever has the site key still can."""
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
            settings=configuration.settings,
        )
        self.say(*_what_went(project, closed), *_what_remains(configuration, project, closed))
        return 0


def _what_went(project: Project, closed: Closed) -> Iterator[str]:
    if closed.before is not None:
        yield f"Project {project.name} was closed on {closed.before:%Y-%m-%d} already."
    else:
        yield (
            f"Project {project.name} is closed. Gone from the ledger: "
            f"{count_text(closed.patients, 'patient')} of namespace {closed.namespace}, with the "
            f"kept identifiers of {count_text(closed.batches, 'batch', 'batches')}. Nobody is "
            "named in it again."
        )
    if closed.own_key:
        yield (
            f"The own key of namespace {closed.namespace} is destroyed: overwritten, and its file "
            "removed. Without a copy of it nobody can derive the namespace's names, UIDs and "
            "shifts again, not even with the site key."
        )


def _what_remains(configuration: Configuration, project: Project, closed: Closed) -> Iterator[str]:
    if project.identity.own_key:
        name = own_key_file(configuration.settings, closed.namespace).name
        yield (
            f'Destroy its copies, too: keys/{FOLDER}/{name} in every folder of "sendit backup", '
            f'{FOLDER}/{name} in every folder of "sendit key backup", and copies and snapshots of '
            f"the disk; and what of the ledger is in backups and exports."
        )
    else:
        yield (
            "Destroy the backups that hold them, too. Names that were derived from the site key "
            "can be derived again by whoever has that key and an original id: when no other "
            f"project needs it, destroy {configuration.settings.keys.site_file} and its copies."
        )
