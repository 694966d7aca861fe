"""What compose.yaml describes: judged by compose and hadolint, and run natively, end to end."""

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser

from sendit.terms import Stage
from tests.e2e.topology import COMPOSE, NEEDED, OURS, ROOT, Topology, compose, resolved
from tests.support.make_study import make_study
from tests.support.stores import PostgreSQL, Redis

OF_OTHERS = ("nginx", "redis", "db")


@pytest.fixture
def topology(
    tmp_path: Path, own_postgresql: PostgreSQL, redis_server: Redis, nginx: str
) -> Iterator[Topology]:
    site = Topology(
        tmp_path, own_postgresql, redis_server, own_postgresql.new_database("sendit"), nginx
    )
    try:
        yield site
    finally:
        site.end()


def test_compose_accepts_the_file_with_each_profile() -> None:
    everything = resolved("all")["services"]
    workers = resolved("workers")["services"]

    assert set(everything) == {*OURS, *OF_OTHERS}
    assert set(workers) == {"worker-phi", "worker-out"}


def test_compose_is_a_judge_that_finds_faults(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text((ROOT / "compose.yaml").read_text().replace("condition:", "when:", 1))

    done = compose("-f", str(broken), "--profile=all", "config", "-q")

    assert done.returncode != 0


@pytest.mark.parametrize("name", NEEDED)
def test_nothing_starts_without_what_a_site_must_say(name: str) -> None:
    without = {key: value for key, value in NEEDED.items() if key != name}

    done = compose("--profile=all", "config", "-q", **without)

    assert done.returncode != 0
    assert name in done.stderr


SEVERAL = {
    **NEEDED,
    "SENDIT_INSIDE_ADDRESS": "192.0.2.1",
    "SENDIT_NFS_SERVER": "192.0.2.2",
    "SENDIT_NFS_PATH": "/sendit",
}


def test_workers_of_a_further_host_reach_database_redis_and_the_same_working_volume() -> None:
    files = ("-f", "compose.yaml", "-f", "docker/several-hosts.yaml")

    done = compose(*files, "--profile=all", "config", "--format=json", **SEVERAL)

    assert done.returncode == 0, done.stderr
    site = json.loads(done.stdout)
    published = {
        name: [(port["host_ip"], port["published"]) for port in service["ports"]]
        for name, service in site["services"].items()
        if service.get("ports") and name != "nginx"
    }
    assert published == {"db": [("192.0.2.1", "5432")], "redis": [("192.0.2.1", "6379")]}
    for name in ("worker-phi", "worker-out", "db", "redis"):
        assert {"inside", "between"} <= set(site["services"][name]["networks"])
    assert not site["networks"]["between"].get("internal")
    assert site["volumes"]["work"]["driver_opts"]["device"] == ":/sendit"
    for name in SEVERAL.keys() - NEEDED.keys():
        without = {key: value for key, value in SEVERAL.items() if key != name}
        assert compose(*files, "--profile=all", "config", "-q", **without).returncode != 0


def test_image_is_built_for_the_user_that_it_is_started_as() -> None:
    services = resolved("all", **NEEDED, SENDIT_UID="4711", SENDIT_GID="4712")["services"]

    for name in OURS:
        args = services[name]["build"]["args"]
        assert services[name]["user"] == f"{args['SENDIT_UID']}:{args['SENDIT_GID']}" == "4711:4712"


def test_send_window_goes_by_the_clock_that_the_site_names() -> None:
    services = resolved("all", **NEEDED, TZ="Europe/Berlin")["services"]

    assert {services[name]["environment"]["TZ"] for name in OURS} == {"Europe/Berlin"}


@pytest.mark.parametrize("name", [*OURS, *OF_OTHERS])
def test_service_is_confined(name: str) -> None:
    service = resolved("all")["services"][name]

    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert "core" in service["ulimits"]


def test_zones_have_the_mounts_networks_and_secrets_of_their_part() -> None:
    services = resolved("all")["services"]

    def mounts(name: str) -> dict[str, str]:
        return {
            volume["target"]: volume.get("volume", {}).get("subpath", volume["source"])
            for volume in services[name]["volumes"]
            if volume["target"] != "/etc/sendit"
        }

    def secrets(name: str) -> set[str]:
        return {secret["source"] for secret in services[name]["secrets"]}

    assert mounts("worker-phi") == {"/srv/sendit": "work", "/srv/inbox": "/srv/in"}
    assert mounts("worker-out") == {"/srv/sendit/clean": "clean", "/srv/out": "/srv/out"}
    assert mounts("web") == {"/srv/sendit/previews": "previews", "/srv/sendit/audit": "audit"}
    assert secrets("worker-out") == {"database_url", "broker_url"}
    assert secrets("web") == {"database_url", "broker_url", "field_key", "web_secret_key"}
    assert "outside" not in services["worker-phi"]["networks"]
    assert set(services["worker-out"]["networks"]) == {"inside", "outside"}
    assert resolved("all")["networks"]["inside"]["internal"] is True
    published = [name for name in services if services[name].get("ports")]
    assert published == ["nginx"]


@pytest.mark.parametrize("name", ["web", "watcher", "worker-phi"])
def test_who_writes_into_the_audit_log_can_remember_its_end(name: str) -> None:
    service = resolved("all")["services"][name]
    folder = Path(service["environment"]["SENDIT_AUDIT_FOLDER"])

    writable = [
        Path(volume["target"])
        for volume in service["volumes"]
        if volume["source"] == "work" and not volume.get("read_only")
    ]

    assert any(folder.is_relative_to(place) for place in writable)


def test_no_service_has_a_secret_in_its_environment_or_a_default_for_one() -> None:
    text = (ROOT / "compose.yaml").read_text()
    services = resolved("all")["services"]

    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "URL", "SECRET", "KEY")):
                assert key.endswith("_FILE")
                assert str(value).startswith("/run/secrets/")
    assert "PASSWORD:-" not in text
    assert not list(ROOT.glob("secrets/*"))


