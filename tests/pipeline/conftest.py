import pytest

from sendit.config import Configuration
from tests.pipeline.line import Line, make_line
from tests.support.installation import Installation
from tests.support.small_disk import remount, small_disk

__all__ = ["line", "remount", "small_disk"]


@pytest.fixture
def line(db: None, installation: Installation, in_this_process: Configuration) -> Line:
    """Return a whole pipeline over a fresh installation and an empty database."""
    return make_line(installation, in_this_process)
