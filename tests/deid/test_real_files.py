import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pydicom
import pytest

from sendit.deid import Engine, Identities, Identity, Recipe, normal_id, read_header
from sendit.errors import Held, ImageError
from sendit.terms import OUTCOME_OF, Outcome
from tests.deid.real_files import further_files, packaged_files

EVERYTHING = [reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD]
RECIPES = {
    preset: Recipe.resolve(preset=preset, releases=EVERYTHING)
    for preset in ("basic", "research", "keep-everything-safe")
}
FILES = packaged_files()
FURTHER = further_files()
VALIDATOR = shutil.which("dciodvfy", path=str(Path(sys.executable).parent))

pytestmark = pytest.mark.filterwarnings("ignore")


def engine_for(path: Path, recipe: Recipe) -> Engine | None:
    """Return an engine that knows the patient of a file; None when nobody can."""
    try:
        header = read_header(path)
    except ImageError:
        return None
    key = (normal_id(header.values["PatientID"]), header.study_instance_uid)
    return Engine(recipe, Identities({key: Identity("P1", "S1", -100)}, b"k" * 32))


def result_of(path: Path, folder: Path, recipe: Recipe) -> Path | None:
    engine = engine_for(path, recipe)
    target = folder / "result.dcm"
    if engine is None:
        return None
    try:
        engine.deidentify_to(path, target)
    except Held:
        return None
    except ImageError:
        assert not target.exists()
        assert list(folder.iterdir()) == []
        return None
    return target


@pytest.mark.parametrize("preset", RECIPES)
def test_every_packaged_file_ends_in_a_result_or_one_clear_error(
    tmp_path: Path, preset: str
) -> None:
    written = 0
    for number, path in enumerate(FILES):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = result_of(path, folder, RECIPES[preset])
        if result is not None:
            written += 1
            ds = pydicom.dcmread(result)
            assert ds.PatientIdentityRemoved == "YES"
        shutil.rmtree(folder)

    assert written >= 70


@pytest.mark.parametrize("preset", ["basic", "research"])
def test_every_further_file_ends_in_a_result_or_one_clear_error(
    tmp_path: Path, preset: str
) -> None:
    if not FURTHER:
        return
    refused: Counter[str] = Counter()
    for number, path in enumerate(FURTHER):
        folder = tmp_path / str(number)
        folder.mkdir()
        if path.suffix == ".dcm" and result_of(path, folder, RECIPES[preset]) is None:
            refused[path.parent.name] += 1
        shutil.rmtree(folder)

    assert refused.total() <= 0.02 * len(FURTHER), refused


def sop_class_of(path: Path) -> str:
    try:
        return read_header(path).sop_class_uid
    except ImageError:
        return ""


def complaints(path: Path) -> Counter[str]:
    """Return what ``dciodvfy`` calls an error, without the values that it quotes."""
    assert VALIDATOR is not None
    done = subprocess.run([VALIDATOR, str(path)], capture_output=True, check=False)
    lines = (done.stderr + done.stdout).decode("latin-1").splitlines()
    return Counter(re.sub(r"<[^>]*>", "<>", line) for line in lines if line.startswith("Error"))


@pytest.mark.parametrize("preset", ["basic", "research"])
def test_no_result_has_an_error_that_its_original_had_not(tmp_path: Path, preset: str) -> None:
    seen: set[str] = set()
    new: dict[str, Counter[str]] = {}
    for path in FILES:
        kind = sop_class_of(path)
        if not kind or kind in seen:
            continue
        result = result_of(path, tmp_path, RECIPES[preset])
        if result is None:
            continue
        seen.add(kind)
        if more := complaints(result) - complaints(path):
            new[path.name] = more
        result.unlink()

    assert new == {}
