"""``sendit targets``: how each target stands."""

import argparse
import json
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.cli.hints import words_for
from sendit.cli.table import table
from sendit.config import Configuration
from sendit.metrics.target_health import Health, health_of
from sendit.metrics.wording import count_text
from sendit.pipeline.preparation import prepare_to_try


class Command(SenditCommand):
    """Shows the targets."""

    help = "Try each target for real, and show its health and its last receipt."
    example = "sendit targets --json"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--json", action="store_true", help="One JSON list.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Show them; 1 when a required one is down."""
        prepare_to_try(configuration)
        now = datetime.now(UTC)
        found = [
            health_of(project, target, now=now)
            for _, project in sorted(configuration.projects.items())
            for target in project.targets
        ]
        if options.json:
            self.say(json.dumps([one.as_json() for one in found], indent=2))
        elif not found:
            self.say("No project has a target; results stay here.")
        else:
            self.say(*table(_HEADER, [_row(one) for one in found]))
            self.say(
                *(
                    f"{one.target} of {one.project}: {one.problem['message']}"
                    for one in found
                    if one.problem
                ),
                *(
                    f"{one.target} of {one.project} is paused: nothing is sent to it until "
                    f'"{words_for(one.resume, configuration)}".'
                    for one in found
                    if one.resume
                ),
            )
        return int(any(one.required and one.problem for one in found))


_HEADER = ("project", "target", "kind", "required", "health", "waiting", "failed", "last receipt")


def _row(one: Health) -> tuple[object, ...]:
    last = one.last
    told = "none yet"
    if last:
        told = f"batch {last['batch']}, {count_text(last['n_instances'], 'instance')}"
    health = ("down" if one.problem else "ok") + (", paused" if one.resume else "")
    required = "yes" if one.required else "no"
    return one.project, one.target, one.kind, required, health, one.waiting, one.failed, told
