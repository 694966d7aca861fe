"""What is written about the configuration is true."""

import shutil
from pathlib import Path

from scripts.build_configuration_page import PAGE, build_page
from sendit.config import load

ROOT = Path(__file__).parents[2]


def test_the_reference_says_what_the_models_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), (
        "run: python scripts/build_configuration_page.py"
    )


def test_the_example_installation_can_be_read(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "examples/inbox/demo").mkdir(parents=True)

    configuration = load(tmp_path / "examples/sendit.toml", environ={}, cwd=tmp_path)

    project = configuration.projects["demo"]
    assert configuration.settings.inboxes[0].project == "demo"
    assert project.snapshot()["targets"][0]["path"] == str(tmp_path / "examples/out")
    assert project.retention.originals == "remove"
