"""One bucket of Google Cloud Storage, by its JSON interface.

Every object is written with ``ifGenerationMatch=0``, so that nothing is ever overwritten.  Google
computes the CRC32C and the MD5 of what it got; both are compared with our own.  What comes
block by block goes over a resumable upload: after a lost connection Google is asked how much it
has, and the rest is sent.
"""

import base64
import binascii
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode

import google_crc32c

from sendit.errors import TargetError, TargetUnavailable
from sendit.storage.archive import Entry, file_blocks
from sendit.storage.base import Progress
from sendit.storage.cloud_http import CloudHttp, Login, Told
from sendit.storage.durable import open_source
from sendit.storage.gcs_upload import ResumableUpload
from sendit.storage.google_answers import explain, no_store, read_json
from sendit.storage.http_body import FilePart, Parts
from sendit.storage.http_options import HttpOptions
from sendit.storage.objects import Held, WholeReading
from sendit.storage.pieces import SummedAside
from sendit.storage.together import Traffic

_MIB = 1 << 20
_BOUNDARY = "sendit-4f1c7b0a9d"
_LITTLE = 16 << 20
"""Bytes that are waited for, so that their digests go with them."""
_MUCH = 4 * _LITTLE
"""What may be more than this hardly becomes so little."""
_FIELDS = {"md5": "md5Hash", "crc32c": "crc32c"}
_RIGHTS = (
    "grant storage.objects.create, .get and .list (roles/storage.objectCreator and objectViewer), "
    "and storage.objects.delete to take back"
)
_MISSING = "make the bucket, or set bucket anew"


class _Digests:
    """What Google computes too."""

    def __init__(self) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = google_crc32c.Checksum()

    def update(self, block: bytes) -> None:
        self.size += len(block)
        self._md5.update(block)
        self._crc32c.update(block)

    def hexadecimal(self) -> dict[str, str]:
        return {"md5": self._md5.hexdigest(), "crc32c": self._crc32c.digest().hex()}

    def are_of(self, held: Held) -> bool:
        """Say whether they are those of an object, as far as it tells any."""
        ours = self.hexadecimal()
        same = all(ours[name] == value for name, value in held.digests.items())
        return same and bool(held.digests) and held.size == self.size


