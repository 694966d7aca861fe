"""Django's settings: one installation of sendit.

INSTALLED_APPS grows with the rooms that are there.
"""

from pathlib import Path

SECRET_KEY = "not-used-for-anything-that-lasts"  # noqa: S105
USE_TZ = True
ROOMS = Path(__file__).parents[1]
INSTALLED_APPS = [
    f"sendit.{room}" for room in ("records", "web", "cli") if (ROOMS / room / "apps.py").exists()
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "sendit.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SENDIT_FIELD_KEY_FILE: Path = Path("sendit-data/keys/field.key")
