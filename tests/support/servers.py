"""Real servers on loopback, one of each for a test run (for each xdist worker); a browser."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
from tests.support.dicom_peers import OrthancServer, have, running_orthanc
from tests.support.system import find_emulator, find_program

INITDB_OPTIONS = ("-U", "sendit", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")


CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Return the address of an empty PostgreSQL, ``postgresql://sendit@127.0.0.1:PORT/postgres``."""
    initdb = find_program("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    # Not below pytest's own folder: that is 0700 and its path is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="sendit-pg-"))
    control = [*_as_ordinary_user(folder), f"{Path(initdb).parent}/pg_ctl", "-D", f"{folder}/data"]
    port = free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        subprocess.run(
            [*_as_ordinary_user(folder), initdb, "-D", f"{folder}/data", *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            cwd="/",
        )
        subprocess.run(
            [*control, "-w", "-l", f"{folder}/log", "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        yield f"postgresql://sendit@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


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


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return the words that step down from root, which initdb refuses; none for anybody else."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["runuser", "-u", "postgres", "--"]
