"""A secret key in a file of its own: made whole or not at all, private, never shown.

Knows what the three kinds of key look like and which words tell of them; when a key is made
and when it is missed is for ``keys`` and ``own_keys``.
"""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from cryptography.fernet import Fernet

from sendit.errors import KeyProblem

_HASHED_BYTES = 32

Kind = Literal["site", "own", "field"]
_NAMES: dict[Kind, str] = {
    "site": "site key",
    "own": "own key of a namespace",
    "field": "field key",
}
_WITHOUT: dict[Kind, str] = {
    "site": "every patient would get a second identity",
    "own": "every patient of the namespace would get a second identity",
    "field": "what the database keeps about patients could not be read",
}


def new(kind: Kind) -> str:
    """Return the text of a new file."""
    if kind == "field":
        return Fernet.generate_key().decode() + "\n"
    return secrets.token_hex(_HASHED_BYTES) + "\n"


def another(kind: Kind, path: Path) -> KeyProblem:
    """Return what is said of a key that is not the one that was used."""
    return KeyProblem(
        f"The {_NAMES[kind]} in {path} is not the one that was used here so far; with it, "
        f"{_WITHOUT[kind]}. Put the right file back from your backup."
    )


def parse(kind: Kind, path: Path, text: str) -> Sequence[bytes]:
    """Return the keys in a file, or say that they are none without showing them."""
    lines = text.split()
    try:
        if kind == "field":
            keys = [line.encode() for line in lines]
            right = all(map(Fernet, keys)) and bool(keys)
        else:
            keys = [bytes.fromhex(line) for line in lines]
            right = len(keys) == 1 and len(keys[0]) == _HASHED_BYTES
    except ValueError:
        right = False
    if not right:
        raise KeyProblem(
            f"{path} does not hold a {_NAMES[kind]}, or was damaged. "
            "Put the right file back from your backup."
        )
    return keys


def read(kind: Kind, path: Path) -> str:
    """Return the text of a file that only we can read."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read().decode("ascii", errors="replace")
    except FileNotFoundError:
        raise KeyProblem(
            f"The {_NAMES[kind]} {path} is missing, but work was done here before; without it, "
            f"{_WITHOUT[kind]}. Put the file back from your backup."
        ) from None
    except OSError as error:
        raise KeyProblem(
            f"The {_NAMES[kind]} {path} cannot be read ({error.strerror}). "
            "It must belong to the user that runs sendit."
        ) from None
    if mode & 0o077:
        raise KeyProblem(
            f"The {_NAMES[kind]} {path} can be read by other users. Run: chmod 600 {path}"
        )
    return text


def make(path: Path, text: str) -> None:
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
        sync_folder(path.parent)
    except OSError as error:
        raise KeyProblem(
            f"The key {path} cannot be written ({error.strerror}). Make its folder writable."
        ) from None


def copy(kind: Kind, path: Path, folder: Path) -> Path:
    """Copy a key into a folder, where another one of its name is left alone; return the copy."""
    text = read(kind, path)
    parse(kind, path, text)
    there = folder / path.name
    make(there, text)
    if read(kind, there) != text:
        raise KeyProblem(
            f"{there} is another {_NAMES[kind]}; it was left alone. Name another folder."
        )
    return there


def destroy(path: Path) -> bool:
    """Overwrite a key and remove its file; False when there is none."""
    try:
        size = path.stat().st_size
        with path.open("r+b") as stream:
            stream.write(secrets.token_bytes(size))
            stream.flush()
            os.fsync(stream.fileno())
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise KeyProblem(
            f"The key {path} cannot be destroyed ({error.strerror}). Make it and its folder "
            "writable, then do this again."
        ) from None
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
