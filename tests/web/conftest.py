"""An installation in this process, whose database is the test's."""

import pytest

from sendit.config import Configuration
from sendit.pipeline.workspace import Workspace
from sendit.records.audit import begin


@pytest.fixture
def configuration(in_this_process: Configuration, db: None) -> Configuration:
    Workspace(in_this_process.settings.work_dir).create()
    begin()
    return in_this_process
