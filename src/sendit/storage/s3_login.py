"""Say who asks an S3 store: where keys come from, and the signature of each request.

Both are botocore's: keys of the environment, of the shared files (with profiles, roles and
single sign-on), of the container or of the machine's metadata service, renewed before they
expire; and Signature Version 4.  A body's SHA-256 is signed, so that the store refuses a body
that changed on its way.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from sendit.errors import TargetRefused

_NOTHING = hashlib.sha256(b"").hexdigest()


class S3Login:
    """Signs requests.

    Parameters
    ----------
    region
        Which the store believes to be in.
    access_key_id, secret_access_key, session_token
        Keys; without them they are looked for as every AWS program does.
    profile
        Which part of the shared files; empty: the usual one.
    """

    def __init__(
        self,
        region: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        session_token: str,
        profile: str,
    ) -> None:
        self._region = region
        self._profile = profile
        self._found = None
        self._is_given = bool(access_key_id)
        self._lock = threading.Lock()
        if access_key_id:
            self._found = Credentials(access_key_id, secret_access_key, session_token or None)

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], payload_sha256: str
    ) -> Mapping[str, str]:
        """Return the headers with a signature.

        Raises
        ------
        sendit.errors.TargetRefused
            When no keys are found.
        """
        request = AWSRequest(method=method, url=url, headers=dict(headers))
        with self._lock, _failures():
            keys = self._credentials().get_frozen_credentials()
            _Signature(keys, self._region, payload_sha256 or _NOTHING).add_auth(request)
        return dict(request.headers.items())

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Look for keys anew, unless they are given; say whether they are others than these."""
        if self._is_given:
            return False
        with self._lock:
            if not self._is_other(refused):
                self._found = None
            return self._is_other(refused)

    def _is_other(self, refused: Mapping[str, str]) -> bool:
        with _failures():
            keys = self._credentials().get_frozen_credentials()
        token = refused.get("X-Amz-Security-Token")
        is_same = f"Credential={keys.access_key}/" in refused["Authorization"]
        return not is_same or token != keys.token

    def _credentials(self) -> Credentials:
        if self._found is None:
            self._found = Session(profile=self._profile or None).get_credentials()
        if self._found is None:
            raise TargetRefused(
                "There are no keys for S3. Set access_key_id and secret_access_key of the target, "
                "or the AWS_ variables, the AWS files, or a role of the machine."
            )
        return self._found


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except BotoCoreError as error:
        raise TargetRefused(
            f"The keys for S3 cannot be used ({type(error).__name__}); see profile of the "
            "target, the AWS files and the AWS_ variables of the workers."
        ) from None


class _Signature(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """Signs a body that it does not see."""

    def __init__(self, credentials: object, region: str, payload_sha256: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload_sha256 = payload_sha256

    def payload(self, _request: AWSRequest) -> str:
        """Return the SHA-256 of the body."""
        return self._payload_sha256
