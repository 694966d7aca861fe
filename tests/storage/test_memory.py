"""What sending needs of memory does not grow with the study."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.sending import write_noise_package, write_sparse_package
from tests.support.dicom_peers import OrthancServer, free_ports, have, running
from tests.support.system import find_program

ROOT = Path(__file__).parents[2]
MB = 10**6
SMALL = (4, MB)
MANY = (600, MB)
ONE = (1, 600 * MB)
MORE_AT_MOST = 40 * MB
"""Names, digests and receipts of some hundred instances, and what the allocator keeps."""

IN_ALL = 200 * MB
"""With the interpreter and everything imported."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Path]:
    root = tmp_path_factory.mktemp("sparse")
    return {
        (count, size): write_sparse_package(root / str(count), n_instances=count, size=size)
        for count, size in (SMALL, MANY, ONE)
    }


@pytest.fixture
def null_http() -> Iterator[str]:
    """A receiver that reads every byte, says that it was stored, and keeps nothing."""
    yield from running_null("null_http")


@pytest.fixture
def null_cloud() -> Iterator[str]:
    """The same that stands for a cloud store; an emulator would keep it all in its memory."""
    yield from running_null("null_cloud")


def running_null(name: str) -> Iterator[str]:
    words = [sys.executable, "-m", f"benchmarks.{name}"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@pytest.fixture
def null_dicom(tmp_path: Path) -> Iterator[int]:
    if not have("storescp"):
        pytest.skip("DCMTK is not installed")
    (port,) = free_ports(1)
    command = [find_program("storescp") or "", "--fork", "--ignore", str(port)]
    with running(command, folder=tmp_path, ports=[port], environ={"TCP_NODELAY": "1"}):
        yield port


def peak(kind: str, options: dict[str, object], package: Path, *, prove: bool) -> int:
    """Send in a process of its own; return what that had of memory at most."""
    words = [kind, json.dumps(options), str(package), *(["--prove"] if prove else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.sending", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


LARGE = pytest.mark.parametrize("large", [MANY, ONE], ids=["many instances", "one instance"])
Packages = dict[tuple[int, int], Path]


@LARGE
def test_an_archive_is_packed_and_read_back(
    packages: Packages, tmp_path: Path, large: tuple[int, int]
) -> None:
    peaks = []
    for size in (SMALL, large):
        folder = tmp_path / str(size[0])
        folder.mkdir(exist_ok=True)
        options: dict[str, object] = {"path": str(folder), "layout": "archive"}
        peaks.append(peak("folder", options, packages[size], prove=True))

    assert peaks[1] - peaks[0] < MORE_AT_MOST, peaks


@LARGE
@pytest.mark.parametrize("kind", ["orthanc", "dicomweb"])
def test_http_posts_what_the_kernel_reads(
    packages: Packages, null_http: str, kind: str, large: tuple[int, int]
) -> None:
    peaks = [peak(kind, {"url": null_http}, packages[size], prove=False) for size in (SMALL, large)]

    assert peaks[1] - peaks[0] < MORE_AT_MOST, peaks


@LARGE
def test_c_store_sends_a_file_in_pieces(
    packages: Packages, null_dicom: int, large: tuple[int, int]
) -> None:
    options: dict[str, object] = {
        "host": "127.0.0.1", "port": null_dicom, "called_ae": "NULL", "proof": "find",
    }  # fmt: skip

    peaks = [peak("dicom", options, packages[size], prove=False) for size in (SMALL, large)]

    assert peaks[1] - peaks[0] < MORE_AT_MOST, peaks


@pytest.mark.parametrize("layout", ["archive", "tree"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("s3", {"access_key_id": "k", "secret_access_key": "s"}),
        ("gcs", {"anonymous": True, "collection": "irb-1"}),
    ],
)
def test_a_cloud_store_is_sent_a_few_parts_at_a_time(
    tmp_path: Path, null_cloud: str, kind: str, options: dict[str, object], layout: str
) -> None:
    package = write_noise_package(tmp_path, n_instances=600, size=MB)
    options |= {"endpoint": null_cloud, "bucket": "research", "layout": layout}

    assert peak(kind, options, package, prove=False) < IN_ALL


@pytest.mark.parametrize("kind", ["orthanc", "dicomweb", "dicom"])
def test_what_comes_back_is_compared_as_it_comes(
    packages: Packages, orthanc: OrthancServer, kind: str
) -> None:
    options: dict[str, object] = {
        "orthanc": {"url": orthanc.url, "proof": "file"},
        "dicomweb": {"url": orthanc.dicomweb},
        "dicom": {
            "host": "127.0.0.1", "port": orthanc.dicom_port, "called_ae": "ORTHANC",
            "proof": "retrieve",
        },
    }[kind]  # fmt: skip
    peaks = []
    for size in (SMALL, MANY):
        peaks.append(peak(kind, options, packages[size], prove=True))
        orthanc.clear()

    assert peaks[1] - peaks[0] < MORE_AT_MOST, peaks
