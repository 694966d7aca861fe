"""What is missing for a site is named before Django stumbles over it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from sendit.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
CONFIG = """
[database]
url = "postgresql://sendit@127.0.0.1/sendit"
[[inboxes]]
path = "inbox"
project = "p"
"""
OIDC = """
[oidc]
issuer = "https://login.example.org"
client_id = "sendit"
client_secret = "s"
[[oidc.roles]]
group = "g"
role = "viewer"
"""
BROKER = '[broker]\nurl = "redis://127.0.0.1/0"\n'


def run(
    folder: Path, *words: str, missing: str = "psycopg", config: str = CONFIG
) -> "subprocess.CompletedProcess[str]":
    (folder / "inbox").mkdir()
    (folder / "projects").mkdir()
    (folder / "projects" / "p.toml").write_text('targets = []\n[deid]\ndefacing = "off"\n')
    (folder / "sendit.toml").write_text(config)
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, missing, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", [["status", "--json"], ["run", "--once"], ["doctor"]])
def test_postgresql_without_its_driver_names_the_extra(tmp_path: Path, words: list[str]) -> None:
    ended = run(tmp_path, *words)

    assert ended.returncode == 1
    assert 'pip install ".[postgres]"' in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_tells_it_as_json(tmp_path: Path) -> None:
    ended = run(tmp_path, "check", "--json")

    told = json.loads(ended.stdout)
    assert (ended.returncode, told["ok"]) == (1, False)
    assert "psycopg" in told["problems"][0]


def test_a_provider_without_its_packages_names_the_extra(tmp_path: Path) -> None:
    config = CONFIG.replace("postgresql://sendit@127.0.0.1", "sqlite://") + OIDC

    ended = run(tmp_path, "status", missing="authlib", config=config)

    assert ended.returncode == 1
    assert 'pip install ".[oidc]"' in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("package", ["redis", "packaging"])
def test_a_site_without_its_queue_names_the_extra(tmp_path: Path, package: str) -> None:
    config = f'mode = "celery"\n{CONFIG}{BROKER}'

    ended = run(tmp_path, "doctor", missing=package, config=config)

    assert ended.returncode == 1
    assert f"needs the package {package}" in ended.stderr
    assert "Traceback" not in ended.stderr
