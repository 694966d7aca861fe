"""What is missing for a site is named before Django stumbles over it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_PSYCOPG = """
import sys
sys.modules["psycopg"] = None
from sendit.cli.main import main
sys.exit(main(sys.argv[1:]))
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


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "inbox").mkdir(exist_ok=True)
    (folder / "projects").mkdir(exist_ok=True)
    (folder / "projects" / "p.toml").write_text('targets = []\n[deid]\ndefacing = "off"\n')
    (folder / "sendit.toml").write_text(
        '[database]\nurl = "postgresql://sendit@127.0.0.1/sendit"\n'
        '[[inboxes]]\npath = "inbox"\nproject = "p"\n'
    )
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PSYCOPG, *words],
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
    run(tmp_path, "--help")
    text = (
        (tmp_path / "sendit.toml").read_text().replace("postgresql://sendit@127.0.0.1", "sqlite://")
    )
    (tmp_path / "sendit.toml").write_text(text + OIDC)

    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_PSYCOPG.replace("psycopg", "authlib"), "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert 'pip install ".[oidc]"' in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("package", ["redis", "packaging"])
def test_a_site_without_its_queue_names_the_extra(tmp_path: Path, package: str) -> None:
    run(tmp_path, "--help")
    text = (tmp_path / "sendit.toml").read_text()
    (tmp_path / "sendit.toml").write_text(f'mode = "celery"\n{text}{BROKER}')

    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_PSYCOPG.replace("psycopg", package), "doctor"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert f"needs the package {package}" in ended.stderr
    assert "Traceback" not in ended.stderr
