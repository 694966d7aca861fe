"""Ask a cloud store by HTTP: log in, ask again when it is busy, and say what its errors mean.

A store answers 429 and 5xx now and then and expects to be asked again a little later; that is
done here, a few times.  What lasts longer is for the pipeline, which tries the batch again.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPResponse
from typing import Protocol

from sendit.errors import TargetError
from sendit.storage.http_body import Body, Flow
from sendit.storage.http_client import HttpClient
from sendit.storage.http_options import HttpOptions
from sendit.storage.together import Traffic

BUSY = (429, 500, 502, 503, 504)
_WAITS = (0.1, 0.4, 1.6)
"""Seconds before it is asked again, at most."""
_PATIENCE = 10
"""Seconds that a store may ask us to wait (``Retry-After``); more is for the pipeline."""
_MOST = 1 << 24
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By name in lower case."""
    body: bytes = field(default=b"", repr=False)


class Login(Protocol):
    """Says who asks."""

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], payload_sha256: str
    ) -> Mapping[str, str]:
        """Return the headers of a request, with those that log in."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Look for credentials anew; say whether they are others than those of these headers."""


class CloudHttp:
    """Asks one store.

    Parameters
    ----------
    options
        Where it is, and how it is reached.
    login
        Says who asks.
    explain
        Says what an answer means that is no success: the error to raise.
    has_expired
        Says whether an answer means that the credentials are not good any more.
    """

    def __init__(
        self,
        options: HttpOptions,
        *,
        login: Login,
        explain: Callable[[Told], TargetError],
        has_expired: Callable[[Told], bool] = lambda told: told.status == 401,
    ) -> None:
        self._client = HttpClient(options)
        self._login = login
        self._explain = explain
        self._has_expired = has_expired
        self.connected = self._client.connected

    @property
    def url(self) -> str:
        """The store's address."""
        return self._client.url

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Body = (),
        headers: Mapping[str, str] | None = None,
        payload_sha256: str = "",
        allowed: Sequence[int] = (),
        traffic: Traffic,
    ) -> Told:
        """Ask and return the whole answer.

        A body that flows is sent once: what the store answers while it is busy, or wants other
        credentials, is returned after the wait.

        Parameters
        ----------
        payload_sha256
            Of the body, in hexadecimal, for a login that signs it.
        allowed
            Codes of answers that are no failure to the caller, besides 2xx.

        Raises
        ------
        sendit.errors.TargetError
            As ``explain`` says, or when there is no answer.
        """
        for wait in (*_WAITS, 0.0):
            signed = self._signed(method, path, headers, payload_sha256)
            with self._client.stream(
                method, path, body=body, headers=signed, traffic=traffic, allowed=range(300, 600)
            ) as response:
                told = _told(response, response.read(_MOST))
            if 200 <= told.status < 300 or told.status in allowed:
                return told
            if not self._is_asked_again(told, wait, signed):
                break
            if isinstance(body, Flow):
                return told
        raise self.error(told)

    @contextmanager
    def reading(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (),
        traffic: Traffic,
    ) -> Iterator[tuple[Told, HTTPResponse]]:
        """Ask, and let the caller read the answer; as ``ask``."""
        for wait in (*_WAITS, 0.0):
            signed = self._signed("GET", path, headers, "")
            with self._client.stream(
                "GET", path, headers=signed, traffic=traffic, allowed=range(300, 600)
            ) as response:
                good = 200 <= response.status < 300
                told = _told(response, b"" if good else response.read(_MOST))
                if good or told.status in allowed:
                    yield told, response
                    return
            if not self._is_asked_again(told, wait, signed):
                raise self.error(told)

    def error(self, told: Told) -> TargetError:
        """Return the error that an answer stands for."""
        error = self._explain(told)
        error.again_after = timedelta(seconds=_asks_to_wait(told))
        return error

    def _is_asked_again(self, told: Told, wait: float, signed: Mapping[str, str]) -> bool:
        """Say whether to ask again: with other credentials, or because it is busy, after a wait.

        Not when it asks for a longer wait than ours.
        """
        if wait and self._has_expired(told):
            return self._login.renew(signed)
        seconds = _asks_to_wait(told)
        if told.status not in BUSY or not wait or seconds > _PATIENCE:
            return False
        spread = wait * random.uniform(0.5, 1)  # noqa: S311 - spreads requests in time
        time.sleep(max(spread, seconds))
        return True

    def _signed(
        self, method: str, path: str, headers: Mapping[str, str] | None, payload_sha256: str
    ) -> Mapping[str, str]:
        return self._login.headers(method, self.url + path, headers or {}, payload_sha256)


def _asks_to_wait(told: Told) -> int:
    """Return for how many seconds a store asks to be left alone, up to a day."""
    after = told.headers.get("retry-after", "")
    return min(int(after[:9]), _DAY) if after.isascii() and after.isdigit() else 0


def _told(response: HTTPResponse, body: bytes) -> Told:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Told(response.status, headers, body)
