"""Each import contract catches what it is there for."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sendit.identity import registry as identity
from sendit.storage import registry as storage

ROOT = Path(__file__).parents[2]

BREACHES = {
    "rooms": ("identity/keyed.py", "import sendit.records.models"),
    "pure": ("storage/folder.py", "import django.conf"),
    "engine": ("deid/walk.py", "import pydantic"),
    "gate": ("deid/release.py", "import sendit.deid.walk"),
    "plug-ins": ("identity/keyed.py", "import sendit.storage.folder"),
    "celery": ("pipeline/runner.py", "import celery"),
    "acyclic": ("deid/uids.py", "import sendit.deid.engine"),
}


@pytest.mark.parametrize("contract", sorted(BREACHES))
def test_breach_of_a_contract_is_caught(contract: str, tmp_path: Path) -> None:
    file, line = BREACHES[contract]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "src" / "sendit" / file
    module.write_text(f"{line}\n{module.read_text()}")

    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--contract", contract],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout


def test_every_contract_is_tried() -> None:
    assert BREACHES.keys() == contracts().keys()


def test_every_plugin_is_under_the_contract() -> None:
    built_in = [*identity.BUILT_IN.values(), *storage.BUILT_IN.values()]

    assert {name.partition(":")[0] for name in built_in} <= set(contracts()["plug-ins"]["modules"])


def contracts() -> dict[str, dict[str, list[str]]]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {one["id"]: one for one in document["tool"]["importlinter"]["contracts"]}
