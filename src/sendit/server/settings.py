"""Django's settings, all of them from the one configuration of this installation.

``SENDIT`` is that configuration; rooms above ``config`` read it as
``django.conf.settings.SENDIT``.  Nothing is made or opened here.
"""

import os
import secrets
from pathlib import Path

from sendit.config import Configuration, load
from sendit.server.database import database_from_url
from sendit.server.logs import logging_configuration

SENDIT: Configuration = load(None, environ=os.environ, cwd=Path.cwd())
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
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database_from_url(SENDIT.settings.database.url.get_secret_value())}

LOGGING = logging_configuration(
    log_format=SENDIT.settings.log_format, level=SENDIT.settings.log_level
)

INSTALLED_APPS = [
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "sendit.records",
    "sendit.web",
    "sendit.cli",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sendit.web.middleware.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "sendit.web.middleware.LoginMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
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
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_USE_SESSIONS = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
