"""Store an object in many parts, which become one object when all are there.

An upload that was begun and not ended (a kill) is gone on with: parts that are there with the
right MD5 are not sent again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sendit.errors import VerificationFailed
from sendit.storage.cloud_http import Told
from sendit.storage.objects import Held
from sendit.storage.pieces import Piece, regroup
from sendit.storage.s3_answers import held_of, to_base64
from sendit.storage.s3_bucket import AskedBucket
from sendit.storage.together import Traffic, together

CHANGED = "%s holds other bytes than were sent to it; look into its log, then retry the batch."


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is to be sent; its digest was made while it was packed."""

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


def cut(blocks: Iterable[bytes], size: int, aside: ThreadPoolExecutor) -> Iterator[Part]:
    """Return parts of a size; ``aside`` has one thread, and sums blocks while more are packed."""
    digest = hashlib.sha256()

    def each(block: bytes) -> None:
        aside.submit(digest.update, block)

    for number, piece in enumerate(regroup(blocks, size, each=each), start=1):
        yield Part(number, piece, aside.submit(digest.hexdigest))
        digest = hashlib.sha256()


class PartsUpload:
    """Stores one object.

    Parameters
    ----------
    asked
        The bucket.
    key
        Of the object.
    headers
        What is said of it.
    """

    def __init__(self, asked: AskedBucket, key: str, headers: Mapping[str, str]) -> None:
        self._asked = asked
        self._key = key
        self._headers = headers

    def put(
        self, parts: Iterable[Part], *, at_once: int, progress: Callable[[], None]
    ) -> Held | None:
        """Store the parts as one object, unless something stands there."""
        upload, there = self._begun(Traffic())

        def put(part: Part, traffic: Traffic) -> _Sent:
            return self._put_part(upload, part, there, traffic)

        try:
            sent = together(parts, put, at_once=at_once, ahead=1, progress=progress)
        except _Ended:
            return None
        return self._complete(upload, sent)

    def _begun(self, traffic: Traffic) -> tuple[str, Mapping[int, str]]:
        """Return an upload of many parts, and the MD5 of the parts that are there already."""
        query = {"uploads": "", "prefix": self._key}
        told = self._asked.ask("GET", "", query=query, allowed=(403, 501), traffic=traffic)
        begun = []
        if told.status == 200:
            uploads = self._asked.read(told).all("Upload")
            begun = [one.text("UploadId") for one in uploads if one.text("Key") == self._key]
        for old in begun[:-1]:
            self._abort(old, traffic)
        if begun:
            parts = self._parts_of(begun[-1], traffic)
            if parts is not None:
                return begun[-1], parts
        headers = {**self._headers, "x-amz-checksum-algorithm": "SHA256"}
        told = self._asked.ask(
            "POST", self._key, query={"uploads": ""}, headers=headers, traffic=traffic
        )
        return self._asked.read(told).text("UploadId"), {}

    def _parts_of(self, upload: str, traffic: Traffic) -> Mapping[int, str] | None:
        query = {"uploadId": upload}
        parts: dict[int, str] = {}
        while True:
            told = self._asked.ask(
                "GET", self._key, query=query, allowed=(403, 404), traffic=traffic
            )
            if told.status != 200:
                return None
            found = self._asked.read(told)
            for one in found.all("Part"):
                parts[int(one.text("PartNumber"))] = one.text("ETag").strip('"')
            if found.text("IsTruncated") != "true":
                return parts
            query["part-number-marker"] = found.text("NextPartNumberMarker")

    def _put_part(
        self,
        upload: str,
        part: Part,
        there: Mapping[int, str],
        traffic: Traffic,
    ) -> _Sent:
        """Send a part, unless it is there already."""
        number, piece, sha256 = part.number, part.piece, part.sha256.result()
        if number in there and there[number] == (md5 := md5_of(piece.blocks)):
            return _Sent(number, piece.size, sha256, md5, md5)
        told = self._asked.ask(
            "PUT",
            self._key,
            query={"partNumber": str(number), "uploadId": upload},
            body=piece.blocks,
            headers={"x-amz-checksum-sha256": to_base64(sha256)},
            payload_sha256=sha256,
            allowed=(404,),
            traffic=traffic,
        )
        if told.status == 404:
            raise _Ended
        held = held_of(self._key, told)
        computed = held.digests.get("sha256", "")
        if computed not in ("", sha256):
            raise VerificationFailed(CHANGED % self._asked.location)
        md5 = "" if computed else md5_of(piece.blocks)
        return _Sent(number, piece.size, sha256, held.mark, md5)

    def _complete(self, upload: str, sent: Sequence[_Sent]) -> Held | None:
        """Make an object of the parts, unless something stands there now."""
        items = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
            f"<ChecksumSHA256>{to_base64(part.sha256)}</ChecksumSHA256></Part>"
            for part in sent
        )
        body = f"<CompleteMultipartUpload>{items}</CompleteMultipartUpload>".encode()
        traffic = Traffic()
        told = self._asked.ask(
            "POST",
            self._key,
            query={"uploadId": upload},
            body=(body,),
            headers={"If-None-Match": "*", "Content-Type": "application/xml"},
            payload_sha256=hashlib.sha256(body).hexdigest(),
            allowed=(404, 412),
            traffic=traffic,
        )
        if told.status == 412:
            self._abort(upload, traffic)
            return None
        if told.status == 404:
            return None  # as ``_Ended`` says
        answer = self._asked.read(told)
        if answer.name != "CompleteMultipartUploadResult":  # an error may come after a 200
            raise self._asked.explain(Told(500, told.headers, told.body))
        etag = answer.text("ETag").strip('"')
        if not _is_of(sent, etag, answer.text("ChecksumSHA256")):
            raise VerificationFailed(CHANGED % self._asked.location)
        size = sum(part.size for part in sent)
        return Held(self._key, size, told.headers.get("x-amz-version-id", ""), {}, etag)

    def _abort(self, upload: str, traffic: Traffic) -> None:
        query = {"uploadId": upload}
        self._asked.ask("DELETE", self._key, query=query, allowed=(403, 404), traffic=traffic)


def _is_of(sent: Sequence[_Sent], etag: str, checksum: str) -> bool:
    """Say whether what a store tells of an object is of these parts, as far as it tells it.

    Both are digests of the parts' digests; an ETag is no MD5 where a key of the store encrypts.
    """
    if checksum:
        whole = hexdigest(hashlib.sha256(), (bytes.fromhex(part.sha256) for part in sent))
        told, _, count = checksum.partition("-")  # not every store tells how many parts there are
        return told == to_base64(whole) and count in ("", str(len(sent)))
    if "-" in etag and all(part.etag == part.md5 for part in sent):
        return etag == _etag([part.md5 for part in sent])
    return True


def etag_of(blocks: Iterable[bytes], size: int) -> str:
    """Return the ETag of bytes that were sent in parts of a size."""
    return _etag([md5_of(piece.blocks) for piece in regroup(blocks, size)])


def _etag(md5s: Sequence[str]) -> str:
    return f"{md5_of(bytes.fromhex(md5) for md5 in md5s)}-{len(md5s)}"


def md5_of(blocks: Iterable[bytes]) -> str:
    """Return the MD5 of bytes, in hexadecimal."""
    return hexdigest(hashlib.md5(usedforsecurity=False), blocks)


def hexdigest(digest: "hashlib._Hash", blocks: Iterable[bytes]) -> str:
    """Add bytes to a digest and return it in hexadecimal."""
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
