"""Real servers on loopback, one of each for a test run (for each xdist worker); a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

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
def chromium() -> Iterator[Browser]:
    """Return a browser, for one test: while it lives, Django refuses its database here."""
    program = find_program("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*CHROMIUM_OPTIONS])
        yield browser
        browser.close()
