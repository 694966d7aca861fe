"""``sendit serve``: loop, workers and pages together, and an orderly end."""

import argparse
import json
import signal
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from sendit.cli.management.commands.serve import port_number
from sendit.cli.web_server import check_host, open_port
from sendit.config import Configuration
from sendit.errors import UsageError
from tests.support.installation import INSTALLATION, Installation
from tests.support.serving import PATIENCE, serving, until


def fetch(address: str, *, cookie: str = "") -> tuple[int, str, str]:
    request = urllib.request.Request(address, headers={"Cookie": cookie})
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(), answer.headers.get("Set-Cookie", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers.get("Set-Cookie", "")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        return None


def test_a_study_goes_through_and_is_seen_and_a_second_loop_is_refused(
    installation: Installation,
) -> None:
    installation.add_study("ACC-77")

    with serving(installation, "--port", "0") as served:
        until(served.link)
        code, _, cookie = fetch(served.link())
        assert code == 302
        cookie = cookie.partition(";")[0]
        until(lambda: " DONE</td>" in fetch(served.address, cookie=cookie)[1])
        page = fetch(served.address, cookie=cookie)[1]
        until(lambda: served.link(1))
        again = fetch(served.link())[0]
        foreign = fetch(served.address)[0]
        second = installation.run("serve", "--port", "0")
        ended = served.end(signal.SIGINT)

    assert "ACC-77" in page
    assert second.returncode == 1
    assert "already at work" in second.stderr
    assert (again, foreign, ended) == (403, 302, 130)
    assert len(installation.delivered()) == 6
    assert list((installation.work_dir / "run" / "login").iterdir()) == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(served.address, timeout=5)


def test_sigterm_ends_it_in_order(installation: Installation) -> None:
    with serving(installation, "--port", "0") as served:
        until(served.link)
        until((installation.work_dir / "run" / "loop.lock").exists)

        assert served.end(signal.SIGTERM) == 0


def test_a_web_server_that_is_killed_goes_with_its_parent(installation: Installation) -> None:
    with serving(installation, "--port", "0") as served:
        until(served.link)
        until(lambda: fetch(served.address + "healthz")[0] == 200)
        served.process.kill()
        served.process.wait()

        until(lambda: _refused(served.address))


def _refused(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}healthz", timeout=5)
    except urllib.error.URLError:
        return True
    except ConnectionError:  # it ended while it was asked
        return False
    return False


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UsageError, match=f"Port {port} .*--port"):
            open_port("127.0.0.1", port)


def test_another_host_needs_a_configuration_that_is_made_for_it(
    in_this_process: Configuration,
) -> None:
    check_host(in_this_process, "127.0.0.1")

    for host in ("0.0.0.0", "example.org", "::"):
        with pytest.raises(UsageError, match=r"web\.allowed_hosts"):
            check_host(in_this_process, host)


@pytest.mark.parametrize("port", ["x", "-1", "65536", "٣"])
def test_a_port_that_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port"):
        port_number(port)


def test_request_that_makes_no_sense_is_not_quoted_in_the_log(installation: Installation) -> None:
    installation.write_config(f'log_format = "json"\n{INSTALLATION}')

    with serving(installation, "--port", "0") as served:
        until(served.link)
        where = urlsplit(served.address)
        with socket.create_connection((where.hostname or "", where.port or 0), PATIENCE) as raw:
            raw.sendall(b"GET /batches/?q=CANARY ONE HTTP/1.1\r\nCanary One: x\r\n\r\n")
            answer = raw.recv(4096)
        until(lambda: "gunicorn.error" in served.errors.read_text())
        lines = served.errors.read_text().splitlines()

    assert b" 400 " in answer
    assert "canary" not in "".join(lines).lower()
    assert [json.loads(line)["level"] for line in lines if "gunicorn.error" in line] == ["warning"]
