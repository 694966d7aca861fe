"""A running ``sendit serve``, as a person starts it, and waiting for what it does."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import Installation

PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running ``sendit serve``."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def link(self, nr: int = 0) -> str:
        """Return the address of a login link that it printed."""
        lines = [line for line in self.output.read_text().splitlines() if "/login/" in line]
        return lines[nr].rpartition(" ")[2] if len(lines) > nr else ""

    @property
    def address(self) -> str:
        return self.link().partition("login/")[0]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(installation: Installation, *words: str) -> Iterator[Served]:
    output, errors = installation.root / "serve.out", installation.root / "serve.err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "sendit", "serve", *words],
            cwd=installation.root,
            env=installation.environ(),
            stdout=out,
            stderr=err,
        )
        try:
            yield Served(process, output, errors)
        finally:
            process.kill()
            process.wait()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
