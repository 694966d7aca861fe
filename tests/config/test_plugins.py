"""Plug-ins from another package, found by entry points, with secrets from the environment."""

import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from sendit.config import Project
from sendit.errors import ConfigurationInvalid
from sendit.identity import registry as identity_registry
from sendit.storage import registry as storage_registry
from tests.config.conftest import Installation

MODULE = """
from pydantic import BaseModel, SecretStr

class ShelfOptions(BaseModel, extra="forbid", frozen=True):
    url: str
    password: SecretStr = SecretStr("")
    token: SecretStr | None = None

class Shelf:
    options_model = ShelfOptions
    def __init__(self, options):
        self.options = options

class BrokerOptions(BaseModel, extra="forbid", frozen=True):
    token: SecretStr

class Broker:
    options_model = BrokerOptions
    def __init__(self, options, context):
        self.options = options
"""

ENTRY_POINTS = """
[sendit.storage]
shelf = shelf_plugin:Shelf
folder = shelf_plugin:Shelf
broken = shelf_plugin_that_is_gone:Shelf
[sendit.identity]
broker = shelf_plugin:Broker
"""

PROJECT = """
[identity]
kind = "broker"
[[targets]]
name = "big-shelf"
kind = "shelf"
url = "https://shelf.example"
"""
TOKEN = {"SENDIT_IRB_1_IDENTITY_TOKEN": "CANARY-1"}


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with plug-ins."""
    site = tmp_path / "site"
    info = site / "shelf_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "shelf_plugin.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)


def _project(installation: Installation, environ: dict[str, str]) -> Project:
    return installation.load(environ).projects["irb-1"]


def test_kinds_of_other_packages_are_known() -> None:
    assert "shelf" in storage_registry.kinds()
    assert "broker" in identity_registry.kinds()
    assert not storage_registry.accepts_identified("shelf")


def test_a_built_in_kind_cannot_be_taken() -> None:
    assert storage_registry.options_model("folder").__module__ == "sendit.storage.folder"


def test_secrets_come_from_the_environment(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)
    installation.write("secret", "CANARY-2\n")

    project = _project(installation, TOKEN | {"SENDIT_IRB_1_BIG_SHELF_PASSWORD_FILE": "secret"})

    options = project.targets[0].build().options  # type: ignore[attr-defined]
    assert options.password == SecretStr("CANARY-2")
    assert project.identity.options.token == SecretStr("CANARY-1")  # type: ignore[attr-defined]
    assert "CANARY" not in repr(project)


def test_a_snapshot_holds_no_secrets_and_takes_those_of_today(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)
    today = _project(installation, TOKEN | {"SENDIT_IRB_1_BIG_SHELF_PASSWORD": "CANARY-2"})
    rotated = _project(installation, TOKEN | {"SENDIT_IRB_1_BIG_SHELF_PASSWORD": "CANARY-3"})

    snapshot = today.snapshot()

    assert "CANARY" not in str(snapshot)
    assert rotated.digest == today.digest
    assert Project.from_snapshot(snapshot, secrets_from=rotated) == rotated


def test_a_snapshot_without_a_secret_that_is_needed_is_refused(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)
    snapshot = _project(installation, TOKEN).snapshot()

    with pytest.raises(ConfigurationInvalid, match=r"identity\.token: is missing"):
        Project.from_snapshot(snapshot)


def test_a_secret_that_is_missing_is_named(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)

    assert installation.problems() == ["projects/irb-1.toml: identity.token: is missing"]


def test_only_secrets_of_plug_ins_are_set_by_the_environment(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)

    [problem] = installation.problems(TOKEN | {"SENDIT_IRB_1_BIG_SHELF_URL": "https://x"})

    assert problem.startswith("environment: SENDIT_IRB_1_BIG_SHELF_URL: is not known")


def test_a_variable_that_could_mean_two_things_is_named(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", PROJECT)
    installation.write(
        "projects/irb.toml",
        '[[targets]]\nname = "1-big-shelf"\nkind = "shelf"\nurl = "https://shelf.example"\n',
    )

    [problem] = installation.problems(TOKEN | {"SENDIT_IRB_1_BIG_SHELF_PASSWORD": "CANARY"})

    assert "could mean irb-1.big-shelf.password and irb.1-big-shelf.password" in problem
    assert "CANARY" not in problem


def test_a_plug_in_that_cannot_be_imported_is_named(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", '[[targets]]\nkind = "broken"\n')

    [problem] = installation.problems()

    assert problem.startswith(
        'projects/irb-1.toml: targets[1].kind: The target plug-in "broken" cannot be loaded'
    )


def test_a_built_in_kind_without_its_packages_says_how_to_get_them(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sendit.storage.s3", None)
    installation.write("projects/irb-1.toml", '[[targets]]\nkind = "s3"\nbucket = "b"\n')

    [problem] = installation.problems()

    assert 'in the copy of the source, with: pip install ".[s3]"' in problem


def test_a_kind_that_does_not_take_originals_says_so(installation: Installation) -> None:
    installation.write(
        "projects/irb-1.toml",
        '[[targets]]\nkind = "shelf"\nurl = "x"\naccepts_identified = true\n',
    )

    [problem] = installation.problems()

    assert problem == (
        "projects/irb-1.toml: targets[1].accepts_identified: "
        'is not possible with kind = "shelf"; allowed: false'
    )


def test_an_unknown_kind_is_refused_by_the_registries() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"allowed: .*folder"):
        storage_registry.build("fax", {}, base=Path("/"))
    with pytest.raises(ConfigurationInvalid, match=r"allowed: .*keyed"):
        identity_registry.options_model("notebook")
