"""The settings of the whole installation: ``sendit.toml`` as types.

The attribute path of a value is its key path: ``settings.limits.batches_at_once``.  Paths
are absolute, sizes are bytes, durations are ``timedelta``.  What a study protocol decides is
in ``project``; what several values decide together is in ``rules``.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from sendit.config.oidc import Oidc
from sendit.config.quantities import Duration, KeepOrDuration, Size
from sendit.config.section import Count, Section, Text, Whole
from sendit.deid.files import absolute
from sendit.identity.http_json import ServiceUrl
from sendit.identity.zones import Zone
from sendit.storage.base import LocalPath

_GB = 10**9
_SQLITE = "sqlite:///"
_DATABASES = ("sqlite", "postgresql")
_BROKERS = ("redis", "rediss", "redis+socket")
_NUMBERED = re.compile(r"/?[0-9]*(;.*)?")
"""What stands behind the host of a broker: a number, and further addresses for when it is away."""


def _cpus() -> int:
    return os.cpu_count() or 1


def _database_url(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """Check the scheme, and make the path of a SQLite file absolute."""
    url = secret.get_secret_value()
    _require_scheme(url, _DATABASES)
    if not url.startswith("sqlite:"):
        _require_port(url)
        return secret
    if not url.startswith(_SQLITE) or url == _SQLITE:
        raise PydanticCustomError(
            "sqlite", "names no file; allowed: sqlite:///relative/path or sqlite:////absolute/path"
        )
    base = (info.context or {}).get("base", Path.cwd())
    return SecretStr(_SQLITE + os.path.normpath(base / url.removeprefix(_SQLITE)))


def _broker_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    _require_scheme(url, _BROKERS)
    _require_port(url)
    if not url.startswith("redis+socket:") and not _NUMBERED.fullmatch(urlsplit(url).path):
        raise PydanticCustomError(
            "number", "does not end with the number of a database; allowed: redis://HOST/0"
        )
    return secret


def _require_scheme(url: str, allowed: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in allowed:
        raise PydanticCustomError(
            "url",
            "is not the address of a known kind; allowed to begin with: {allowed}",
            {"allowed": ", ".join(f"{scheme}://" for scheme in allowed)},
        )


def _require_port(url: str) -> None:
    try:
        port = urlsplit(url).port
    except ValueError:  # its text quotes what stands there, which may be half of a password
        port = 0
    if port == 0:
        raise PydanticCustomError(
            "port",
            "has no valid port; allowed: 1 to 65535 (in a password, write @, : and / as %40, %3A "
            "and %2F)",
        )


def _a_second_or_more(duration: timedelta) -> timedelta:
    if duration < timedelta(seconds=1):
        raise PydanticCustomError("lease", 'is too short; allowed: "1 s" and longer')
    return duration


class Database(Section):
    """Where batches and images are remembered."""

    url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr("sqlite:///sendit.sqlite3")
    """`sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME`."""

    @property
    def sqlite_file(self) -> Path | None:
        """The file, when the database is one."""
        url = self.url.get_secret_value()
        return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


class Broker(Section):
    """Who carries nudges between machines."""

    url: Annotated[SecretStr, AfterValidator(_broker_url)] | None = None
    """`redis://HOST/0`; needed in mode `celery`, an error in the others."""


class Workers(Section):
    """Who does the work on this machine."""

    processes: Count = Field(default_factory=_cpus)
    """Worker processes of mode `pool`."""
    chunk: Count = 32
    """Images that a worker claims at a time."""
    lease: Annotated[Duration, AfterValidator(_a_second_or_more)] = timedelta(seconds=60)
    """How long a claim lasts without progress; at least 1 s."""
    tries: Count = 3
    """How often something is tried before it is given up."""


class Limits(Section):
    """What a batch may take."""

    batches_at_once: Count = 8
    """Batches that are on their way at the same time."""
    min_free_disk: Size = 2 * _GB
    """No batch is let in that would leave a working volume less room than this."""
    min_free_inodes: Whole = 10_000
    """No batch is let in that would leave a working volume fewer free inodes than this."""
    max_instance: Size = 20 * _GB
    """A larger file is unreadable (`TOO_LARGE`)."""
    instance_timeout: Duration = timedelta(minutes=10)
    """An instance that takes longer is rejected (`TIMED_OUT`)."""


class Ingest(Section):
    """When a folder in an inbox is finished."""

    settle: Duration = timedelta(seconds=10)
    """How long a folder must be quiet."""
    scan: Duration = timedelta(seconds=2)
    """How often an inbox is looked at."""
    polling: Literal["auto", "always", "never"] = "auto"
    """Look instead of waiting for events; `auto`: on network file systems."""
    err_retention: KeepOrDuration = "keep"
    """How long `.err` folders stay."""


class Inbox(Section):
    """One folder that studies come in by; what it leaves out is as in `[ingest]`."""

    path: LocalPath
    """An existing folder that sendit may write to."""
    project: Text
    """Name of the project that its studies belong to."""
    settle: Duration | None = None
    """As in `[ingest]`."""
    scan: Duration | None = None
    """As in `[ingest]`."""
    polling: Literal["auto", "always", "never"] | None = None
    """As in `[ingest]`."""
    err_retention: KeepOrDuration | None = None
    """As in `[ingest]`."""


class Keys(Section):
    """Where the two secret keys are."""

    site_file: LocalPath = Path("keys/site.key")
    """Pseudonyms, UIDs and shifts are derived from it."""
    field_file: LocalPath = Path("keys/field.key")
    """Encrypts what identifies in the database."""


class Audit(Section):
    """The audit log."""

    folder: LocalPath = Path("keys")
    """Where its end is remembered, outside the database."""


class Web(Section):
    """The status pages."""

    host: Text = "127.0.0.1"
    """Address to listen at; another than loopback needs `allowed_hosts` and `secret_key`."""
    port: Annotated[Count, Field(le=65535)] = 8080
    """Port to listen at."""
    allowed_hosts: tuple[Text, ...] = ()
    """Names under which the pages are asked for."""
    secret_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Signs sessions; at least 32 characters."""


