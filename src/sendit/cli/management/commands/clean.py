"""``sendit clean``: remove now what retention allows."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.metrics.cleaning import going
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch
from sendit.terms import Stage
from sendit.workers.inline import work_until_idle


class Command(SenditCommand):
    """Removes what may go."""

    help = """Remove what retention allows, now; a running sendit does so by itself.
Nothing goes before every required target has proven its batch."""
    example = "sendit clean --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would go, and what later."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Say what may go, and remove it."""
        keys = self.prepare(configuration)
        now = datetime.now(UTC)
        workspace = Workspace(configuration.settings.work_dir)
        found = [one for batch in _cleaned() for one in going(batch, workspace, now=now)]
        today = [one for one in found if one.when <= now and not one.waits_for]
        for one in found if options.dry_run else today:
            self.say(one.line(now=now))
        if not today:
            self.say("Nothing may go now.")
        if not options.dry_run:
            batches = {one.batch for one in today}
            work_until_idle(configuration, site_key=keys.site, only=batches)
        return 0


def _cleaned() -> list[Batch]:
    rows = Batch.objects.filter(stage=Stage.CLEAN_UP, turned_down=False, held="")
    return list(rows.select_related("profile").order_by("pk"))
