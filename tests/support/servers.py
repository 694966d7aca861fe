"""Real servers on loopback, one of each for a test run (for each xdist worker); a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.dicom_peers import OrthancServer, have, running_orthanc
from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_program

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Return an empty PostgreSQL that the whole run shares; nobody stops it."""
    initdb = find_program("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(initdb)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql_url(postgresql: PostgreSQL) -> str:
    """Return the address of an empty database, ``postgresql://sendit@127.0.0.1:PORT/postgres``."""
    return postgresql.url


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """Return a PostgreSQL that the test may stop, crash and start again."""
    initdb = find_program("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(initdb)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """Return an empty Redis that the test may empty, kill and start again."""
    program = find_program("redis-server")
    if program is None:
        pytest.skip("Redis is not installed")
    server = Redis(program)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def nginx() -> str:
    """Return the program; the test starts it with a configuration of its own."""
    program = find_program("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    return program


@pytest.fixture
def faketime() -> dict[str, str]:
    """Return the environment in which a process's clock can be set; see ``tests/support/clock``."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("faketime is not installed")
    return {"LD_PRELOAD": str(found[0]), "DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """Return an Orthanc with its defaults and its DICOMweb plugin; see ``orthanc``."""
    if not have("Orthanc", "libOrthancDicomWeb.so"):
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server: OrthancServer) -> OrthancServer:
    """Return an Orthanc that holds nothing."""
    orthanc_server.clear()
    return orthanc_server


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Return a browser, for one test: while it lives, Django refuses its database here."""
    program = find_program("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*CHROMIUM_OPTIONS])
        yield browser
        browser.close()
