"""One bucket of an S3 store: conditional writes, checksums, versions.

Every object is written with ``If-None-Match: *``, so that nothing is ever overwritten, and with
its SHA-256, which the store computes too and refuses the object when they differ.  What is large
goes in many parts (``s3_parts``).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain

from sendit.errors import VerificationFailed
from sendit.storage.archive import Entry, file_blocks
from sendit.storage.base import Progress
from sendit.storage.cloud_http import Login, Told
from sendit.storage.http_body import Body, FilePart
from sendit.storage.http_options import HttpOptions
from sendit.storage.objects import Held, WholeReading
from sendit.storage.s3_answers import error_code, held_of, to_base64
from sendit.storage.s3_bucket import AskedBucket, Bucket
from sendit.storage.s3_parts import CHANGED, PartsUpload, cut, etag_of, hexdigest, md5_of
from sendit.storage.together import Traffic

_MIB = 1 << 20
_SINGLE = 64 * _MIB
"""Larger files go in parts."""
_AT_ONCE = 4
"""Parts on their way at most; packing is hardly faster, and each is in memory."""
_PARTS = 9000
"""At most; a store takes 10,000."""


class S3Store:
    """Objects of one bucket; an ``ObjectStore``."""

    def __init__(self, options: HttpOptions, login: Login, bucket: Bucket) -> None:
        self._bucket = bucket
        self._asked = AskedBucket(options, login, bucket.path)
        self.connected = self._asked.connected

    @property
    def location(self) -> str:
        """The address of the bucket."""
        return self._asked.location

    def put_file(self, key: str, entry: Entry, kind: str, traffic: Traffic) -> Held | None:
        """Store a file unless something stands there."""
        if entry.size > _SINGLE:
            # One of several things that are done at once: its parts go one by one.
            return self._put_parts(
                key,
                file_blocks(entry),
                kind,
                at_most=entry.size,
                at_once=1,
                progress=lambda: traffic.tell(self._bucket.part_bytes),
            )
        body = (FilePart(entry.source, entry.size),)
        return self._put_whole(key, body, entry.size, entry.sha256, kind, traffic)

    def put_blocks(
        self,
        key: str,
        blocks: Callable[[], Iterable[bytes]],
        kind: str,
        *,
        at_most: int,
        progress: Progress,
    ) -> Held | None:
        """Store what comes block by block, in parts if it is more than one."""
        at_once = min(self._bucket.at_once, _AT_ONCE)
        return self._put_parts(
            key, blocks(), kind, at_most=at_most, at_once=at_once, progress=progress
        )

    def head(self, key: str, traffic: Traffic) -> Held | None:
        """Describe an object."""
        told = self._head(key, (400, 403, 404), traffic)
        if told.status in (400, 403):  # an answer to HEAD has no body that says why
            first = {"Range": "bytes=0-0"}
            self._asked.ask("GET", key, headers=first, allowed=(404, 416), traffic=traffic)
            told = self._head(key, (404,), traffic)  # the keys were renewed meanwhile
        return None if told.status == 404 else held_of(key, told)

    def is_of(self, held: Held, blocks: Iterable[bytes], *, at_most: int) -> bool:
        """Compare the SHA-256 that the store tells, or the ETag where it is a digest, too."""
        if told := held.digests.get("sha256"):
            return told == hexdigest(hashlib.sha256(), blocks)
        return held.mark == (
            etag_of(blocks, self._part_bytes(at_most)) if "-" in held.mark else md5_of(blocks)
        )

    @contextmanager
    def reading(self, key: str, traffic: Traffic) -> Iterator[WholeReading | None]:
        """Open an object."""
        with self._asked.reading(key, traffic) as (told, stream):
            if told.status == 404:
                yield None
            else:
                yield WholeReading(stream, held_of(key, told), traffic, location=self.location)

    def keys(self, prefix: str, traffic: Traffic) -> Iterator[str]:
        """Return the keys that begin so."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            told = self._asked.ask("GET", "", query=query, allowed=(403,), traffic=traffic)
            if told.status == 403:
                if error_code(told.body) != "AccessDenied":
                    raise self._asked.explain(told)
                return
            found = self._asked.read(told)
            yield from (one.text("Key") for one in found.all("Contents"))
            token = found.text("NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    def delete(self, held: Held, traffic: Traffic) -> str:
        """Remove an object in the version that it is, and prove that it is gone."""
        if self.head(held.key, traffic) is not None:
            query = {"versionId": held.version} if held.version else {}
            self._asked.ask("DELETE", held.key, query=query, allowed=(404,), traffic=traffic)
            if self.head(held.key, traffic) is not None:
                return "is still there after it was removed."
        return ""

    def remains(self, key: str, traffic: Traffic) -> str:
        """Say whether older versions of a key are kept."""
        query = {"versions": "", "prefix": key}
        told = self._asked.ask("GET", "", query=query, allowed=(403, 405, 501), traffic=traffic)
        if told.status == 403:
            return (
                "is not there any more, but older versions may be: the right s3:ListBucketVersions "
                "is missing."
            )
        if told.status != 200:
            return ""
        versions = [one.text("Key") for one in self._asked.read(told).all("Version")]
        return "is kept as an older version of its key." if key in versions else ""

    def _head(self, key: str, allowed: Sequence[int], traffic: Traffic) -> Told:
        headers = {"x-amz-checksum-mode": "ENABLED"}
        return self._asked.ask("HEAD", key, headers=headers, allowed=allowed, traffic=traffic)

    # Writing

    def _put_whole(
        self, key: str, body: Body, size: int, sha256: str, kind: str, traffic: Traffic
    ) -> Held | None:
        told = self._asked.ask(
            "PUT",
            key,
            body=body,
            headers={
                **self._bucket.headers,
                "Content-Type": kind,
                "If-None-Match": "*",
                "x-amz-checksum-sha256": to_base64(sha256),
            },
            payload_sha256=sha256,
            allowed=(412,),
            traffic=traffic,
        )
        if told.status == 412:
            return None
        held = held_of(key, told)
        if held.digests.get("sha256", sha256) != sha256:
            raise VerificationFailed(CHANGED % self.location)
        return Held(key, size, held.version, {"sha256": sha256}, held.mark)

    def _put_parts(
        self,
        key: str,
        blocks: Iterable[bytes],
        kind: str,
        *,
        at_most: int,
        at_once: int,
        progress: Callable[[], None],
    ) -> Held | None:
        """Store what comes block by block, in parts if it is more than one."""
        with ThreadPoolExecutor(1, thread_name_prefix="sendit-sum") as aside:
            parts = cut(blocks, self._part_bytes(at_most), aside)
            first = next(parts)
            if first.piece.is_last:
                piece, sha256 = first.piece, first.sha256.result()
                return self._put_whole(key, piece.blocks, piece.size, sha256, kind, Traffic())
            every = chain((first,), parts)
            del first  # a part is large
            upload = PartsUpload(self._asked, key, {**self._bucket.headers, "Content-Type": kind})
            return upload.put(every, at_once=at_once, progress=progress)

    def _part_bytes(self, at_most: int) -> int:
        return max(self._bucket.part_bytes, at_most // _PARTS // _MIB * _MIB + _MIB)
