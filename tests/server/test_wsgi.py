"""What gunicorn is given: the pages, or a word of what is wrong."""

import subprocess
import sys
from pathlib import Path

from tests.support.installation import INSTALLATION, Installation
from tests.support.stores import free_port


def test_pages_that_cannot_start_say_why_and_no_more(installation: Installation) -> None:
    installation.write_config(INSTALLATION.replace("[limits]", "[limit]"))
    command = [Path(sys.executable).parent / "gunicorn"]
    command += ["--config=python:sendit.web.gunicorn_config", f"--bind=127.0.0.1:{free_port()}"]

    done = subprocess.run(
        [*command, "sendit.server.wsgi:application"],
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert 'did you mean "limits"' in done.stderr
    assert "Traceback" not in done.stderr
