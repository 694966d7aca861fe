"""Say who asks a Google service: a token from a file, the environment or the metadata server.

All three are google-auth's, which renews a token before it expires.  Its requests are made with
the standard library, which heeds the proxy variables of the environment.
"""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth
from google.auth import exceptions, transport
from google.auth.credentials import AnonymousCredentials
from google.oauth2.service_account import Credentials

from sendit.errors import TargetError, TargetRefused, TargetUnavailable

_SECONDS = 30
_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


class GoogleLogin:
    """Gives every request a token.

    Parameters
    ----------
    file
        Key of a service account; None: as every Google program finds credentials
        (``GOOGLE_APPLICATION_CREDENTIALS``, gcloud's file, the metadata server).
    scopes
        What the token shall be good for.
    anonymous
        Ask without a token.
    """

    def __init__(self, file: Path | None, scopes: tuple[str, ...], *, anonymous: bool) -> None:
        self._file = file
        self._scopes = scopes
        self._credentials: Any = AnonymousCredentials() if anonymous else None
        self._lock = threading.Lock()
        self._project = ""

    @property
    def project(self) -> str:
        """The project that the credentials name, if they do."""
        with self._lock, _failures(self._file):
            self._find()
        return self._project

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], _payload_sha256: str
    ) -> Mapping[str, str]:
        """Return the headers with a token.

        Raises
        ------
        sendit.errors.TargetRefused
            When there are no credentials, or they are refused.
        sendit.errors.TargetUnavailable
            When whoever gives tokens does not answer.
        """
        signed = dict(headers)
        with self._lock, _failures(self._file):
            self._find().before_request(_Ask(), method, url, signed)
        return signed

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Get a new token, by the credentials as they are now; say whether it is another one."""
        if isinstance(self._credentials, AnonymousCredentials):
            return False
        told: dict[str, str] = {}
        with self._lock, _failures(self._file):
            self._find().apply(told)
            if told.get("authorization") == refused.get("authorization"):
                self._credentials = None
                self._find().before_request(_Ask(), "GET", "", told)
        return told.get("authorization") != refused.get("authorization")

    def _find(self) -> Any:
        if self._credentials is None:
            try:
                self._credentials, self._project = self._read()
            except (AttributeError, LookupError, TypeError):
                # Google's library takes for granted that a file of JSON holds an object.
                raise exceptions.MalformedError from None
        return self._credentials

    def _read(self) -> tuple[Any, str]:
        if self._file is not None:
            found: Any = Credentials.from_service_account_file(str(self._file), scopes=self._scopes)
            return found, found.project_id or ""
        found, project = google.auth.default(scopes=self._scopes, request=_Ask())
        return found, project or ""


class _failures:
    """Says in our words what google-auth says."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        named = os.environ.get(_VARIABLE)
        self._where = "gcloud's file or the metadata server"
        if file is not None:
            self._where = f"the file {file}"
        elif named:
            self._where = f"the file {named} (named by {_VARIABLE})"

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if told := self._told(error):
            raise told from None

    def _told(self, error: BaseException | None) -> TargetError | None:
        if isinstance(error, exceptions.TransportError) or (
            isinstance(error, exceptions.RefreshError) and error.retryable
        ):
            return TargetUnavailable(
                f"Whoever gives tokens for the credentials of {self._where} did not answer. See "
                "that this machine can reach it (oauth2.googleapis.com, or the metadata server); "
                "it is tried again."
            )
        if isinstance(error, exceptions.RefreshError):
            return TargetRefused(
                f"Google refuses the credentials of {self._where}: they have expired or were "
                "revoked. Make new ones, then retry the batch."
            )
        if isinstance(error, (exceptions.GoogleAuthError, OSError, ValueError)):
            return TargetRefused(self._unusable(error))
        return None

    def _unusable(self, error: Exception) -> str:
        if self._file is None and not os.environ.get(_VARIABLE):
            return (
                f"There are no Google credentials: no credentials_file of the target, no "
                f"{_VARIABLE}, no file of gcloud's, and no metadata server that answers. Set one "
                "of the first two."
            )
        # What the variable names may be of any kind; Google's library does not say what is wrong.
        what = "is not there, or holds no credentials" if self._file is None else _problem(error)
        name = "credentials_file of the target" if self._file else f"{_VARIABLE} of the workers"
        return (
            f"{self._where[0].upper()}{self._where[1:]} {what}. Get a new key for the service "
            f"account, or set {name} anew."
        )


def _problem(error: Exception) -> str:
    """Return what is wrong with the key of a service account."""
    match error:
        case OSError():
            return f"cannot be read ({error.strerror})"
        case json.JSONDecodeError() | UnicodeDecodeError():
            return "is not JSON"
        case exceptions.MalformedError():
            return "is not the whole key of a service account"
    return "holds a private key that cannot be used"


@dataclass(frozen=True, slots=True)
class _Answer(transport.Response):
    status: int
    headers: Mapping[str, str]
    data: bytes


class _Ask(transport.Request):
    """Asks whoever gives tokens."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Answer:
        asked = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=timeout or _SECONDS) as answer:  # noqa: S310
                return _Answer(answer.status, _lower(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, _lower(error.headers.items()), error.read())
        except OSError as error:
            raise exceptions.TransportError(type(error).__name__) from None


def _lower(items: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in items}
