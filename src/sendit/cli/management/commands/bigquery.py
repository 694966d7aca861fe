"""``sendit bigquery``: the tables that rows about delivered studies go to."""

import argparse
import json

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.storage.bigquery_schema import SCHEMAS


class Command(SenditCommand):
    """Prints the definitions of the tables."""

    help = """Print the tables that a target of kind "gcs" loads rows into, as JSON.
They are as BigQuery's REST interface takes them: what a dataset's owner wants to see, or
makes beforehand."""
    example = "sendit bigquery schema instances"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="schema")
        printing = actions.add_parser("schema", help="Print the definitions of the tables.")
        printing.add_argument(
            "name",
            nargs="?",
            choices=list(SCHEMAS),
            metavar="NAME",
            help=f"Which, as in bigquery_schema: {', '.join(SCHEMAS)}; without: all.",
        )

    def act(self, _configuration: Configuration, options: argparse.Namespace) -> int:
        """Print them."""
        wanted = [options.name] if options.name else list(SCHEMAS)
        tables = {name: table.definition() for name, table in SCHEMAS.items() if name in wanted}
        self.say(json.dumps(tables, indent=2))
        return 0
