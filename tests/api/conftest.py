import pytest

from sendit.config import Configuration
from sendit.pipeline.workspace import Workspace


@pytest.fixture(autouse=True)
def configuration(in_this_process: Configuration) -> Configuration:
    Workspace(in_this_process.settings.work_dir).create()
    return in_this_process
