"""``sendit token``: what programs show to the API instead of a password.

Issuing and revoking stand in the audit log, with who ran the command; a token's text never does.
"""

import argparse
from datetime import UTC, datetime, timedelta

from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli.command import SenditCommand
from sendit.cli.management.commands.user import check_project, find_user
from sendit.cli.table import table
from sendit.cli.writing_down import write_down
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.metrics.wording import moment_text
from sendit.records.access import issue_token
from sendit.records.people import ApiToken
from sendit.records.roles import Scope

DAYS = 90
MOST_DAYS = 3650


class Command(SenditCommand):
    """Issues and revokes tokens."""

    help = """Issue and revoke tokens of the API.
A token may never do more than its owner, has scopes and an end, and is shown once: only its
digest is kept."""
    example = "sendit token issue maria --name dashboard --scope read --days 30"
    more_examples = (
        "sendit token revoke 1",
        "sendit token list",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="issue|revoke|list")
        issuing = actions.add_parser("issue", help="Make a token and print it.")
        issuing.add_argument("user", metavar="USER", help="Whose rights it has.")
        issuing.add_argument("--name", required=True, metavar="TEXT", help="What it is for.")
        issuing.add_argument(
            "--scope",
            choices=[scope.value for scope in Scope],
            action="append",
            help="read (if none is named), act: retry, resolve, release; phi: names of files.",
        )
        issuing.add_argument("--project", default="", metavar="P", help="Only for this project.")
        issuing.add_argument(
            "--days",
            type=int,
            default=DAYS,
            metavar="N",
            help=f"Days until it expires (default {DAYS}, at most {MOST_DAYS}).",
        )
        revoking = actions.add_parser("revoke", help="Make a token worthless.")
        revoking.add_argument("number", type=int, metavar="N", help="As list shows it.")
        actions.add_parser("list", help="Show all tokens, without their texts.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Do it."""
        self.prepare(configuration)
        now = datetime.now(UTC)
        if options.action == "issue":
            self._issue(configuration, options, now=now)
        elif options.action == "revoke":
            self._revoke(configuration, options.number, now=now)
        else:
            self._list(now=now)
        return 0

    def _issue(
        self, configuration: Configuration, options: argparse.Namespace, *, now: datetime
    ) -> None:
        user = find_user(options.user)
        check_project(configuration, options.project)
        if not 1 <= options.days <= MOST_DAYS:
            raise UsageError(f"--days is from 1 to {MOST_DAYS}.")
        if not 1 <= len(options.name) <= 80:
            raise UsageError("--name has from 1 to 80 characters.")
        expires = now + timedelta(days=options.days)
        with transaction.atomic():
            token, text = issue_token(
                user,
                name=options.name,
                scopes=[Scope(scope) for scope in options.scope or [Scope.READ]],
                project=options.project,
                expires=expires,
            )
            write_down(
                configuration,
                "API token issued",
                f"token {token.pk} of {user.username}",
                scopes=list(token.scopes),
                project=token.project,
                expires=expires.isoformat(timespec="seconds"),
            )
        self.stderr.write(
            f"Token {token.pk} of {user.username}, good until {moment_text(token.expires)} UTC. "
            "It is shown this once:"
        )
        self.say(text)

    def _revoke(self, configuration: Configuration, number: int, *, now: datetime) -> None:
        with transaction.atomic():
            tokens = ApiToken.objects.filter(pk=number, revoked=None)
            owner = tokens.values_list("user__username", flat=True).first()
            if not tokens.update(revoked=now):
                raise UsageError(f'There is no token {number} in force; see "sendit token list".')
            write_down(configuration, "API token revoked", f"token {number} of {owner}")
        self.say(f"Token {number} is worthless now.")

    def _list(self, *, now: datetime) -> None:
        rows = [
            (
                str(token.pk),
                token.user.username,
                token.name,
                " ".join(token.scopes),
                token.project or "every project",
                _state(token, now=now),
                moment_text(token.used),
            )
            for token in ApiToken.objects.select_related("user").order_by("pk")
        ]
        if not rows:
            self.say('No token yet; "sendit token issue USER --name TEXT" makes one.')
            return
        self.say(*table(("nr", "user", "name", "scopes", "for", "state", "used"), rows))


def _state(token: ApiToken, *, now: datetime) -> str:
    if token.revoked is not None:
        return "revoked"
    if token.expires <= now:
        return "expired"
    return f"until {moment_text(token.expires)[:10]}"
