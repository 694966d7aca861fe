import os

import pytest

from sendit.config import Configuration
from tests.support.installation import Installation


def test_study_goes_through_a_process_of_its_own(installation: Installation) -> None:
    installation.add_study("ACC1", n_series=1, n_images=2)

    done = installation.run("run", "--once")

    assert done.returncode == 0, done.stderr
    assert [batch["status"] for batch in installation.status()] == ["DONE"]
    assert len(installation.delivered()) == 2


def test_settings_of_another_installation_do_not_reach_a_command(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDIT_WORK_DIR", "/elsewhere")

    assert "SENDIT_WORK_DIR" not in installation.environ()
    assert os.environ["SENDIT_WORK_DIR"] == "/elsewhere"


def test_rooms_see_the_installation_in_this_process(
    installation: Installation, in_this_process: Configuration
) -> None:
    assert in_this_process.settings.inboxes[0].path == installation.inbox
    assert in_this_process.settings.keys.field_file.is_relative_to(installation.work_dir)
