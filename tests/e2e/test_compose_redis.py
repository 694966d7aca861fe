"""The Redis of compose.yaml: started natively by the command that stands there."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.e2e.topology import resolved
from tests.support.stores import free_port
from tests.support.system import find_program

PASSWORD = "correct horse"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/redis_password").write_text(f'"{PASSWORD}"')
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def started(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The service's first process: it alone is told to end."""
    if find_program("redis-server") is None:
        pytest.skip("Redis is not installed")
    process = subprocess.Popen(command(folder, port), stdout=subprocess.DEVNULL, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def command(folder: Path, port: int) -> list[str]:
    """Return what stands in compose.yaml, with folders and a port of this test."""
    *shell, line = resolved("all")["services"]["redis"]["command"]
    for there, here in (
        ("$$", "$"),
        (" /tmp", f" {folder}/tmp"),  # before a folder that lies below /tmp itself is put in
        ("/run/secrets", f"{folder}/secrets"),
        ("--port 6379", f"--port {port} --bind 127.0.0.1"),
    ):
        line = line.replace(there, here)
    return [*shell, line]


def client_of(port: int, *, password: str | None = None) -> "redis.Redis":
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.02), 500)
    return redis.Redis(
        port=port,
        password=password,
        retry=retry,
        retry_on_error=[redis.exceptions.ConnectionError],
    )


def test_redis_lets_nobody_in_without_its_password(
    started: "subprocess.Popen[bytes]", port: int
) -> None:
    with closing(client_of(port, password=PASSWORD)) as client:
        assert client.ping()

    with (
        closing(redis.Redis(port=port)) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()
    words = Path(f"/proc/{started.pid}/cmdline").read_bytes()
    assert PASSWORD.encode() not in words


def test_redis_ends_by_itself_when_told_to(started: "subprocess.Popen[bytes]", port: int) -> None:
    with closing(client_of(port, password=PASSWORD)) as client:
        assert client.ping()

    started.terminate()

    assert started.wait(10) == 0
    with closing(redis.Redis(port=port)) as late, pytest.raises(redis.exceptions.ConnectionError):
        late.ping()


@pytest.mark.parametrize("content", ["", "\n"], ids=["empty", "a line without a word"])
def test_redis_does_not_start_without_a_password(folder: Path, port: int, content: str) -> None:
    if find_program("redis-server") is None:
        pytest.skip("Redis is not installed")
    (folder / "secrets/redis_password").write_text(content)

    done = subprocess.run(
        command(folder, port), capture_output=True, timeout=20, check=False, cwd=folder
    )

    assert done.returncode != 0
