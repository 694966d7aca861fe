"""One-time login links: whoever starts the server hands one to a person.

A link is a file named by the digest of its token in ``work_dir/run/login/``; using it is
removing the file, so of two who try at once exactly one is let in, whatever process
answers them.  The token itself is printed once and kept nowhere.
"""

import hashlib
import os
import secrets
from pathlib import Path


def make_link_token(work_dir: Path) -> str:
    """Make a new token that lets one person in, and return it."""
    folder = _folder(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    token = secrets.token_urlsafe(32)
    os.close(os.open(_path(work_dir, token), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return token


def use_token(work_dir: Path, token: str) -> bool:
    """Say whether a token lets its bearer in; it does so once."""
    try:
        _path(work_dir, token).unlink()
    except FileNotFoundError:
        return False
    return True


def is_unused(work_dir: Path, token: str) -> bool:
    """Say whether nobody has used a token yet."""
    return _path(work_dir, token).exists()


def forget_tokens(work_dir: Path) -> None:
    """Make every token that was not used worthless."""
    folder = _folder(work_dir)
    for path in folder.iterdir() if folder.is_dir() else ():
        path.unlink(missing_ok=True)


def _folder(work_dir: Path) -> Path:
    return work_dir / "run" / "login"


def _path(work_dir: Path, token: str) -> Path:
    return _folder(work_dir) / hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