class GcsStore:
    """Objects of one bucket; an ``ObjectStore``.

    Parameters
    ----------
    acl
        Predefined rights of new objects; empty: as the bucket says.
    """

    def __init__(self, options: HttpOptions, login: Login, bucket: str, *, acl: str) -> None:
        self._name = bucket
        self._acl = {"predefinedAcl": acl} if acl else {}
        self._http = CloudHttp(options, login=login, explain=self._explain)
        self.connected = self._http.connected

    @property
    def location(self) -> str:
        """``gs://<bucket>``, or the bucket's address at another server."""
        if self._http.url == "https://storage.googleapis.com":
            return f"gs://{self._name}"
        return f"{self._http.url}/{self._name}"

    def put_file(self, key: str, entry: Entry, kind: str, traffic: Traffic) -> Held | None:
        """Store a file unless something stands there.

        Google gets the CRC32C beforehand; the slower digests are made while the file is sent.
        """
        content = FilePart(entry.source, entry.size)
        with ThreadPoolExecutor(1) as aside:
            digests = aside.submit(_digests_of, file_blocks(entry))
            told = self._put_whole(key, (content,), {"crc32c": _crc32c_of(entry)}, kind, traffic)
        if told is None:
            return None
        try:
            return self._checked(key, told, digests.result())
        except TargetError:  # it was changed here meanwhile: what was sent is not what it was
            self._remove(self._held(key, told))
            raise

    def put_blocks(
        self,
        key: str,
        blocks: Callable[[], Iterable[bytes]],
        kind: str,
        *,
        at_most: int,
        progress: Progress,
    ) -> Held | None:
        """Store what comes block by block: all at once if it is little, else while it comes.

        Blocks are packed, summed and sent at the same time.
        """
        digests = _Digests()
        told = None
        with SummedAside(digests.update) as aside:

            def summed() -> Iterator[bytes]:
                for block in aside.passing(blocks()):
                    progress()
                    yield block

            every = summed()
            begin = deque(_up_to(0 if at_most > _MUCH else _LITTLE, every))
            following = next(every, None)
            if following is not None:
                upload = ResumableUpload(self._http, self.location, again=summed)
                path = self._upload("resumable", name=key)
                told = upload.put(path, key, kind, chain(_taken(begin), (following,), every))
        if following is None:
            told = self._put_whole(key, begin, digests.hexadecimal(), kind, Traffic())
        return None if told is None else self._checked(key, told, digests)

    def head(self, key: str, traffic: Traffic) -> Held | None:
        """Describe an object."""
        told = self._http.ask("GET", self._object(key), allowed=(404,), traffic=traffic)
        return None if self._is_missing(told) else self._held(key, told)

    def is_of(self, held: Held, blocks: Iterable[bytes], *, at_most: int) -> bool:
        """Compare size, MD5 and CRC32C; of what was composed of others Google tells no MD5."""
        return "md5" in held.digests and held.size <= at_most and _digests_of(blocks).are_of(held)

    @contextmanager
    def reading(self, key: str, traffic: Traffic) -> Iterator[WholeReading | None]:
        """Open an object, in the generation that it has now."""
        held = self.head(key, traffic)
        if held is None:
            yield None
            return
        path = f"{self._object(key)}?{urlencode({'alt': 'media', 'generation': held.version})}"
        with self._http.reading(path, allowed=(404,), traffic=traffic) as (told, stream):
            if told.status == 404:
                yield None
            else:
                yield WholeReading(stream, held, traffic, location=self.location)

    def keys(self, prefix: str, traffic: Traffic) -> Iterator[str]:
        """Return the keys that begin so."""
        return (str(one.get("name")) for one in self._list(prefix, {}, (403,), traffic))

    def delete(self, held: Held, traffic: Traffic) -> str:
        """Remove an object in the generation that it is, and prove that it is gone."""
        if self.head(held.key, traffic) is not None:
            query = {"generation": held.version} if held.version else {}
            path = f"{self._object(held.key)}?{urlencode(query)}"
            self._http.ask("DELETE", path, allowed=(404,), traffic=traffic)
            if self.head(held.key, traffic) is not None:
                return "is still there after it was removed."
        return ""

    def remains(self, key: str, traffic: Traffic) -> str:
        """Say whether older generations of a key are kept."""
        for query, reason in (
            ({"versions": "true"}, "is kept as an older version of its key."),
            ({"softDeleted": "true"}, "can be restored until the bucket's soft delete ends."),
        ):
            found = self._list(key, query, (), traffic)
            if any(one.get("name") == key for one in found):
                return reason
        return ""

    # Writing

    def _put_whole(
        self,
        key: str,
        content: Parts,
        digests: Mapping[str, str],
        kind: str,
        traffic: Traffic,
    ) -> Told | None:
        """Store something in one request; Google refuses it when it has other digests."""
        about = {"name": key, "contentType": kind}
        about |= {_FIELDS[name]: _to_base64(value) for name, value in digests.items()}
        head = (
            f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(about)}\r\n--{_BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n"
        )
        told = self._http.ask(
            "POST",
            self._upload("multipart"),
            body=(head.encode(), *content, f"\r\n--{_BOUNDARY}--\r\n".encode()),
            headers={"Content-Type": f"multipart/related; boundary={_BOUNDARY}"},
            allowed=(412,),
            traffic=traffic,
        )
        return None if told.status == 412 else told

    def _checked(self, key: str, told: Told, digests: _Digests) -> Held | None:
        """Return what the store says that it holds, if that is what was sent.

        None if it says nothing: who asks how far an upload came need not be told of the object.
        """
        if not told.body:
            return None
        held = self._held(key, told)
        if not digests.are_of(held):
            self._remove(held)
            raise TargetUnavailable(
                f"{self.location} got other bytes than were sent; they were removed again."
            )
        return held

    def _remove(self, held: Held) -> None:
        """Remove what was stored just now, and nothing else."""
        if held.version:
            self.delete(held, Traffic())

    # Asking

    def _list(
        self, prefix: str, query: Mapping[str, str], allowed: Sequence[int], traffic: Traffic
    ) -> Iterator[dict[str, Any]]:
        asked = {**query, "prefix": prefix, "fields": "items(name),nextPageToken"}
        while True:
            path = f"/storage/v1/b/{self._name}/o?{urlencode(asked)}"
            told = self._http.ask("GET", path, allowed=allowed, traffic=traffic)
            found = read_json(told)
            yield from found.get("items", ()) if told.status == 200 else ()
            if "nextPageToken" not in found:
                return
            asked["pageToken"] = str(found["nextPageToken"])

    def _is_missing(self, told: Told) -> bool:
        if told.status != 404:
            return False
        if b"bucket does not exist" in told.body:
            raise self._explain(told)
        return True

    def _held(self, key: str, told: Told) -> Held:
        """Return what an answer says of an object."""
        about = read_json(told)
        size = str(about.get("size", 0))
        if not size.isdecimal():
            raise no_store(self.location)
        digests = {
            name: _from_base64(str(about[field]))
            for name, field in _FIELDS.items()
            if about.get(field)
        }
        return Held(key, int(size), str(about.get("generation", "")), digests)

    def _object(self, key: str) -> str:
        return f"/storage/v1/b/{self._name}/o/{quote(key, safe='')}"

    def _upload(self, kind: str, **query: str) -> str:
        asked = {"uploadType": kind, "ifGenerationMatch": "0", **self._acl, **query}
        return f"/upload/storage/v1/b/{self._name}/o?{urlencode(asked)}"

    def _explain(self, told: Told) -> TargetError:
        return explain(
            told, location=self.location, rights=_RIGHTS, missing=_MISSING, endpoint="endpoint"
        )


def _up_to(size: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Return blocks until they have this size."""
    while size > 0 and (block := next(blocks, None)) is not None:
        size -= len(block)
        yield block


def _taken(blocks: deque[bytes]) -> Iterator[bytes]:
    """Return blocks, and keep none."""
    while blocks:
        yield blocks.popleft()


def _crc32c_of(entry: Entry) -> str:
    checksum = google_crc32c.Checksum()
    with open_source(entry.source, size=entry.size) as stream:
        while block := stream.read(_MIB):
            checksum.update(block)
    return str(checksum.digest().hex())


def _digests_of(blocks: Iterable[bytes]) -> _Digests:
    digests = _Digests()
    for block in blocks:
        digests.update(block)
    return digests


def _to_base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _from_base64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        return ""
