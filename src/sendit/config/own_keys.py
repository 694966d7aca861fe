"""The own key of a namespace, and the mark of one that was closed; no database is asked.

A project may ask for a key of its own (``identity.own_key``), so that what is derived for its
namespace ends with it: it lies in ``keys/namespaces/`` and is destroyed when the project is
closed.  A closed namespace is marked in ``keys/closed.namespaces``, for those who ask no
database.  Which namespace has a key, and which one, is kept by ``records.own_keys``.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sendit.config import key_files
from sendit.config.keys import keys_in
from sendit.config.project_sections import IdentitySettings
from sendit.config.settings import Settings
from sendit.errors import KeyProblem

FOLDER = "namespaces"
"""Of the keys, and of their copies in a backup."""


def own_key(settings: Settings, namespace: str, *, history: bool, fingerprint: str | None) -> bytes:
    """Return the own key of a namespace; as ``keys.site_key``."""
    path = own_key_file(settings, namespace)
    return keys_in(path, "own", history=history, known=fingerprint)[0]


def own_key_without_database(settings: Settings, identity: IdentitySettings) -> bytes | None:
    """Return the own key that a project asks for, made on first use; None when it asks for none.

    Raises
    ------
    sendit.errors.KeyProblem
        When the key cannot be had, or is there and the project does not ask for it.
    """
    path = own_key_file(settings, identity.namespace)
    if identity.own_key:
        return own_key(settings, identity.namespace, history=False, fingerprint=None)
    if path.exists():
        raise KeyProblem(
            f'Namespace "{identity.namespace}" has a key of its own, {path}, and the project says '
            "identity.own_key = false; its patients would get second names. Set own_key = true."
        )
    return None


def own_key_file(settings: Settings, namespace: str) -> Path:
    """Return where the own key of a namespace is."""
    return _folder(settings) / FOLDER / f"{quote(namespace, safe='')}.key"


def backup_own_keys(settings: Settings, folder: Path) -> Sequence[Path]:
    """Copy the own keys of all namespaces below a folder, and return the copies.

    Raises
    ------
    sendit.errors.KeyProblem
        When a key cannot be read, or the folder holds another one; nothing is overwritten.
    """
    files = sorted((_folder(settings) / FOLDER).glob("*.key"))
    return [key_files.copy("own", path, folder / FOLDER) for path in files]


def restore_own_keys(settings: Settings, folder: Path) -> None:
    """Put the own keys of a backup in place, but for those of namespaces that were closed here.

    Raises
    ------
    sendit.errors.KeyProblem
        When another key stands in place; it is left alone.
    """
    closed = {own_key_file(settings, namespace).name for namespace in _closed(_marks(settings))}
    for kept in sorted((folder / FOLDER).glob("*.key")):
        if kept.name not in closed:
            key_files.copy("own", kept, _folder(settings) / FOLDER)


def destroy_own_key(settings: Settings, namespace: str) -> bool:
    """Overwrite the own key of a namespace and remove its file; False when there is none.

    Raises
    ------
    sendit.errors.KeyProblem
        When it cannot be destroyed.
    """
    return key_files.destroy(own_key_file(settings, namespace))


def require_open(settings: Settings, namespace: str) -> None:
    """Return if keys may be derived for a namespace.

    Raises
    ------
    sendit.errors.KeyProblem
        When its project was closed: the mark lies beside the keys, since the site key would
        make the same names again whatever becomes of the database.
    """
    if namespace in _closed(_marks(settings)):
        raise KeyProblem(
            f'Namespace "{namespace}" was closed with its project; nobody is named in it again. '
            "Use another namespace."
        )


def mark_closed(settings: Settings, namespace: str) -> None:
    """Let no key be derived for a namespace again.

    Raises
    ------
    sendit.errors.KeyProblem
        When the mark cannot be written.
    """
    path = _marks(settings)
    if namespace in _closed(path):
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(f"{namespace}\n")
            stream.flush()
            os.fsync(descriptor)
        key_files.sync_folder(path.parent)
    except OSError as error:
        raise KeyProblem(
            f"{path} cannot be written ({error.strerror}). Make its folder writable."
        ) from None


def _folder(settings: Settings) -> Path:
    # Not beside the site key: a site mounts that one as a secret, where nothing can be written.
    return settings.work_dir / "keys"


def _marks(settings: Settings) -> Path:
    return _folder(settings) / "closed.namespaces"


def _closed(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read ({error.strerror}).") from None
