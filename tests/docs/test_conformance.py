import importlib.util
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_conformance_statement_is_what_the_engine_does() -> None:
    builder = script("build_conformance")

    assert builder.PAGE.read_text(encoding="utf-8") == builder.page()


@pytest.mark.parametrize("preset", ["basic", "research", "tcia", "keep-everything-safe"])
def test_every_preset_is_explained(preset: str) -> None:
    assert f"### `{preset}`" in script("build_conformance").page()
