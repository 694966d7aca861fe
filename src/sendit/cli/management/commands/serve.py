"""``sendit serve``: the watcher loop, the workers and the status pages, until interrupted."""

import argparse

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.cli.main import INTERRUPTED, REFUSED
from sendit.cli.stopping import until_stopped
from sendit.cli.web_server import check_host, open_port, web_server
from sendit.config import Configuration
from sendit.config.rules import is_loopback
from sendit.errors import UsageError
from sendit.ingest import watch
from sendit.ingest.loop_lock import loop_is_alive


class Command(SenditCommand):
    """Runs everything."""

    help = """Run the watcher, the workers and the status pages, until interrupted.
Prints the address and, at a loopback address, a login link that works once; a new one whenever
one was used. Elsewhere people sign in by name: sendit user add."""
    example = "sendit serve --port 8080"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--host", metavar="H", help="Address to listen at (web.host).")
        parser.add_argument(
            "--port", type=port_number, metavar="P", help="Port to listen at (web.port)."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Run it all."""
        web = configuration.settings.web
        host = options.host or web.host
        port = web.port if options.port is None else options.port
        check_host(configuration, host)
        keys = self.prepare_to_work(configuration)
        if loop_is_alive(configuration.settings.work_dir):
            raise UsageError(
                f"Another sendit is already at work in {configuration.settings.work_dir}. "
                "End it first (a daemon: sendit stop_watcher), or use another work_dir."
            )
        listening = open_port(host, port)
        name = host if is_loopback(host) else web.allowed_hosts[0]
        shown = f"[{name}]" if ":" in name else name
        address = f"http://{shown}:{listening.getsockname()[1]}/"

        def tell_token(token: str) -> None:
            self.say(f"Sign in (works once): {address}login/{token}")
            self.stdout.flush()

        # A link in a log that others read would let them in; they sign in by name instead.
        with_links = is_loopback(host)
        self.say(f"Status page: {address}", "Stop with Ctrl-C.")
        if not with_links and not User.objects.filter(is_active=True).exists():
            self.say('Nobody can sign in yet: make the first admin with "sendit user add".')
        self.stdout.flush()
        with (
            until_stopped() as request,
            web_server(
                configuration,
                listening,
                stop=request.stop,
                tell_token=tell_token if with_links else None,
            ) as server,
        ):
            watch.run(configuration, site_key=keys.site, once=False, stop=request.stop)
        if server.gave_up:
            return REFUSED
        return INTERRUPTED if request.interrupted else 0


def port_number(text: str) -> int:
    """Return the number of a port."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port (0 to 65535; 0: any free one)')
    return int(text)
