"""The two secret keys of an installation: made once, kept, and missed when they are gone.

The *site key* makes pseudonyms, UIDs and shifts: with another one, every patient would get a
second identity.  The *field keys* encrypt what identifies in the database: the first line of
their file encrypts, every line decrypts, so they can be changed one after the other.  Their
fingerprints are kept by whoever keeps the history; the keys themselves are never shown.
"""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from sendit.config import key_files
from sendit.config.settings import Settings
from sendit.errors import KeyProblem


def site_key(settings: Settings, *, history: bool, fingerprint: str | None) -> bytes:
    """Return the site key, made now if this is the first time.

    Parameters
    ----------
    settings
        Name the file.
    history
        Whether anything was ever done here; then a missing key is not made anew.
    fingerprint
        The key's fingerprint as it was kept; None when none was.

    Raises
    ------
    sendit.errors.KeyProblem
        When the key is missing, unreadable by us, readable by others, or another one.
    """
    path = settings.keys.site_file
    return keys_in(path, "site", history=history, known=fingerprint)[0]


def field_keys(settings: Settings, *, history: bool, fingerprint: str | None) -> Sequence[bytes]:
    """Return the Fernet keys of the database's fields; the first one encrypts.

    As ``site_key``; the kept fingerprint may be that of any of the keys.
    """
    path = settings.keys.field_file
    return keys_in(path, "field", history=history, known=fingerprint)


def fingerprint(key: bytes) -> str:
    """Return what tells one key from another and gives nothing of it away."""
    return "sha256:" + hashlib.sha256(b"sendit key fingerprint\0" + key).hexdigest()[:32]


def backup(settings: Settings, folder: Path) -> Sequence[Path]:
    """Copy both keys into a folder, which is made if it is missing, and return the copies.

    Raises
    ------
    sendit.errors.KeyProblem
        When a key cannot be read, or the folder holds another one; nothing is overwritten.
    """
    return [
        key_files.copy("site", settings.keys.site_file, folder),
        key_files.copy("field", settings.keys.field_file, folder),
    ]


def add_field_key(settings: Settings) -> None:
    """Put a new field key first in its file; the old ones stay, and the last one is needed.

    Digests by which encrypted values are found, and the seals of the audit log, are made with
    the last key of the file.

    Raises
    ------
    sendit.errors.KeyProblem
        When the file cannot be read or written.
    """
    path = settings.keys.field_file
    old = key_files.read("field", path)
    key_files.parse("field", path, old)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    key_files.make(part, key_files.new("field") + old)
    try:
        part.replace(path)
        key_files.sync_folder(path.parent)
    except OSError as error:
        raise KeyProblem(
            f"The key {path} cannot be written ({error.strerror}). Make its folder writable."
        ) from None


def keys_in(
    path: Path, kind: key_files.Kind, *, history: bool, known: str | None
) -> Sequence[bytes]:
    """Return the keys in a file, made now if nothing was done with one and none is there."""
    if not history and known is None and not path.exists():
        key_files.make(path, key_files.new(kind))
    keys = key_files.parse(kind, path, key_files.read(kind, path))
    if known is not None and known not in map(fingerprint, keys):
        raise key_files.another(kind, path)
    return keys
