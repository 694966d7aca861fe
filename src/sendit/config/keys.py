"""The two secret keys of an installation: made once, kept, and missed when they are gone.

The *site key* makes pseudonyms, UIDs and shifts: with another one, every patient would get a
second identity.  The *field keys* encrypt what identifies in the database: the first line of
their file encrypts, every line decrypts, so they can be changed one after the other.  Their
fingerprints are kept by whoever keeps the history; the keys themselves are never shown.
"""

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from cryptography.fernet import Fernet

from sendit.config.settings import Settings
from sendit.errors import KeyProblem

_SITE_BYTES = 32

_Kind = Literal["site", "field"]
_WITHOUT: dict[_Kind, str] = {
    "site": "every patient would get a second identity",
    "field": "what the database keeps about patients could not be read",
}


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
    return _keys("site", path, history=history, known=fingerprint)[0]


def field_keys(settings: Settings, *, history: bool, fingerprint: str | None) -> Sequence[bytes]:
    """Return the Fernet keys of the database's fields; the first one encrypts.

    As ``site_key``; the kept fingerprint may be that of any of the keys.
    """
    path = settings.keys.field_file
    return _keys("field", path, history=history, known=fingerprint)


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
        _copy("site", settings.keys.site_file, folder),
        _copy("field", settings.keys.field_file, folder),
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
    old = _read("field", path)
    _parse("field", path, old)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    _make(part, _new("field") + old)
    try:
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyProblem(
            f"The key {path} cannot be written ({error.strerror}). Make its folder writable."
        ) from None


def _keys(kind: _Kind, path: Path, *, history: bool, known: str | None) -> Sequence[bytes]:
    if not history and known is None and not path.exists():
        _make(path, _new(kind))
    keys = _parse(kind, path, _read(kind, path))
    if known is not None and known not in map(fingerprint, keys):
        raise KeyProblem(
            f"The {kind} key in {path} is not the one that was used here so far; with it, "
            f"{_WITHOUT[kind]}. Put the right file back from your backup."
        )
    return keys


def _new(kind: _Kind) -> str:
    if kind == "site":
        return secrets.token_hex(_SITE_BYTES) + "\n"
    return Fernet.generate_key().decode() + "\n"


def _parse(kind: _Kind, path: Path, text: str) -> Sequence[bytes]:
    """Return the keys in a file, or say that they are none without showing them."""
    lines = text.split()
    try:
        if kind == "site":
            keys = [bytes.fromhex(line) for line in lines]
            right = len(keys) == 1 and len(keys[0]) == _SITE_BYTES
        else:
            keys = [line.encode() for line in lines]
            right = all(map(Fernet, keys)) and bool(keys)
    except ValueError:
        right = False
    if not right:
        raise KeyProblem(
            f"{path} does not hold a {kind} key, or was damaged. "
            "Put the right file back from your backup."
        )
    return keys


def _read(kind: _Kind, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read().decode("ascii", errors="replace")
    except FileNotFoundError:
        raise KeyProblem(
            f"The {kind} key {path} is missing, but work was done here before; without it, "
            f"{_WITHOUT[kind]}. Put the file back from your backup."
        ) from None
    except OSError as error:
        raise KeyProblem(
            f"The {kind} key {path} cannot be read ({error.strerror}). "
            "It must belong to the user that runs sendit."
        ) from None
    if mode & 0o077:
        raise KeyProblem(f"The {kind} key {path} can be read by other users. Run: chmod 600 {path}")
    return text


def _make(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all; one that is there stays."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        # Of several processes that start at once, one makes the key and the others read it.
        with suppress(FileExistsError):
            path.hardlink_to(part)
        part.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyProblem(
            f"The key {path} cannot be written ({error.strerror}). Make its folder writable."
        ) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(kind: _Kind, path: Path, folder: Path) -> Path:
    text = _read(kind, path)
    _parse(kind, path, text)
    copy = folder / path.name
    _make(copy, text)
    if _read(kind, copy) != text:
        raise KeyProblem(f"{copy} is another {kind} key; it was left alone. Name another folder.")
    return copy
