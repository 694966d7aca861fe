"""``sendit identity``: the identity service, its clients, and the ledger behind it."""

import argparse
from pathlib import Path

from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli.broker import add_credential, add_namespace
from sendit.cli.command import SenditCommand
from sendit.cli.identity_actions import ACTIONS, Call
from sendit.cli.identity_server import address_of, check_host, serve
from sendit.cli.main import INTERRUPTED, REFUSED
from sendit.cli.management.commands.serve import port_number
from sendit.cli.stopping import until_stopped
from sendit.cli.web_server import open_port
from sendit.config import Configuration


class Command(SenditCommand):
    """Everything about names that are drawn and kept."""

    help = """Serve identifiers to other programs, and look after the ledger of names.
An action shows its options by itself: "sendit identity token --help"."""
    example = "sendit identity token issue --study irb-41449 --output client.json"
    more_examples = (
        "sendit identity serve --port 8790",
        "sendit identity token list",
        "sendit identity token revoke irb-41449",
        "sendit identity credential issue maria --output reidentify.key",
        "sendit identity credential list",
        "sendit identity credential revoke maria",
        "sendit identity import map.csv --namespace irb-41449",
        'sendit identity export map.csv --namespace irb-41449 --reason "handed to the broker"',
        "sendit identity merge 4711 4712 --namespace irb-41449",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        serving = actions.add_parser("serve", help="Serve the ledger, until interrupted.")
        serving.add_argument("--host", metavar="H", help="identity_service.host")
        serving.add_argument("--port", type=port_number, metavar="P", help="identity_service.port")
        _add_tokens(actions.add_parser("token", help="Issue, list and revoke clients' tokens."))
        _add_credentials(
            actions.add_parser("credential", help="Who may re-identify: issue, list, revoke.")
        )
        bringing = actions.add_parser("import", help="Bring a CSV file into the ledger, or none.")
        bringing.add_argument("file", type=Path, metavar="FILE.csv")
        add_namespace(bringing)
        taking = actions.add_parser("export", help="Write the ledger into a CSV file.")
        taking.add_argument("file", type=Path, metavar="FILE.csv")
        taking.add_argument("--reason", metavar="TEXT", help="Kept in the audit log.")
        add_namespace(taking)
        add_credential(taking)
        merging = actions.add_parser("merge", help="Declare two ids to be one patient.")
        merging.add_argument("a", metavar="A", help="The id whose names stay.")
        merging.add_argument("b", metavar="B", help="The id that goes on under them, too.")
        merging.add_argument("--source", metavar="TEXT", help="Source of both ids.")
        merging.add_argument("--issuer", metavar="TEXT", help="Issuer of both ids.")
        add_namespace(merging)

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Serve, or do one thing."""
        keys = self.prepare(configuration)
        if options.action == "serve":
            return self._serve(configuration, options)
        call = Call(configuration, options, keys.site)
        with transaction.atomic():
            lines = ACTIONS[options.action, getattr(options, "what", None)](call)
        self.say(*lines)
        return 0

    def _serve(self, configuration: Configuration, options: argparse.Namespace) -> int:
        service = configuration.settings.identity_service
        host = options.host or service.host
        check_host(configuration, host)
        listening = open_port(host, service.port if options.port is None else options.port)
        url = address_of(configuration, host, listening.getsockname()[1])
        self.say(f"Identity service: {url}/identifiers/api", "Stop with Ctrl-C.")
        self.stdout.flush()
        with until_stopped() as request:
            if not serve(configuration, listening, url=url, stop=request.stop):
                self.stderr.write("The identity service ended; its messages stand above.")
                return REFUSED
        return INTERRUPTED if request.interrupted else 0


def _add_tokens(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="issue|list|revoke")
    issuing = actions.add_parser("issue", help="Write the secrets file of a new client.")
    issuing.add_argument(
        "--study", required=True, metavar="NAME", help="The namespace it may ask about."
    )
    issuing.add_argument("--output", required=True, type=Path, metavar="FILE", help="New file.")
    issuing.add_argument("--url", metavar="URL", help="Address of the service, else as it runs.")
    actions.add_parser("list", help="Show every client.")
    revoking = actions.add_parser("revoke", help="End clients.")
    revoking.add_argument(
        "client", nargs="+", metavar="CLIENT", help="Its id, or a study: all its clients."
    )


def _add_credentials(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="issue|list|revoke")
    issuing = actions.add_parser("issue", help="Give somebody the right, as a file.")
    issuing.add_argument("name", metavar="NAME", help="Who it is for; stands in the audit log.")
    issuing.add_argument("--output", required=True, type=Path, metavar="FILE", help="New file.")
    add_credential(issuing)
    actions.add_parser("list", help="Show who has the right.")
    revoking = actions.add_parser("revoke", help="Take the right from somebody.")
    revoking.add_argument("name", metavar="NAME")
