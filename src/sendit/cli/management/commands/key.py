"""``sendit key``: keep the two secret keys safe."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.broker import user
from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.config.keys import add_field_key, backup
from sendit.config.own_keys import backup_own_keys
from sendit.metrics.wording import count_text
from sendit.records.audit import Act, append
from sendit.records.encrypted import forget_keys
from sendit.records.own_keys import require_own_keys
from sendit.records.rotation import encrypt_anew


class Command(SenditCommand):
    """Copies, verifies or changes the keys."""

    help = """Copy the secret keys to a safe place, verify them, or change the field key.
Without the site key every patient would get a second identity."""
    example = "sendit key backup /mnt/safe"
    more_examples = (
        "sendit key verify",
        "sendit key rotate",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="backup|verify|rotate"
        )
        copying = actions.add_parser("backup", help="Copy all keys into a folder.")
        copying.add_argument("folder", type=Path, metavar="DIR", help="Made if it is missing.")
        actions.add_parser("verify", help="See that all keys are the ones used so far.")
        rotating = actions.add_parser("rotate", help="Put a new field key in force.")
        rotating.add_argument(
            "--no-new-key",
            action="store_true",
            help="Only encrypt everything with the first key of the file, after an interruption.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Copy or verify; a key that is missing or another one refuses."""
        self.prepare(configuration)  # reads both keys and compares their fingerprints
        if options.action == "backup":
            settings = configuration.settings
            for copy in (
                *backup(settings, options.folder),
                *backup_own_keys(settings, options.folder),
            ):
                self.say(f"Copied to {copy}")
        elif options.action == "rotate":
            self._rotate(configuration, new=not options.no_new_key)
        else:
            own = require_own_keys(configuration.settings)
            more = f" Own keys of namespaces, likewise: {own}." if own else ""
            self.say(f"Both keys are there, private, and the ones used so far.{more}")
        return 0

    def _rotate(self, configuration: Configuration, *, new: bool) -> None:
        settings = configuration.settings
        act = Act(user(), "key rotate", details={"new": new})
        append(act, now=datetime.now(UTC), head_folder=settings.audit.folder)
        if new:
            add_field_key(settings)
        forget_keys()
        rows = encrypt_anew()
        self.say(
            f"{count_text(rows, 'row')} {'is' if rows == 1 else 'are'} encrypted with the first "
            f"key of {settings.keys.field_file}. Restart "
            'what runs, then "sendit key rotate --no-new-key" for what it wrote meanwhile, and '
            '"sendit key backup". The other keys in the file stay: the last one finds what is '
            "encrypted, and older backups of the database need them."
        )
