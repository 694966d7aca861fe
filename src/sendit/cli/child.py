"""Starting this product once more, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping

from sendit.config import Configuration


def environment(configuration: Configuration) -> Mapping[str, str]:
    """Return the environment in which a child finds this very product and configuration."""
    path = [entry for entry in sys.path if entry]
    named = {} if configuration.source is None else {"SENDIT_CONFIG": str(configuration.source)}
    return {**os.environ, **named, "PYTHONPATH": os.pathsep.join(path)}


def end(child: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Ask a child to end, and end it when it has not after that time."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
