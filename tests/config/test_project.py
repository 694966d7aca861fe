import json
from pathlib import Path

import pytest

from sendit import deid
from sendit.config import Project, load_project
from sendit.config.project_sections import Option
from sendit.deid.profile import OPTION_CODES
from sendit.errors import ConfigurationInvalid
from sendit.identity.keyed import Keyed

PROJECT = """
title = "Chest CT outcomes"
send = "manual"
priority = 5
[accept]
modalities = ["CT", "MR"]
[identity]
namespace = "lungs"
shift_days = [-30, -1]
whole_weeks = true
[deid]
preset = "research"
options = ["clean-descriptors"]
defacing = "off"
[[targets]]
kind = "folder"
path = "out"
[[targets]]
name = "archive"
kind = "folder"
path = "/srv/archive"
layout = "archive"
required = false
[retention]
originals = "7 days"
results = "keep"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    path = tmp_path / "irb-1.toml"
    path.write_text(PROJECT)
    return load_project(path)


def test_a_snapshot_is_json_and_gives_the_project_back(project: Project) -> None:
    kept = json.loads(json.dumps(project.snapshot()))

    again = Project.from_snapshot(kept)

    assert again == project
    assert again.digest == project.digest
    assert again.snapshot() == kept


def test_the_digest_tells_rules_apart(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other" / "irb-1.toml"
    other.parent.mkdir()
    other.write_text(PROJECT.replace("[-30, -1]", "[-31, -1]").replace('"out"', '"../out"'))

    changed = load_project(other)

    assert changed.digest != project.digest
    assert project.digest.startswith("sha256:")


def test_a_snapshot_of_a_kind_that_is_gone_is_refused(project: Project) -> None:
    kept = project.snapshot()
    kept["targets"][0]["kind"] = "gone"

    with pytest.raises(ConfigurationInvalid, match=r'kept project irb-1: .*"gone" is not known'):
        Project.from_snapshot(kept)


def test_a_project_makes_what_the_pipeline_needs(project: Project) -> None:
    service = project.identity_service(bytes(32), own_key=None)

    assert isinstance(service, Keyed)
    assert project.accept.rules() == deid.Accept(("CT", "MR"), (), "reject")
    assert project.recipe() == deid.Recipe.resolve(preset="research", options=["clean-descriptors"])
    assert [target.name for target in project.targets] == ["folder", "archive"]


def test_the_options_are_those_of_the_engine() -> None:
    assert set(Option.__args__) == set(OPTION_CODES)  # type: ignore[attr-defined]


def test_a_project_cannot_be_changed(project: Project) -> None:
    with pytest.raises(ValueError, match="frozen"):
        project.anonymize = False
