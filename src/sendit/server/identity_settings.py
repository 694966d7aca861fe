"""Django's settings of ``sendit identity serve``: the same installation, and one interface.

No pages, no sessions, no middleware: what comes in is a token and a JSON document.
"""

from sendit.server.settings import (
    DATABASES,
    DEBUG,
    DEFAULT_AUTO_FIELD,
    LOGGING,
    SECRET_KEY,
    SENDIT,
    SENDIT_FIELD_KEY_FILE,
    TIME_ZONE,
    USE_I18N,
    USE_TZ,
    ZONE_OF_THIS_MACHINE,
)

__all__ = [
    "DATABASES",
    "DEBUG",
    "DEFAULT_AUTO_FIELD",
    "LOGGING",
    "SECRET_KEY",
    "SENDIT",
    "SENDIT_FIELD_KEY_FILE",
    "TIME_ZONE",
    "USE_I18N",
    "USE_TZ",
    "ZONE_OF_THIS_MACHINE",
]

DATABASES["default"]["CONN_MAX_AGE"] = 60
INSTALLED_APPS = ["sendit.records"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "sendit.server.identity_urls"
WSGI_APPLICATION = "sendit.server.identity_wsgi.application"
ALLOWED_HOSTS = ["*"]  # the name that a client uses decides nothing here
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20
