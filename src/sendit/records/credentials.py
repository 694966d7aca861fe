"""Who may go back from a new name to a patient: a right of its own, held as a file.

The first credential is made by whoever sets the installation up; from then on only a holder
can give the right to another.  The database keeps a digest, the file is the right.
"""

import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sendit.errors import NotAllowed, UsageError
from sendit.records.ledger_tables import Credential

DEFAULT_FILE = Path("~/.config/sendit/reidentify.key")
_HOW = (
    'A holder of the right issues one: "sendit identity credential issue NAME --output FILE", '
    "then name it with --credential."
)


def default_file() -> Path:
    """Return where a credential is looked for when none is named."""
    return DEFAULT_FILE.expanduser()


def issue(name: str, *, output: Path) -> None:
    """Give somebody the right, as a file that only its owner can read.

    Raises
    ------
    sendit.errors.UsageError
        When the name is taken, or the file is there already or cannot be written.
    """
    if Credential.objects.filter(name=name).exists():
        raise UsageError(
            f'There is a credential "{name}" already, or was one; choose another name.'
        )
    secret = secrets.token_urlsafe(32)
    write_private(output, secret + "\n")
    Credential.objects.create(name=name, digest=_digest(secret))


def holder(path: Path) -> str:
    """Return whose credential a file is.

    Raises
    ------
    sendit.errors.NotAllowed
        When it is nobody's, was revoked, or others could have read it.
    """
    try:
        with path.open(encoding="ascii") as stream:
            found = os.fstat(stream.fileno())
            secret = stream.read(1000).strip()
    except OSError as error:
        raise NotAllowed(
            f"This needs the right to re-identify, and {path} cannot be read ({error.strerror}). "
            f"{_HOW}"
        ) from None
    except UnicodeDecodeError:
        secret = ""
    else:
        if found.st_mode & 0o077:
            raise NotAllowed(f"{path} can be read by other users. Run: chmod 600 {path}")
    credential = Credential.objects.filter(digest=_digest(secret), revoked=None).first()
    if credential is None:
        raise NotAllowed(f"{path} is no credential of this installation, or was revoked. {_HOW}")
    return credential.name


def any_issued() -> bool:
    """Say whether anybody has the right; then only they can give it on."""
    return Credential.objects.filter(revoked=None).exists()


def revoke(name: str, *, now: datetime) -> None:
    """Take the right from somebody.

    Raises
    ------
    sendit.errors.UsageError
        When nobody of that name has it.
    """
    if not Credential.objects.filter(name=name, revoked=None).update(revoked=now):
        raise UsageError(f'Nobody called "{name}" has a credential.')


def all_credentials() -> Sequence[Credential]:
    """Return everybody who has or had the right, oldest first."""
    return list(Credential.objects.order_by("pk"))


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read.

    Raises
    ------
    sendit.errors.UsageError
        When it is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
    except FileExistsError:
        raise UsageError(f"{path} is there already; name another file.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).") from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
