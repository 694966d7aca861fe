"""Upload to Google Cloud Storage while the bytes are made, and go on after a lost connection.

A resumable upload whose one request goes on as long as bytes come; how many there will be is
not known before (``Content-Range: bytes 0-*/*``).  Google advises against more requests than one:
each would be waited for.  After a lost connection Google is asked how much it has; what is missing
is made again, so nothing of it is kept here.

Protocol: Google Cloud Storage, JSON API, resumable uploads.
"""

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from sendit.errors import TargetQuotaUsed, TargetUnavailable
from sendit.storage.cloud_http import CloudHttp, Told
from sendit.storage.google_answers import no_store
from sendit.storage.http_body import Body, Flow
from sendit.storage.together import Traffic

_TRIES = 3
_WORTH = 16 << 20
"""After so many bytes more, what was lost before does not count."""
_LEAST = (1 << 18) - 1
_TAKEN = 412
_MORE = 308


class ResumableUpload:
    """Stores one object.

    Parameters
    ----------
    http
        The store.
    location
        What messages call the bucket.
    again
        Makes all blocks anew, the same ones, when some were lost on the way.
    """

    def __init__(
        self, http: CloudHttp, location: str, *, again: Callable[[], Iterator[bytes]]
    ) -> None:
        self._http = http
        self._location = location
        self._again = again
        self._size = -1
        self._traffic = Traffic()

    def put(self, path: str, key: str, kind: str, blocks: Iterator[bytes]) -> Told | None:
        """Store blocks under a key; return what Google tells of it, None if the key is taken.

        ``path`` is where an upload is begun.

        Raises
        ------
        sendit.errors.TargetError
            When it cannot be stored.
        """
        session = self._begin(path, key, kind)
        told = None if session is None else self._put(session, blocks)
        return None if told is None or told.status == _TAKEN else told

    def _begin(self, path: str, key: str, kind: str) -> str | None:
        """Begin an upload and return where it goes on; None when the key is taken."""
        told = self._http.ask(
            "POST",
            path,
            body=(json.dumps({"name": key, "contentType": kind}).encode(),),
            headers={"Content-Type": "application/json", "X-Upload-Content-Type": kind},
            allowed=(_TAKEN,),
            traffic=self._traffic,
        )
        if told.status == _TAKEN:
            return None
        session = urlsplit(told.headers.get("location", ""))
        if not session.query:
            raise no_store(self._location)
        return f"{session.path}?{session.query}"

    def _put(self, session: str, blocks: Iterator[bytes]) -> Told:
        """Send until everything is there; return the last answer."""
        came, lost, worth = 0, 0, _WORTH
        while True:
            try:
                told = self._send(session, came, blocks)
                if told.status == _TAKEN or 200 <= told.status < 300:
                    return told
                failure = self._http.error(told)
            except (_SessionLost, TargetQuotaUsed):
                raise
            except TargetUnavailable as error:
                if error.again_after:
                    raise
                failure = error
            lost += 1
            if lost == _TRIES:
                raise failure
            told = self._ask(session, "*/*", ())
            if told.status != _MORE:
                return told
            came = _n_received(told)
            if came >= worth:
                lost, worth = 0, came + _WORTH
            blocks = self._again()

    def _send(self, session: str, came: int, blocks: Iterator[bytes]) -> Told:
        """Send what has not come yet."""
        if came == self._size:
            told = self._ask(session, f"*/{came}", ())
        else:
            told = self._ask(session, f"{came}-*/*", Flow(self._rest(came, blocks)))
        if told.status == _MORE:
            raise TargetUnavailable(f"{self._location} lost a part of an upload.")
        return told

    def _rest(self, start: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Return the bytes from there on."""
        end = 0
        for block in blocks:
            begin, end = end, end + len(block)
            if end > start:
                yield block[max(0, start - begin) :]
        self._size = end

    def _ask(self, session: str, span: str, body: Body) -> Told:
        told = self._http.ask(
            "PUT",
            session,
            body=body,
            headers={"Content-Range": f"bytes {span}"},
            allowed=(_MORE, 404, 410, _TAKEN),
            traffic=self._traffic,
        )
        if told.status in (404, 410):
            raise _SessionLost(
                f"{self._location} has ended an upload ({told.status}); it is begun anew."
            )
        return told


class _SessionLost(TargetUnavailable):
    """The store has forgotten an upload."""


def _n_received(told: Told) -> int:
    """Return how many bytes of an upload are there; an answer without a range tells of none.

    Google keeps multiples of 256 KiB.  Other servers say that byte 0 is there when none is.
    """
    last = told.headers.get("range", "").rpartition("-")[2]
    return int(last) + 1 if last.isdecimal() and int(last) >= _LEAST else 0
