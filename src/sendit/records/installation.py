"""The keys of an installation, and the lock under which it is made.

One with history must find its own keys in place, since a silently new key would give
everyone a second identity.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection, transaction

from sendit.config import Configuration
from sendit.config.keys import field_keys, fingerprint, site_key
from sendit.config.settings import Settings
from sendit.errors import ConfigurationInvalid
from sendit.records import audit
from sendit.records.audit_tables import AuditHead
from sendit.records.ledger_tables import Credential, IdentityHistory, LedgerNamespace
from sendit.records.models import Batch, Installation


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of this installation."""

    site: bytes = field(repr=False)


@contextmanager
def one_at_a_time(work_dir: Path) -> Iterator[None]:
    """Hold a lock of the working folder, so that two starts do not make two keys.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        When the folder cannot be made, or not be written.
    """
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(work_dir / ".setup.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ConfigurationInvalid(
            f"work_dir, {work_dir}, cannot be used ({error.strerror}). It must be a folder that "
            "has room and that this user may write: mend it, run sendit as the user whose it is, "
            "or name another."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_known(settings: Settings) -> bool:
    """Say whether the database knows an installation; makes neither a file nor a table."""
    file = settings.database.sqlite_file
    if file is not None and not file.exists():
        return False
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    return Installation._meta.db_table in tables and Installation.objects.exists()


def require_key_files(settings: Settings) -> None:
    """Return if both keys are there and can be read; whose they are, only the database knows.

    Raises
    ------
    sendit.errors.KeyProblem
        When one is not.
    """
    site_key(settings, history=True, fingerprint=None)
    field_keys(settings, history=True, fingerprint=None)


def require_field_key(settings: Settings) -> None:
    """Return if the field key is there, and the one that this database knows.

    Raises
    ------
    sendit.errors.KeyProblem
        When it is not.
    """
    known = Installation.objects.filter(pk=1).values_list("field_key_fingerprint", flat=True)
    field_keys(settings, history=True, fingerprint=known.first())


def load_keys(configuration: Configuration, *, history: bool = False) -> Keys:
    """Return the keys, made on first use.

    Parameters
    ----------
    configuration
        Names their files.
    history
        An installation was made, so that keys are not.  A new site key would be a second
        identity for everyone.

    Raises
    ------
    sendit.errors.KeyProblem
        When a key is missing or another one than this database knows.
    """
    known = Installation.objects.filter(pk=1).first()
    in_database = known is not None or any(
        table.objects.exists() for table in (Batch, Credential, IdentityHistory, LedgerNamespace)
    )
    settings = configuration.settings
    site = site_key(
        settings,
        history=history or in_database,
        fingerprint=known.site_key_fingerprint if known else None,
    )
    fields = field_keys(
        settings, history=in_database, fingerprint=known.field_key_fingerprint if known else None
    )
    if known is None:
        with transaction.atomic():
            Installation.objects.create(
                pk=1,
                site_key_fingerprint=fingerprint(site),
                field_key_fingerprint=fingerprint(fields[0]),
            )
            # Beside history a log was begun before; one that is gone is not made anew.
            if not in_database and not AuditHead.objects.exists():
                audit.begin()
    return Keys(site)
