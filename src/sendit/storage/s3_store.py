"""One bucket of an S3 store: conditional writes, checksums, many parts, versions.

Every object is written with ``If-None-Match: *``, so that nothing is ever overwritten, and with
its SHA-256, which the store computes too and refuses the object when they differ.  An object of
many parts that was begun and not ended (a kill) is gone on with: parts that are there with the
right MD5 are not sent again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote, urlencode

from sendit.errors import TargetError, VerificationFailed
from sendit.storage.archive import Entry
from sendit.storage.base import Progress
from sendit.storage.cloud_http import CloudHttp, Login, Told
from sendit.storage.durable import changed_meanwhile, open_source
from sendit.storage.http_client import Body, FilePart
from sendit.storage.http_options import HttpOptions
from sendit.storage.objects import Held, Piece, WholeReading, regroup
from sendit.storage.s3_answers import error_code, explain, held_of, read_xml, to_base64
from sendit.storage.together import Traffic, together

_MIB = 1 << 20
_SINGLE = 64 * _MIB
"""Larger files go in parts."""
_AT_ONCE = 4
"""Parts on their way at most; packing is hardly faster, and each is in memory."""
_PARTS = 9000
"""At most; a store takes 10,000."""
_CHANGED = "%s holds other bytes than were sent to it; look into its log, then retry the batch."


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which bucket, and how objects are kept in it."""

    path: str
    """What paths begin with: ``/<bucket>``, or nothing when the host names it."""
    headers: Mapping[str, str]
    """What is said of every new object: encryption, storage class."""
    at_once: int
    part_bytes: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that is to be sent; its digest is made while others are sent."""

    number: int
    piece: Piece
    sha256: Future[str]


@dataclass(frozen=True, slots=True)
class _Sent:
    """A part that is there."""

    number: int
    size: int
    sha256: str
    etag: str
    md5: str
    """Empty where the store has told its SHA-256."""


class _Ended(Exception):
    """Another sender has ended this upload meanwhile."""


class S3Store:
    """Objects of one bucket; an ``ObjectStore``."""

    def __init__(self, options: HttpOptions, login: Login, bucket: Bucket) -> None:
        self._bucket = bucket
        self._http = CloudHttp(options, login=login, explain=self._explain)
        self.connected = self._http.connected

    @property
    def location(self) -> str:
        """The address of the bucket."""
        return self._http.url + self._bucket.path

    def put_file(self, key: str, entry: Entry, kind: str, traffic: Traffic) -> Held | None:
        """Store a file unless something stands there."""
        if entry.size > _SINGLE:
            return self._put_parts(
                key, self._pieces(_blocks(entry), entry.size), kind, traffic.tell
            )
        body = (FilePart(entry.source, entry.size),)
        return self._put_whole(key, body, entry.size, entry.sha256, kind, traffic)

    def put_blocks(
        self, key: str, blocks: Iterable[bytes], kind: str, *, at_most: int, progress: Progress
    ) -> Held | None:
        """Store what comes block by block, in parts if it is more than one."""
        return self._put_parts(
            key, self._pieces(blocks, at_most), kind, lambda _: None, progress=progress
        )

    def head(self, key: str, traffic: Traffic) -> Held | None:
        """Describe an object."""
        told = self._ask(
            "HEAD", key, headers={"x-amz-checksum-mode": "ENABLED"}, allowed=(404,), traffic=traffic
        )
        return None if told.status == 404 else held_of(key, told)

    @contextmanager
    def reading(self, key: str, traffic: Traffic) -> Iterator[WholeReading | None]:
        """Open an object."""
        headers = {"x-amz-checksum-mode": "ENABLED"}
        with self._http.reading(
            self._path(key), headers=headers, allowed=(404,), traffic=traffic
        ) as (told, stream):
            if told.status == 404:
                self._require_bucket(told)
                yield None
            else:
                yield WholeReading(stream, held_of(key, told), traffic, location=self.location)

    def keys(self, prefix: str, traffic: Traffic) -> Iterator[str]:
        """Return the keys that begin so."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            told = self._ask("GET", "", query=query, allowed=(403,), traffic=traffic)
            if told.status == 403:
                if error_code(told.body) != "AccessDenied":
                    raise self._explain(told)
                return
            found = read_xml(told.body)
            yield from (one.text("Key") for one in found.all("Contents"))
            token = found.text("NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    def delete(self, held: Held, traffic: Traffic) -> str:
        """Remove an object in the version that it is, and prove that it is gone."""
        if self.head(held.key, traffic) is not None:
            query = {"versionId": held.version} if held.version else {}
            self._ask("DELETE", held.key, query=query, allowed=(404,), traffic=traffic)
            if self.head(held.key, traffic) is not None:
                return "is still there after it was removed."
        return ""

    def remains(self, key: str, traffic: Traffic) -> str:
        """Say whether older versions of a key are kept."""
        query = {"versions": "", "prefix": key}
        told = self._ask("GET", "", query=query, allowed=(403, 405, 501), traffic=traffic)
        if told.status == 403:
            return (
                "is not there any more, but older versions may be: the right s3:ListBucketVersions "
                "is missing."
            )
        if told.status != 200:
            return ""
        versions = [one.text("Key") for one in read_xml(told.body).all("Version")]
        return "is kept as an older version of its key." if key in versions else ""

    # Writing

    def _put_whole(
        self, key: str, body: Body, size: int, sha256: str, kind: str, traffic: Traffic
    ) -> Held | None:
        told = self._ask(
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
            raise VerificationFailed(_CHANGED % self.location)
        return Held(key, size, held.version, {"sha256": sha256}, held.mark)

    def _pieces(self, blocks: Iterable[bytes], at_most: int) -> Iterator[Piece]:
        size = max(self._bucket.part_bytes, at_most // _PARTS // _MIB * _MIB + _MIB)
        return regroup(blocks, size)

    def _put_parts(
        self,
        key: str,
        pieces: Iterator[Piece],
        kind: str,
        tell: Callable[[int], None],
        *,
        progress: Progress | None = None,
    ) -> Held | None:
        first = next(pieces)
        if first.is_last:
            sha256 = _hexdigest(hashlib.sha256(), first.blocks)
            return self._put_whole(key, first.blocks, first.size, sha256, kind, Traffic())
        upload, there = self._begun(key, kind, Traffic())

        def put(part: _Part, traffic: Traffic) -> _Sent:
            return self._put_part(key, upload, part, there, traffic)

        # A file of many parts is one of several things done at once: its parts go one by one.
        at_once = min(self._bucket.at_once, _AT_ONCE) if progress is not None else 1
        told = progress if progress is not None else lambda: tell(self._bucket.part_bytes)
        with ThreadPoolExecutor(at_once) as aside:
            every = _parts(chain((first,), pieces), aside)
            del first  # a part is large
            try:
                sent = together(every, put, at_once=at_once, ahead=1, progress=told)
            except _Ended:
                return None
        return self._complete(key, upload, sent)

    def _begun(self, key: str, kind: str, traffic: Traffic) -> tuple[str, Mapping[int, str]]:
        """Return an upload of many parts, and the MD5 of the parts that are there already."""
        told = self._ask(
            "GET", "", query={"uploads": "", "prefix": key}, allowed=(403, 501), traffic=traffic
        )
        begun = []
        if told.status == 200:
            uploads = read_xml(told.body).all("Upload")
            begun = [one.text("UploadId") for one in uploads if one.text("Key") == key]
        for old in begun[:-1]:
            self._abort(key, old, traffic)
        if begun:
            parts = self._parts_of(key, begun[-1], traffic)
            if parts is not None:
                return begun[-1], parts
        headers = {
            **self._bucket.headers,
            "Content-Type": kind,
            "x-amz-checksum-algorithm": "SHA256",
        }
        told = self._ask("POST", key, query={"uploads": ""}, headers=headers, traffic=traffic)
        return read_xml(told.body).text("UploadId"), {}

    def _parts_of(self, key: str, upload: str, traffic: Traffic) -> Mapping[int, str] | None:
        query = {"uploadId": upload}
        parts: dict[int, str] = {}
        while True:
            told = self._ask("GET", key, query=query, allowed=(403, 404), traffic=traffic)
            if told.status != 200:
                return None
            found = read_xml(told.body)
            for one in found.all("Part"):
                parts[int(one.text("PartNumber"))] = one.text("ETag").strip('"')
            if found.text("IsTruncated") != "true":
                return parts
            query["part-number-marker"] = found.text("NextPartNumberMarker")

    def _put_part(
        self,
        key: str,
        upload: str,
        part: _Part,
        there: Mapping[int, str],
        traffic: Traffic,
    ) -> _Sent:
        """Send a part, unless it is there already."""
        number, piece, sha256 = part.number, part.piece, part.sha256.result()
        if number in there and there[number] == (md5 := _md5(piece.blocks)):
            return _Sent(number, piece.size, sha256, md5, md5)
        told = self._ask(
            "PUT",
            key,
            query={"partNumber": str(number), "uploadId": upload},
            body=piece.blocks,
            headers={"x-amz-checksum-sha256": to_base64(sha256)},
            payload_sha256=sha256,
            allowed=(404,),
            traffic=traffic,
        )
        if told.status == 404:
            raise _Ended
        held = held_of(key, told)
        computed = held.digests.get("sha256", "")
        if computed not in ("", sha256):
            raise VerificationFailed(_CHANGED % self.location)
        md5 = "" if computed else _md5(piece.blocks)
        return _Sent(number, piece.size, sha256, held.mark, md5)

    def _complete(self, key: str, upload: str, sent: Sequence[_Sent]) -> Held | None:
        """Make an object of the parts, unless something stands there now."""
        items = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
            f"<ChecksumSHA256>{to_base64(part.sha256)}</ChecksumSHA256></Part>"
            for part in sent
        )
        body = f"<CompleteMultipartUpload>{items}</CompleteMultipartUpload>".encode()
        traffic = Traffic()
        told = self._ask(
            "POST",
            key,
            query={"uploadId": upload},
            body=(body,),
            headers={"If-None-Match": "*", "Content-Type": "application/xml"},
            payload_sha256=hashlib.sha256(body).hexdigest(),
            allowed=(404, 412),
            traffic=traffic,
        )
        if told.status == 412:
            self._abort(key, upload, traffic)
            return None
        if told.status == 404:
            return None  # as ``_Ended`` says
        answer = read_xml(told.body)
        if answer.name != "CompleteMultipartUploadResult":  # an error may come after a 200
            raise self._explain(Told(500, told.headers, told.body))
        etag = answer.text("ETag").strip('"')
        if not _is_of(sent, etag, answer.text("ChecksumSHA256")):
            raise VerificationFailed(_CHANGED % self.location)
        size = sum(part.size for part in sent)
        return Held(key, size, told.headers.get("x-amz-version-id", ""), {}, etag)

    def _abort(self, key: str, upload: str, traffic: Traffic) -> None:
        query = {"uploadId": upload}
        self._ask("DELETE", key, query=query, allowed=(403, 404), traffic=traffic)

    # Asking

    def _ask(
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

    def _path(self, key: str, query: Mapping[str, str] | None = None) -> str:
        path = f"{self._bucket.path}/{quote(key, safe='/-_.~')}"
        return f"{path}?{urlencode(sorted(query.items()), quote_via=quote)}" if query else path

    def _require_bucket(self, told: Told) -> None:
        """Return unless it is the bucket that is not there."""
        if error_code(told.body) == "NoSuchBucket":
            raise self._explain(told)

    def _explain(self, told: Told) -> TargetError:
        return explain(told, location=self.location)


def _blocks(entry: Entry) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with open_source(entry.source, size=entry.size) as stream:
        while block := stream.read(_MIB):
            digest.update(block)
            yield block
    if digest.hexdigest() != entry.sha256:
        raise changed_meanwhile()


def _parts(pieces: Iterable[Piece], aside: ThreadPoolExecutor) -> Iterator[_Part]:
    for number, piece in enumerate(pieces, start=1):
        yield _Part(number, piece, aside.submit(_hexdigest, hashlib.sha256(), piece.blocks))


def _is_of(sent: Sequence[_Sent], etag: str, checksum: str) -> bool:
    """Say whether what a store tells of an object is of these parts, as far as it tells it.

    Both are digests of the parts' digests; an ETag is no MD5 where a key of the store encrypts.
    """
    if checksum:
        whole = _hexdigest(hashlib.sha256(), (bytes.fromhex(part.sha256) for part in sent))
        told, _, count = checksum.partition("-")  # not every store tells how many parts there are
        return told == to_base64(whole) and count in ("", str(len(sent)))
    if "-" in etag and all(part.etag == part.md5 for part in sent):
        return etag == f"{_md5(bytes.fromhex(part.md5) for part in sent)}-{len(sent)}"
    return True


def _md5(blocks: Iterable[bytes]) -> str:
    return _hexdigest(hashlib.md5(usedforsecurity=False), blocks)


def _hexdigest(digest: "hashlib._Hash", blocks: Iterable[bytes]) -> str:
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
