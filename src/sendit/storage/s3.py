"""S3-compatible storage: Amazon's, or any server that speaks it.

Objects are never overwritten and carry their SHA-256, which the store checks.  Needs the extra
``sendit[s3]``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.storage.base import (
    LocalPath,
    Package,
    Progress,
    Receipt,
    Removal,
    no_progress,
)
from sendit.storage.http_options import Connections, HttpOptions, OptionalUrl, Seconds
from sendit.storage.object_names import bucket_name, key_prefix
from sendit.storage.object_target import Manner, ObjectTarget
from sendit.storage.s3_bucket import Bucket
from sendit.storage.s3_login import S3Login
from sendit.storage.s3_store import S3Store

_AMAZON = ".amazonaws.com"
_HOST = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""What can stand before the name of a host that has a certificate for one more part."""


class S3Options(BaseModel, extra="forbid", frozen=True):
    """Options of ``kind = "s3"``."""

    bucket: Annotated[str, AfterValidator(bucket_name)]
    """Name of the bucket, which must be there."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    """Region of the bucket; what the server's manual says where it has none."""
    endpoint: OptionalUrl = ""
    """Address of the server; none: Amazon's in that region."""
    style: Literal["auto", "path", "virtual"] = "auto"
    """Where the bucket's name goes: `path`, `virtual` (the host name), or as is usual there."""
    prefix: Annotated[str, AfterValidator(key_prefix)] = ""
    """What every key begins with."""
    layout: Literal["archive", "tree"] = "archive"
    """`archive`: a `.tar.gz` per study; `tree`: an object per instance."""
    pack: Annotated[bool, Strict()] = True
    """Whether archives are packed; `false` costs less CPU, and pays over a fast line."""
    proof: Literal["read", "digest"] = "read"
    """`read`: everything is read back; `digest`: checksums that the store tells are compared."""
    access_key_id: str = ""
    """Access key; none: as every AWS program finds it (environment, files, role of the machine)."""
    secret_access_key: SecretStr = SecretStr("")
    """Secret key of that access key."""
    session_token: SecretStr = SecretStr("")
    """Session token of temporary keys."""
    profile: str = ""
    """Profile of the AWS files, instead of keys."""
    encryption: Literal["none", "AES256", "aws:kms"] = "none"
    """How the store encrypts new objects; `none`: as the bucket says."""
    kms_key: str = ""
    """Key for `aws:kms`; none: the bucket's."""
    storage_class: Annotated[str, Field(pattern=r"^[A-Z_]*$")] = ""
    """Storage class of new objects; none: the bucket's."""
    part_mib: Annotated[int, Strict(), Field(ge=5, le=512)] = 8
    """Size of the parts of archives, in MiB, 5 to 512; up to six are in memory."""
    ca_file: LocalPath | None = None
    """Certificates (PEM) of the authorities that may vouch for the server; none: the system's."""
    connections: Connections = 4
    """Connections at one time, 1 to 32."""
    timeout_seconds: Seconds = 120
    """How long the store may be silent, in seconds."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise PydanticCustomError(
                "keys",
                "access_key_id and secret_access_key need each other; the secret one may come from "
                "the environment (SENDIT_<PROJECT>_<TARGET>_SECRET_ACCESS_KEY)",
            )
        if self.access_key_id and self.profile:
            raise PydanticCustomError("profile", "profile and access_key_id exclude each other")
        if self.session_token.get_secret_value() and not self.access_key_id:
            raise PydanticCustomError("session_token", "a session token needs an access_key_id")
        if self.kms_key and self.encryption != "aws:kms":
            raise PydanticCustomError("kms_key", 'kms_key needs encryption = "aws:kms"')
        if self.ca_file and not self._url.startswith("https:"):
            raise PydanticCustomError("ca_file", "ca_file needs an endpoint with https://")
        return self

    @property
    def _url(self) -> str:
        return self.endpoint or f"https://s3.{self.region}{_AMAZON}"

    @property
    def is_virtual(self) -> bool:
        """Say whether the host names the bucket."""
        usual = self._url.endswith(_AMAZON) and _HOST.fullmatch(self.bucket) is not None
        return self.style == "virtual" or (self.style == "auto" and usual)

    @property
    def http(self) -> HttpOptions:
        """Where the store is, and how it is reached."""
        url = self._url
        if self.is_virtual:
            scheme, _, host = url.partition("://")
            url = f"{scheme}://{self.bucket}.{host}"
        return HttpOptions(
            url=url,
            ca_file=self.ca_file,
            connections=self.connections,
            timeout_seconds=self.timeout_seconds,
        )


class S3:
    """Stores packages in a bucket and proves them by checksums and by reading them back."""

    options_model: ClassVar[type[BaseModel]] = S3Options
    keeps_generations: ClassVar[bool] = True

    def __init__(self, options: S3Options) -> None:
        login = S3Login(
            options.region,
            access_key_id=options.access_key_id,
            secret_access_key=options.secret_access_key.get_secret_value(),
            session_token=options.session_token.get_secret_value(),
            profile=options.profile,
        )
        bucket = Bucket(
            "" if options.is_virtual else f"/{options.bucket}",
            _headers(options),
            options.connections,
            options.part_mib << 20,
        )
        manner = Manner(
            options.prefix, options.layout, options.proof, options.connections, pack=options.pack
        )
        self.packs_archives = options.layout == "archive"
        self._target = ObjectTarget(S3Store(options.http, login, bucket), manner)

    @property
    def location(self) -> str:
        """The bucket's address, and where in it."""
        return self._target.location

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package; what is there already with the same content is left alone."""
        return self._target.send(package, progress=progress)

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Prove every object, as ``proof`` says."""
        self._target.verify(package, receipt, progress=progress)

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove what a receipt lists, and the versions of it."""
        return self._target.remove(receipt, progress=progress)

    def probe(self) -> None:
        """Store a small object, read it back and remove it."""
        self._target.probe()


def _headers(options: S3Options) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if options.encryption != "none":
        headers["x-amz-server-side-encryption"] = options.encryption
    if options.kms_key:
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.kms_key
    if options.storage_class:
        headers["x-amz-storage-class"] = options.storage_class
    return headers