class IdentityServer(Section):
    """What `sendit identity serve` offers to other programs."""

    host: Text = "127.0.0.1"
    """Address to listen at; another than loopback needs `certificate` and `private_key`."""
    port: Annotated[Count, Field(le=65535)] = 8790
    """Port to listen at."""
    url: ServiceUrl | None = None
    """Under which clients reach it, when not under host and port: `https://HOST`."""
    certificate: LocalPath | None = None
    """Certificate chain in PEM form, for TLS."""
    private_key: LocalPath | None = None
    """Key of the certificate."""
    rate: Count = 1200
    """Requests a minute that one client may make."""
    token_lifetime: Duration = timedelta(hours=24)
    """How long an access token lasts; a client exchanges it for a new one by itself."""
    zone: Zone = "UTC"
    """Time zone that answers are written in; the clock on the wall never moves."""


class Settings(Section):
    """`sendit.toml`."""

    mode: Literal["inline", "pool", "celery"] = "pool"
    """Who does the work: this process, local processes, or Celery workers on any machine."""
    work_dir: LocalPath = Path("sendit-data")
    """Where sendit keeps everything."""
    projects_dir: LocalPath = Path("projects")
    """One `NAME.toml` for each project."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on."""
    database: Database = Field(default_factory=Database)
    broker: Broker = Field(default_factory=Broker)
    workers: Workers = Field(default_factory=Workers)
    limits: Limits = Field(default_factory=Limits)
    ingest: Ingest = Field(default_factory=Ingest)
    inboxes: tuple[Inbox, ...] = ()
    keys: Keys = Field(default_factory=Keys)
    audit: Audit = Field(default_factory=Audit)
    web: Web = Field(default_factory=Web)
    oidc: Oidc = Field(default_factory=Oidc)
    identity_service: IdentityServer = Field(default_factory=IdentityServer)

    @model_validator(mode="before")
    @classmethod
    def _place_defaults(cls, data: object, info: ValidationInfo) -> object:
        """Give the paths that are left out their places, most of them in ``work_dir``."""
        if not isinstance(data, Mapping):
            return data
        base = (info.context or {}).get("base", Path.cwd())
        work_dir = data.get("work_dir", "sendit-data")
        if not isinstance(work_dir, str | os.PathLike):
            return data
        try:
            work_dir = os.fspath(absolute(Path(work_dir), base=base))
        except ValueError:
            return data  # the field itself says what is wrong
        return {
            "projects_dir": "projects",
            **data,
            "work_dir": work_dir,
            "database": _with({"url": f"{_SQLITE}{work_dir}/sendit.sqlite3"}, data.get("database")),
            "keys": _with(
                {
                    "site_file": f"{work_dir}/keys/site.key",
                    "field_file": f"{work_dir}/keys/field.key",
                },
                data.get("keys"),
            ),
            "audit": _with({"folder": f"{work_dir}/keys"}, data.get("audit")),
        }

    def ingest_of(self, inbox: Inbox) -> Ingest:
        """Return what holds for one inbox: its own values over those of ``[ingest]``."""
        own = {name: getattr(inbox, name) for name in Ingest.model_fields}
        return self.ingest.model_copy(
            update={name: value for name, value in own.items() if value is not None}
        )


def _with(defaults: Mapping[str, object], table: object) -> object:
    """Lay a table over its defaults; what is no table is left for the model to refuse."""
    if table is None:
        return defaults
    return {**defaults, **table} if isinstance(table, Mapping) else table
