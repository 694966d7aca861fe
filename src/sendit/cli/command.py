"""What every command shares: its options, an example in its help, a prepared installation.

A command sets ``help`` and ``example``, adds its arguments, and does its work in ``act``,
which returns an exit code.
"""

import argparse
import logging
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any  # Django's signature

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sendit.config import Configuration, make_default_folders
from sendit.errors import ConfigurationInvalid, VolumeMissing
from sendit.pipeline.preparation import make_all_new_targets_ready, prepare
from sendit.records.installation import Keys


class SenditCommand(BaseCommand):
    """A command of sendit."""

    example: str = ""
    """A line that can be copied, without the prompt."""
    more_examples: tuple[str, ...] = ()
    """Of a command with actions: a line for each action that ``example`` does not show."""
    requires_system_checks: list[str] = []  # noqa: RUF012  ``check`` makes them; Django's type
    suppressed_base_arguments = {  # noqa: RUF012  Django's type
        "--version",
        "-v",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
        "--skip-checks",
    }

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser with our options and an example."""
        parser = super().create_parser(
            prog_name,
            subcommand,
            allow_abbrev=False,
            conflict_handler="resolve",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=f"example:\n  {self.example}",
            **kwargs,
        )
        for action in actions_of(parser):
            lines = [
                line for line in (self.example, *self.more_examples) if line.startswith(action.prog)
            ]
            action.formatter_class = argparse.RawDescriptionHelpFormatter
            action.epilog = "\n  ".join(["example:" if len(lines) == 1 else "examples:", *lines])
            _add_shared(action)
        _add_shared(parser)
        parser.set_defaults(verbose=False, config=None)
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare the installation and act; another exit code than 0 ends the program."""
        if options["verbose"]:
            logging.getLogger("sendit").setLevel(logging.DEBUG)
        configuration: Configuration = settings.SENDIT
        code = self.act(configuration, argparse.Namespace(**options))
        if code:
            raise SystemExit(code)

    @abstractmethod
    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Do what the command is for and return the exit code."""

    def prepare(self, configuration: Configuration) -> Keys:
        """Make the installation ready: folders, tables, keys."""
        return prepare(configuration)

    def prepare_to_work(self, configuration: Configuration) -> Keys:
        """Make ready for a command that takes in and sends: also the places of new targets.

        Raises
        ------
        sendit.errors.ConfigurationInvalid
            When an inbox is away.
        """
        if configuration.unusable_inboxes:
            raise ConfigurationInvalid("\n".join(configuration.unusable_inboxes))
        keys = prepare(configuration)
        make_default_folders(configuration)
        make_all_new_targets_ready(configuration)
        return keys

    def prepare_to_read(self, configuration: Configuration) -> None:
        """Make ready for a command that only tells: a volume that is missing is only said."""
        try:
            prepare(configuration)
        except VolumeMissing as error:
            self.stderr.write(str(error))

    def say(self, *lines: str) -> None:
        """Write results to stdout."""
        for line in lines:
            self.stdout.write(line)


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Find the parsers of the actions, and of their actions."""
    for argument in parser._actions:
        if isinstance(argument, argparse._SubParsersAction):
            for action in argument.choices.values():
                yield action
                yield from actions_of(action)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    # No default: what is left out after an action must not undo what was said before it.
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="Say more."
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="The configuration; else SENDIT_CONFIG, ./sendit.toml, or the default.",
    )
