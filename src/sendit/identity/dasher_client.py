"""Calls to a service of the protocol: the token, and the patience.

A token that is refused is refreshed once, by one worker at a time, and the call repeated
once.  An overloaded service is asked again after a while, for a few times; after that the
batch is put off, and tried again as any stage is.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from sendit.errors import IdentityError, IdentityUnavailable
from sendit.identity.http_json import Answer, Line
from sendit.identity.secrets_file import Secrets, locked, read_secrets, write_tokens

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between the tries of one call."""
LONGEST_PAUSE = 30.0
"""A service that wants to be left alone for longer is asked when the batch is tried again."""
SLICE = 0.5
"""Seconds between two signs of life during a pause."""

REFUSALS = {
    HTTPStatus.BAD_REQUEST: (
        "does not accept what it was asked (400): an id may be of a form that it does not know"
    ),
    HTTPStatus.FORBIDDEN: "does not let this client ask about this study (403)",
    HTTPStatus.NOT_FOUND: (
        "does not know this study or this address (404); see identity.study and identity.url"
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "found the request too large (413); set a smaller identity.max_items"
    ),
}


@dataclass(slots=True)
class Client:
    """Asks one service."""

    url: str
    """Of the identifiers of one study."""
    secrets_file: Path
    line: Line
    progress: Callable[[], None] = lambda: None
    wait: Callable[[float], None] = time.sleep
    pauses: Sequence[float] = PAUSES
    _secrets: Secrets | None = field(default=None, repr=False)

    def ask(self, document: object) -> object:
        """Return the answer to a document.

        Raises
        ------
        sendit.errors.IdentityError
            When the service refuses, or answers what cannot be used.
        sendit.errors.IdentityUnavailable
            When it does not answer, or is overloaded, in spite of patience.
        """
        answer = self._call(document)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._refresh()
            answer = self._call(document)
        if answer.status == HTTPStatus.OK:
            return answer.document()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise IdentityError(
                "The identity service refuses the token, also after it was refreshed. See that "
                f"{self.secrets_file} is for this service, and that its clock is right."
            )
        said = REFUSALS.get(HTTPStatus(answer.status)) if _is_known(answer.status) else None
        raise IdentityError(f"The identity service {said or f'answered {answer.status}'}.")

    def _call(self, document: object) -> Answer:
        secrets = self._secrets = self._secrets or read_secrets(self.secrets_file)
        headers = {"Authorization": f"Bearer {secrets.access_token}"}
        return self._patiently(self.url, document, headers)

    def _patiently(self, url: str, document: object, headers: dict[str, str]) -> Answer:
        """Send, and send again as long as the service is overloaded or away."""
        pauses = iter(self.pauses)
        while True:
            self.progress()
            pause = next(pauses, None)
            try:
                answer = self.line.post(url, document, headers=headers)
            except IdentityUnavailable:
                if pause is None:
                    raise
            else:
                if not _is_overload(answer.status):
                    return answer
                pause = None if pause is None else max(pause, _seconds(answer.retry_after))
                if pause is None or pause > LONGEST_PAUSE:
                    raise IdentityUnavailable(
                        f"The identity service is overloaded or out of order ({answer.status})."
                    )
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self.wait(min(seconds, SLICE))
            self.progress()
            seconds -= SLICE

    def _refresh(self) -> None:
        """Replace the tokens, unless another worker has done so since."""
        used = self._secrets
        with locked(self.secrets_file):
            secrets = read_secrets(self.secrets_file)
            if used is not None and secrets.access_token != used.access_token:
                self._secrets = secrets
                return
            # Not tried again: the answer to a first try that was lost had used the token up.
            answer = self.line.post(
                secrets.token_uri, {"refreshToken": secrets.refresh_token}, headers={}
            )
            if _is_overload(answer.status):
                raise IdentityUnavailable(
                    f"The token service is overloaded or out of order ({answer.status})."
                )
            access, refresh = _tokens(answer)
            write_tokens(self.secrets_file, secrets, access_token=access, refresh_token=refresh)
            self._secrets = read_secrets(self.secrets_file)


def _tokens(answer: Answer) -> tuple[str, str]:
    if answer.status == HTTPStatus.OK:
        document = answer.document()
        if isinstance(document, dict):
            access, refresh = document.get("accessToken"), document.get("refreshToken")
            if isinstance(access, str) and isinstance(refresh, str) and access and refresh:
                return access, refresh
    raise IdentityError(
        f"The token service gave no new token ({answer.status}): the refresh token was used, "
        "revoked, or is another service's. Put a new secrets file in place, then retry the batch."
    )


def _is_overload(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_known(status: int) -> bool:
    with suppress(ValueError):
        return HTTPStatus(status) in REFUSALS
    return False


def _seconds(retry_after: str) -> float:
    """Return what ``Retry-After`` asks for; a date, which it may be too, counts as nothing."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
