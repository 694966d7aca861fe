"""Ask an S3 store about one bucket."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import quote, urlencode

from sendit.errors import TargetError, TargetRefused
from sendit.storage.cloud_http import CloudHttp, Login, Told
from sendit.storage.http_body import Body
from sendit.storage.http_options import HttpOptions
from sendit.storage.s3_answers import Element, error_code, explain, has_expired, read_xml
from sendit.storage.together import Traffic


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which bucket, and how objects are kept in it."""

    path: str
    """What paths begin with: ``/<bucket>``, or nothing when the host names it."""
    headers: Mapping[str, str]
    """What is said of every new object: encryption, storage class."""
    at_once: int
    part_bytes: int


class AskedBucket:
    """Asks about one bucket, and says what is wrong with it."""

    def __init__(self, options: HttpOptions, login: Login, path: str) -> None:
        self._bucket_path = path
        self._http = CloudHttp(options, login=login, explain=self.explain, has_expired=has_expired)
        self.connected = self._http.connected

    @property
    def location(self) -> str:
        """The address of the bucket."""
        return self._http.url + self._bucket_path

    def ask(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body = (),
        headers: Mapping[str, str] | None = None,
        payload_sha256: str = "",
        allowed: Sequence[int] = (),
        traffic: Traffic,
    ) -> Told:
        """Ask about an object, or about the bucket where there is no key; as ``CloudHttp.ask``."""
        told = self._http.ask(
            method,
            self._path(key, query),
            body=body,
            headers=headers,
            payload_sha256=payload_sha256,
            allowed=allowed,
            traffic=traffic,
        )
        if told.status == 404:
            self._require_bucket(told)
        return told

    @contextmanager
    def reading(self, key: str, traffic: Traffic) -> Iterator[tuple[Told, HTTPResponse]]:
        """Ask for an object, and let the caller read it; 404 when it is not there."""
        headers = {"x-amz-checksum-mode": "ENABLED"}
        with self._http.reading(
            self._path(key), headers=headers, allowed=(404,), traffic=traffic
        ) as (told, stream):
            if told.status == 404:
                self._require_bucket(told)
            yield told, stream

    def read(self, told: Told) -> Element:
        """Return the document of an answer.

        Raises
        ------
        sendit.errors.TargetRefused
            When it is none: who answers is no S3 store.
        """
        try:
            return read_xml(told.body)
        except ValueError:
            raise TargetRefused(
                f"{self.location} does not answer as an S3 store ({told.status}); see endpoint."
            ) from None

    def explain(self, told: Told) -> TargetError:
        """Return the error that an answer stands for."""
        return explain(told, location=self.location)

    def _path(self, key: str, query: Mapping[str, str] | None = None) -> str:
        path = f"{self._bucket_path}/{quote(key, safe='/-_.~')}"
        return f"{path}?{urlencode(sorted(query.items()), quote_via=quote)}" if query else path

    def _require_bucket(self, told: Told) -> None:
        """Return unless it is the bucket that is not there."""
        if error_code(told.body) == "NoSuchBucket":
            raise self.explain(told)
