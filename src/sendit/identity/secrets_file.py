"""The client's secrets: read, and replaced whole under a lock of their own.

A JSON object with ``accessToken``, ``refreshToken``, ``client_id`` and ``token_uri``.  Each
use of a refresh token replaces both tokens, so of several workers one refreshes, and the
others read what it wrote.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sendit.errors import IdentityError
from sendit.identity.http_json import require_safe

KEYS = ("accessToken", "refreshToken", "client_id", "token_uri")
_AGAIN = 'Put a new one there: "sendit identity token issue", or ask whoever runs the service.'


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the file holds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_uri: str
    document: Mapping[str, object] = field(repr=False)
    """All of it; what is not ours is written back as it was."""


def read_secrets(path: Path) -> Secrets:
    """Read the file.

    Raises
    ------
    sendit.errors.IdentityError
        When it is missing, readable by others, or not such a file.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise IdentityError(f"{path} can be read by other users. Run: chmod 600 {path}")
            document = json.load(stream)
    except OSError as error:
        raise IdentityError(f"{path} cannot be read ({error.strerror}). {_AGAIN}") from None
    except ValueError:
        document = None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key), str) and document[key] for key in KEYS
    ):
        raise IdentityError(f"{path} is not a secrets file ({', '.join(KEYS)}). {_AGAIN}")
    try:
        token_uri = require_safe(document["token_uri"])
    except ValueError as error:
        raise IdentityError(f"{path}: token_uri {error}.") from None
    tokens = (document["accessToken"], document["refreshToken"])
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise IdentityError(f"{path} holds a token that cannot be sent. {_AGAIN}")
    return Secrets(*tokens, token_uri, document)


def write_tokens(path: Path, secrets: Secrets, *, access_token: str, refresh_token: str) -> None:
    """Replace both tokens, whole or not at all; only we can read the file.

    Raises
    ------
    sendit.errors.IdentityError
        When it cannot be written; the tokens in it are then used up.
    """
    document = {
        **secrets.document,
        "accessToken": access_token,
        "refreshToken": refresh_token,
    }
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream, indent=1)
            stream.write("\n")
            stream.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        raise IdentityError(
            f"{path} cannot be written ({error.strerror}), so the new tokens are lost. Make its "
            f"folder writable. {_AGAIN}"
        ) from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let only one process of this machine refresh the tokens of a file at a time.

    Raises
    ------
    sendit.errors.IdentityError
        When the lock beside the file cannot be made.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise IdentityError(f"{lock} cannot be made ({error.strerror}).") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
