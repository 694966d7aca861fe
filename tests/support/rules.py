"""What holds for every test: a skip must be allowed, and real servers are counted.

``SENDIT_TEST_REQUIRE_ALL=1`` (set by ``.ci/run``) says that everything is there which the
tests need; a skip is then a failure.  A test that uses one of ``SERVER_FIXTURES`` is
counted as having met that server; the counts stand above pytest's closing line.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.hanging_mount import may_mount
from tests.support.power import may_mount_disk
from tests.support.small_disk import may_mount_root
from tests.support.system import EMULATORS, PROGRAMS

SERVER_FIXTURES = frozenset(program.fixture for program in (*PROGRAMS, *EMULATORS))
REQUIRE_ALL = os.environ.get("SENDIT_TEST_REQUIRE_ALL") == "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _leave_out_what_no_package_brings(config, items)
    for item in items:
        if {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("django_db")  # so that -m django_db selects it, too
        for name in SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.user_properties.append(("server", name))


def _leave_out_what_no_package_brings(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that mount a file system where the kernel does not let us."""
    for marker, (may, why) in _MOUNTING.items():
        mounting = [item for item in items if item.get_closest_marker(marker)]
        if not mounting:
            continue
        with tempfile.TemporaryDirectory() as place:
            if may(Path(place)):
                continue
        config.hook.pytest_deselected(items=mounting)
        items[:] = [item for item in items if item not in mounting]
        print(f"\n{len(mounting)} tests {why}")


_MOUNTING = {
    "fuse": (may_mount, "of a hung mount are left out: /dev/fuse cannot be used here."),
    "boxes": (may_mount_root, "of confined services are left out: no root can be mounted here."),
    "disk": (may_mount_disk, "of a power cut are left out: no loop device can be mounted here."),
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although everything is required: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped although everything is required: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    met = Counter(
        server
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if getattr(report, "when", "") == "call"
        for key, server in report.user_properties
        if key == "server"
    )
    for server in sorted(SERVER_FIXTURES):
        terminalreporter.write_line(f"real server {server}: {met[server]} tests")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
