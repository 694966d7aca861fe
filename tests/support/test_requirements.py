"""The rules about skips, about packages, and about what the repository may hold."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
SKIPPING_TEST = """
import pytest

def test_that_needs_something():
    pytest.skip("no server here")
"""
ALL_OF_A_SITE = """
import sys
sys.path.append(sys.argv[1])
import authlib.jose, celery, gunicorn.app.wsgiapp, psycopg, requests
celery.Celery(broker="redis://127.0.0.1/0").connection_for_write().transport
"""


@pytest.mark.parametrize(("require_all", "code"), [("1", 1), ("", 0)], ids=["required", "free"])
def test_skip_is_a_failure_where_everything_is_required(
    tmp_path: Path, require_all: str, code: int
) -> None:
    (tmp_path / "test_skip.py").write_text(SKIPPING_TEST)

    done = run_pytest(tmp_path, require_all=require_all)

    assert done.returncode == code, done.stdout
    assert "no server here" in done.stdout


def test_module_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    (tmp_path / "test_skip.py").write_text(
        'import pytest\npytest.skip("no server here", allow_module_level=True)\n'
    )

    done = run_pytest(tmp_path, require_all="1")

    assert done.returncode != 0
    assert "no server here" in done.stdout


def test_run_without_a_test_is_a_failure(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, require_all="1").returncode == 5


def test_development_list_holds_the_run_list_with_the_same_pins() -> None:
    run, dev = (dict(PIN.findall(text)) for text in requirement_lists())

    assert run.items() <= dev.items()


def test_site_list_holds_the_run_list_with_the_same_pins() -> None:
    site = (ROOT / "requirements" / "site.txt").read_text()

    assert dict(PIN.findall(requirement_lists()[0])).items() <= dict(PIN.findall(site)).items()


def test_site_list_holds_all_that_a_site_imports(tmp_path: Path) -> None:
    site = (ROOT / "requirements" / "site.txt").read_text()
    for name, _ in PIN.findall(site):
        with suppress(PackageNotFoundError):  # of another platform
            link_files(distribution(name), tmp_path)

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALL_OF_A_SITE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_requirement_lists_name_no_address_and_no_folder() -> None:
    for file in (ROOT / "requirements").iterdir():
        text = file.read_text()
        assert not re.search(r"https?:|file:|index-url|find-links|(^|\s)/", text)


def link_files(package: Distribution, folder: Path) -> None:
    """Let a folder hold what a package put into ``site-packages``, and no other package."""
    for top in {file.parts[0] for file in package.files or () if file.parts[0] != ".."}:
        place = folder / top
        if not place.is_symlink():
            place.symlink_to(Path(str(package.locate_file(top))))


def requirement_lists() -> tuple[str, str]:
    folder = ROOT / "requirements"
    return (folder / "run.txt").read_text(), (folder / "dev.txt").read_text()


def run_pytest(folder: Path, *, require_all: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "SENDIT_"))}
    environ = {
        **inherited,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "SENDIT_TEST_REQUIRE_ALL": require_all,
    }
    unneeded = ("django", "cacheprovider", "cov", "hypothesispytest", "randomly", "xdist")
    options = ("-rA", "-p", "tests.support.rules", *(f"-pno:{name}" for name in unneeded))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
