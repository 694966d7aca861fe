"""How Django REST framework and drf-spectacular are set up; read by Django's settings.

Imports neither of them, since nothing of Django is ready when this is read.
"""

from typing import Any  # settings of Django packages

from sendit import __version__

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sendit.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sendit.api.errors.answer_exception",
    "URL_FORMAT_OVERRIDE": None,
    "STRICT_JSON": True,
}
SPECTACULAR: dict[str, Any] = {
    "TITLE": "sendit",
    "DESCRIPTION": "Batches, images, metrics and decisions. Every address answers with and "
    "without a last slash, and to HEAD where it answers to GET; what you may not see is 404.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api",
    "PREPROCESSING_HOOKS": ["sendit.api.options.without_doubles"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": False,
        "validatorUrl": None,
        "defaultModelsExpandDepth": 0,
    },
    "PATH_CONVERTER_OVERRIDES": {
        "number": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    },
    "ENUM_NAME_OVERRIDES": {
        "BatchStatus": [
            "QUEUE", "NEW", "PROCESSING", "DONEPROCESSING", "SENT", "DONE", "EMPTY", "ERROR"
        ],
        "ImageStatus": ["NEW", "PROCESSING", "DONEPROCESSING", "SENT", "DONE"],
        "TrueOrFalse": ["true", "false"],
    },
}  # fmt: skip


def without_doubles(endpoints: list[tuple[Any, ...]], **_: object) -> list[tuple[Any, ...]]:
    """Describe each address once, without its last slash."""
    return [one for one in endpoints if not str(one[0]).endswith("/")]
