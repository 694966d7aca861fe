"""The API's description against a running server: no 500, and no answer that is not described."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.make_study import not_dicom
from tests.support.serving import serving, until

HERE = Path(__file__).parent
PASSWORD = "four-words-and-a-9"


def token(installation: Installation, *scopes: str) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "sendit", "user", "add", "op", "--role", "admin",
         "--role", "re-identifier", "--password-stdin"],
        input=f"{PASSWORD}\n",
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    words = [word for scope in scopes for word in ("--scope", scope)]
    issued = installation.run("token", "issue", "op", "--name", "test", *words)
    assert issued.returncode == 0, issued.stderr
    return issued.stdout.strip()


@pytest.mark.timeout(400)
def test_no_request_is_answered_in_a_way_that_is_not_described(
    installation: Installation, tmp_path: Path
) -> None:
    installation.add_study("ACC-1", n_series=1, n_images=2)
    not_dicom(installation.add_study("ACC-2", n_series=1, n_images=1) / "notes.txt")
    assert installation.run("run", "--once").returncode == 0
    text = token(installation, "read", "act", "phi")

    with serving(installation, "--port", "0") as served:
        until(served.link)
        until(lambda: urllib.request.urlopen(f"{served.address}healthz", timeout=60).status == 200)
        asked = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={HERE / 'schemathesis.toml'}",
                "run",
                f"{served.address}api/schema/?format=json",
                f"--header=Authorization: Bearer {text}",
                "--max-examples=8",
                "--seed=1",
                "--generation-database=none",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=360,
        )

    assert asked.returncode == 0, asked.stdout[-6000:] + asked.stderr
    assert "Tested: 11" in asked.stdout
    assert (tmp_path / "serve.err").read_text().count("ERROR") == 0