def test_new_secrets_are_private_and_never_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> str:
        return subprocess.run(
            ["sh", ROOT / "docker/new-secrets.sh"],
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "SENDIT_SECRETS": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    make()
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = make()

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert "kept" in again
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(bytes.fromhex(first["site.key"].decode())) == 32
    assert first["database_password"].strip() in first["database_url"]
    assert {"tls.crt", "tls.key", "field.key", "web_secret_key"} <= set(first)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linter = Path(sys.executable).parent / "hadolint"

    done = subprocess.run(
        [linter, ROOT / "docker/Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert COMPOSE.exists()


def start_all(site: Topology) -> None:
    site.start("watcher")
    site.wait_until(lambda: site.healthy("watcher"), "the watcher is not healthy")
    watcher = site.processes["watcher"]
    watcher.send_signal(signal.SIGSTOP)  # holds its lock, and does not get on
    os.utime(site.root / "work/run/loop.lock", (0, 0))
    assert not site.healthy("watcher")
    watcher.send_signal(signal.SIGCONT)
    site.wait_until(lambda: site.healthy("watcher"), "the watcher is not healthy again")
    for name in ("web", "worker-phi", "worker-out"):
        site.start(name)
    site.wait_until(lambda: site.healthy("web"), "the web server is not healthy")
    site.start("nginx")
    site.wait_until(lambda: site.healthy("worker-phi"), "the workers are not healthy")


@contextmanager
def pages_that_wait(site: Topology, *, number: int) -> Iterator[None]:
    """Ask for pages that ask the database, until some are told that there is no room for them."""
    asking = f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: sendit_session={'x' * 32}\r\n\r\n"
    with ExitStack() as visitors:
        asked = [
            visitors.enter_context(socket.create_connection(("127.0.0.1", site.web_port), 30))
            for _ in range(number)
        ]
        for visitor in asked:
            visitor.sendall(asking.encode())
        site.wait_until(lambda: select.select(asked, [], [], 0)[0], "nobody is told anything")
        told = select.select(asked, [], [], 0)[0][0].recv(20)
        assert told.startswith(b"HTTP/1.1 503"), told
        yield


def hand_in(site: Topology, name: str, **attributes: object) -> None:
    make_study(site.root / f"arriving-{name}", **attributes)  # type: ignore[arg-type]
    (site.root / f"arriving-{name}").rename(site.inbox / name)


@pytest.mark.timeout(500)
def test_main_job_goes_through_the_whole_topology(topology: Topology) -> None:
    site = topology
    start_all(site)
    for number in range(4):
        hand_in(site, f"ACC{number}", n_series=2, n_images=3)

    def done() -> bool:
        with psycopg.connect(site.database_url) as connection:
            rows = connection.execute("SELECT status, stage FROM records_batch").fetchall()
        return rows == [("DONE", "")] * 4

    site.wait_until(done, "the batches were not done", seconds=240)

    with psycopg.connect(site.database_url) as connection:
        workers = {row[0] for row in connection.execute("SELECT name FROM records_beat")}
    assert len(list(site.out.rglob("*.dcm"))) == 24
    assert not list(site.inbox.iterdir())
    assert {name.partition("@")[0] for name in workers} == {"watcher", "worker-phi", "worker-out"}

    assert site.get("/healthz", port=site.http_port)[:2] == (200, "ok\n")
    assert site.get("/healthz")[:2] == (200, "ok\n")
    assert site.get("/readyz")[:2] == (200, "ok\n")
    code, text, headers = site.get("/")
    assert code in (302, 403)
    assert "ACC0" not in text
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "nginx/" not in headers["Server"]
    code, _, headers = site.get("/batch/1/?x=1", port=site.http_port)
    assert (code, headers["Location"]) == (308, "https://localhost/batch/1/?x=1")
    some = next(path for path in site.out.rglob("*.dcm"))
    for path in (f"/{some.relative_to(site.out)}", "/images/1.dcm", "/clean/1/x.dcm", "/1.IMA"):
        assert site.get(path)[0] == 404
    assert site.get("/CNRYTYPED/CNRYNAME?q=CNRYQUERY")[0] in (302, 403, 404)

    ended = site.end()

    for name in OURS:
        assert ended[name][0] in (0, -15, 143), (name, ended, site.said())
        assert ended[name][1] < 20, (name, ended)
    logs = {log.name: log.read_text() for log in site.root.glob("*.log")}
    assert not [name for name, said in logs.items() if "CNRY" in said]
    for name in ("watcher.log", "worker-phi.log", "worker-out.log", "nginx-access.log"):
        lines = [json.loads(line) for line in logs[name].splitlines()]
        assert lines, name
    stages = [
        line
        for name in ("worker-phi.log", "worker-out.log")
        for line in map(json.loads, logs[name].splitlines())
        if " done" in line["message"]
    ]
    assert len(stages) == 4 * len(Stage), "one line for each stage of each batch"


@pytest.mark.timeout(300)
def test_the_front_says_when_pages_are_not_ready_and_limits_who_comes_in(
    topology: Topology,
) -> None:
    site = topology
    site.start("watcher")
    site.wait_until(lambda: site.healthy("watcher"), "the watcher is not healthy")
    site.start("web")
    site.wait_until(lambda: site.healthy("web"), "the web server is not healthy")
    site.start("nginx")
    site.wait_until(lambda: site.get("/readyz")[0] == 200, "it is not ready")

    site.postgresql.stop()

    assert site.get("/readyz")[:2] == (503, "not ready\n")
    assert site.get("/healthz")[0] == 200
    site.postgresql.start()
    site.wait_until(lambda: site.get("/readyz")[0] == 200, "it is not ready again")

    site.postgresql.freeze()
    try:
        assert [site.get("/readyz")[:2] for _ in range(6)] == [(503, "not ready\n")] * 6
        assert site.get("/healthz")[0] == 200
        with pages_that_wait(site, number=60):
            assert [site.get("/healthz")[:2] for _ in range(6)] == [(200, "ok\n")] * 6
            assert [site.get("/readyz")[:2] for _ in range(6)] == [(503, "not ready\n")] * 6
    finally:
        site.postgresql.thaw()
    site.wait_until(lambda: site.get("/readyz")[0] == 200, "it is not ready again")
    said = (site.root / "web.log").read_text()
    assert "not ready: the database did not answer" in said
    assert "did not answer within 3 s" in said

    # Every way in is limited, and nothing else is.
    tried = [site.get("/login/")[0] for _ in range(30)]
    assert (tried[0], tried[-1]) == (200, 429)
    for way_in in ("/login", "/login/x", "/oidc", "/oidc/", "/oidc/back/"):
        assert site.get(way_in)[0] == 429, way_in
    assert {site.get("/batches/")[0] for _ in range(30)} == {302}


@pytest.mark.timeout(500)
def test_a_study_is_watched_through_nginx_and_a_stopped_one_tried_again(
    topology: Topology, chromium: Browser
) -> None:
    site = topology
    config = site.root / "etc/sendit.toml"
    config.write_text(config.read_text() + "[workers]\ntries = 1\n")
    start_all(site)
    password = "correct horse battery staple"
    add = ("sendit", "user", "add", "maria", "--role", "admin", "--password-stdin")
    site.run("watcher", *add, stdin=password)
    address = f"https://localhost:{site.https_port}/"
    page = chromium.new_page(ignore_https_errors=True)
    page.set_default_timeout(90_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(address)
    page.get_by_label("Name").fill("maria")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Newest batches").wait_for()

    # One comes in while somebody looks, and goes through: the page shows it by itself.
    hand_in(site, "ACC-771", n_series=1, n_images=2)
    page.get_by_role("row", name="ACC-771").get_by_text("DONE", exact=True).wait_for()
    page.get_by_role("link", name="ACC-771").click()
    page.get_by_text("Receipt: 2 instances").wait_for()

    # The folder of its target is away: the next one stops, and one click tries again.
    site.out.rename(site.root / "away")
    hand_in(site, "ACC-772", n_series=1, n_images=1)
    page.goto(address)
    page.get_by_role("row", name="ACC-772").get_by_text("ERROR", exact=True).wait_for()
    (site.root / "away").rename(site.out)
    page.goto(f"{address}errors/?refresh=off")
    page.get_by_role("button", name="Try it again").click()
    page.get_by_text("1 tried again").wait_for()
    page.goto(address)
    page.get_by_role("row", name="ACC-772").get_by_text("DONE", exact=True).wait_for()

    page.close()
    assert complaints == []
    assert len(list(site.out.rglob("*.dcm"))) == 3
