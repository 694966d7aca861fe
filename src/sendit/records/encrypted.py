"""A column whose value is ciphertext in the database and JSON in Python.

What may identify (a batch's uid, a file's path, the identity service's answer) is stored
only through this field.  Such a column cannot be searched: a lookup goes by a keyed
digest in a column of its own, made by ``keyed_digest``.

The key is the installation's field key file; several keys may stand in it, the first
encrypts, all decrypt, so a key can be rotated.
"""

import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON values have no narrower type

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from sendit.errors import KeyProblem


@cache
def _keys(key_file: Path) -> tuple[bytes, ...]:
    try:
        lines = tuple(key_file.read_bytes().split())
    except OSError as error:
        raise KeyProblem(
            f"The field key {key_file} cannot be read ({error.strerror}); put the file back. Only "
            "workers of the out zone do without."
        ) from None
    if not lines:
        raise KeyProblem("The field key file is empty; put the right file back.")
    return lines


@cache
def _cipher(key_file: Path) -> MultiFernet:
    return MultiFernet([Fernet(line) for line in _keys(key_file)])


def keyed_digest(value: str) -> str:
    """Return the digest by which an encrypted value is found again (HMAC-SHA256, 64 hex digits).

    Keyed with the oldest field key (the last line), so that adding a new one keeps the digests.
    """
    key = _digest_key(settings.SENDIT_FIELD_KEY_FILE)
    return hmac.digest(key, value.encode("utf-8", "surrogateescape"), "sha256").hex()


@cache
def _digest_key(key_file: Path) -> bytes:
    return hashlib.sha256(b"sendit keyed digest\0" + _keys(key_file)[-1]).digest()


if TYPE_CHECKING:
    _Column = models.BinaryField[Any, Any]
else:  # Django's fields take no type arguments at run time
    _Column = models.BinaryField


class EncryptedField(_Column):
    """A JSON value, encrypted at rest with the installation's field key."""

    def get_prep_value(self, value: Any) -> bytes | None:
        """Encrypt."""
        if value is None:
            return None
        return _cipher(settings.SENDIT_FIELD_KEY_FILE).encrypt(json.dumps(value).encode())

    def from_db_value(
        self, value: bytes | memoryview | None, expression: object, connection: BaseDatabaseWrapper
    ) -> Any:
        """Decrypt."""
        return None if value is None else unsealed(value)


def unsealed(value: bytes | memoryview) -> Any:
    """Return the JSON value of an encrypted column that was read without its model.

    Raises
    ------
    sendit.errors.KeyProblem
        When it was encrypted with another key.
    """
    try:
        return json.loads(_decrypt(settings.SENDIT_FIELD_KEY_FILE, bytes(value)))
    except InvalidToken:
        raise KeyProblem(
            "A stored value cannot be decrypted with the field key; put the right key back."
        ) from None


def forget_keys() -> None:
    """Read the key file again at the next use; a key was put into it."""
    _keys.cache_clear()
    _cipher.cache_clear()


def _decrypt(key_file: Path, value: bytes) -> bytes:
    try:
        return _cipher(key_file).decrypt(value)
    except InvalidToken:
        # Another process may have put a new key first since this one read the file.
        forget_keys()
        return _cipher(key_file).decrypt(value)
