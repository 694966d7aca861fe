"""A field key, so that rows can be written and read."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pytest_django.fixtures import Settings

from sendit.records.encrypted import forget_keys


@pytest.fixture(autouse=True)
def field_key(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Path:
    path = tmp_path_factory.mktemp("keys") / "field.key"
    path.write_bytes(Fernet.generate_key())
    settings.SENDIT_FIELD_KEY_FILE = path
    forget_keys()  # an earlier test may have had a file of that name
    return path
