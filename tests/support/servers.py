"""Real servers on loopback, one of each for a test run (for each xdist worker); a browser."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.cloud import (
    GcsServer,
    SeaweedServer,
    running_bigquery,
    running_fake_gcs,
    running_gcp_emulator,
    running_seaweedfs,
)
from tests.support.dicom_peers import (
    DcmtkServer,
    OrthancServer,
    have,
    running_dcmqrscp,
    running_orthanc,
    running_storescp,
)
from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_emulator, find_program

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


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """Return the address of a database of that server that only one test uses."""
    name = f"sendit_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        yield f"{postgresql_url.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


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


@pytest.fixture(scope="session")
def dcmqrscp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmtkServer]:
    """Return DCMTK's archive; see ``dcmqrscp``."""
    if not have("dcmqrscp"):
        pytest.skip("DCMTK is not installed")
    with running_dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as server:
        yield server


@pytest.fixture
def dcmqrscp(dcmqrscp_server: DcmtkServer) -> DcmtkServer:
    """Return an archive of DCMTK that holds nothing."""
    dcmqrscp_server.clear()
    return dcmqrscp_server


@pytest.fixture
def storescp(tmp_path: Path) -> Callable[..., AbstractContextManager[DcmtkServer]]:
    """Return a function that starts DCMTK's ``storescp`` with the options that a test needs."""
    if not have("storescp"):
        pytest.skip("DCMTK is not installed")
    return lambda *options: running_storescp(tmp_path / "storescp", *options)


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Return a SeaweedFS that speaks S3; see ``seaweedfs``."""
    program = find_emulator("weed")
    if program is None:
        pytest.skip('SeaweedFS is not installed: "make test" brings it')
    with running_seaweedfs(program, tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def seaweedfs(seaweedfs_server: SeaweedServer) -> SeaweedServer:
    """Return a SeaweedFS with an empty bucket."""
    seaweedfs_server.clear()
    return seaweedfs_server


@pytest.fixture(scope="session")
def fake_gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """Return an emulator of Google's store that keeps to conditions; see ``fake_gcs``."""
    program = find_emulator("fake-gcs-server-linux-amd64")
    if program is None:
        pytest.skip('fake-gcs-server is not installed: "make test" brings it')
    with running_fake_gcs(program, tmp_path_factory.mktemp("fake-gcs")) as server:
        yield server


@pytest.fixture
def fake_gcs(fake_gcs_server: GcsServer) -> GcsServer:
    """Return an emulator of Google's store with an empty bucket; it keeps to conditions."""
    fake_gcs_server.clear()
    return fake_gcs_server


@pytest.fixture(scope="session")
def gcp_emulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """Return an emulator of Google's store that checks digests; see ``gcp_emulator``."""
    program = find_emulator("gcp-storage-emulator")
    if program is None:
        pytest.skip('gcp-storage-emulator is not installed: "make test" brings it')
    with running_gcp_emulator(program, tmp_path_factory.mktemp("gcp-emulator")) as server:
        yield server


@pytest.fixture
def gcp_emulator(gcp_emulator_server: GcsServer) -> GcsServer:
    """Return an emulator of Google's store with an empty bucket; it checks digests."""
    gcp_emulator_server.clear()
    return gcp_emulator_server


@pytest.fixture(scope="session")
def bigquery_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an emulator of BigQuery that executes SQL."""
    program = find_emulator("bqemulator")
    if program is None:
        pytest.skip('bqemulator is not installed: "make test" brings it')
    with running_bigquery(program, tmp_path_factory.mktemp("bigquery")) as url:
        yield url


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
