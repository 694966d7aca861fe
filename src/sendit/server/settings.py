"""Django's settings, all of them from the one configuration of this installation.

``SENDIT`` is that configuration; rooms above ``config`` read it as
``django.conf.settings.SENDIT``.  Nothing is made or opened here.
"""

import os
import secrets
from datetime import timedelta
from pathlib import Path

from sendit.api.options import REST_FRAMEWORK as REST_FRAMEWORK
from sendit.api.options import SPECTACULAR as SPECTACULAR_SETTINGS  # noqa: F401 - a setting
from sendit.config import Configuration, load
from sendit.config.rules import is_loopback
from sendit.server.database import database_from_url
from sendit.server.extras import require_packages
from sendit.server.logs import logging_configuration

SENDIT: Configuration = load(None, environ=os.environ, cwd=Path.cwd())
require_packages(SENDIT.settings)
SENDIT_FIELD_KEY_FILE: Path = SENDIT.settings.keys.field_file


_web = SENDIT.settings.web

DEBUG = False
SECRET_KEY = (
    # Without one of its own, a server forgets its sessions when it stops.
    _web.secret_key.get_secret_value() if _web.secret_key else secrets.token_urlsafe(50)
)
# The loopback always, for whoever looks from this machine whether we are well.
ALLOWED_HOSTS = [*_web.allowed_hosts, "127.0.0.1", "localhost", "[::1]"]
USE_TZ = True
TIME_ZONE = "UTC"
# Django sets the whole process to that; what is of this machine, such as a window for sending,
# goes by its own clock (``records.apps`` sets it back).
ZONE_OF_THIS_MACHINE: str | None = os.environ.get("TZ")
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database_from_url(SENDIT.settings.database.url.get_secret_value())}

LOGGING = logging_configuration(
    log_format=SENDIT.settings.log_format, level=SENDIT.settings.log_level
)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "sendit.records",
    "sendit.web",
    "sendit.cli",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sendit.web.middleware.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sendit.web.room.RoomMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sendit.web.middleware.LoginMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
        ("UserAttributeSimilarityValidator", {}),
    )
]
# Behind a proxy everybody comes from one address, so it is the pair that is locked.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "sendit.web.sign_in.locked_out"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "sendit.web.asking.context",
            ],
        },
    },
]
ROOT_URLCONF = "sendit.server.urls"
WSGI_APPLICATION = "sendit.server.wsgi.application"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # static files come from the packages; there is nothing to collect

SESSION_COOKIE_NAME = "sendit_session"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
# Beyond this machine the pages are served through TLS (docs/guides/web.md).
SESSION_COOKIE_SECURE = not is_loopback(_web.host)
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_USE_SESSIONS = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
