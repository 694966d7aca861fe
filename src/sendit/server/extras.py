"""What a site needs beyond the embedded product: said clearly when it is not installed."""

from importlib import import_module
from importlib.util import find_spec

from sendit.config.settings import Settings
from sendit.errors import ConfigurationInvalid


def require_packages(settings: Settings) -> None:
    """Return if what the configured database and mode need is installed.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With a line for each package that is missing, and the extra that brings it.
    """
    problems = []
    if not settings.database.url.get_secret_value().startswith("sqlite:") and not _has_psycopg():
        problems.append(_problem("database.url: PostgreSQL", "psycopg", "postgres"))
    if settings.mode == "celery":
        problems += [
            _problem('mode: "celery"', name, "celery")
            # The last is what Celery's way to Redis imports, and Celery alone does not bring.
            for name in ("celery", "redis", "packaging")
            if find_spec(name) is None
        ]
    if settings.oidc.issuer is not None:
        problems += [
            _problem("oidc: signing in through a provider", name, "oidc")
            for name in ("authlib", "requests")
            if find_spec(name) is None
        ]
    if problems:
        raise ConfigurationInvalid("\n".join(problems))


def _has_psycopg() -> bool:
    # It may be there without libpq, the library that it stands on.
    try:
        import_module("psycopg")
    except ImportError:
        return False
    return True


def _problem(what: str, package: str, extra: str) -> str:
    return (
        f"{what} needs the package {package}, which is not installed or cannot be loaded; "
        f'install it, in the copy of the source, with: pip install ".[{extra}]"'
    )
