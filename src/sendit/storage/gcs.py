"""Google Cloud Storage, with keys and names as the original sendit had them.

Objects are never overwritten; the CRC32C and the MD5 that Google computed are compared.  Needs
the extra ``sendit[gcs]``.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.storage.base import LocalPath, Package, Progress, Receipt, Removal, no_progress
from sendit.storage.bigquery import BigQueryTable, TableName
from sendit.storage.bigquery_rows import Row, place_of, rows_of
from sendit.storage.bigquery_schema import SchemaName
from sendit.storage.gcs_store import GcsStore
from sendit.storage.google_login import GoogleLogin
from sendit.storage.http_options import Connections, HttpOptions, Seconds, Url
from sendit.storage.object_names import bucket_name, key_prefix
from sendit.storage.object_target import Manner, ObjectTarget

_SCOPES = (
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/bigquery",
)


class GcsOptions(BaseModel, extra="forbid", frozen=True):
    """Options of ``kind = "gcs"``."""

    bucket: Annotated[str, AfterValidator(bucket_name)]
    """Name of the bucket, which must be there."""
    collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
    """Name of the study protocol: keys are `Collection/<COLLECTION>/Entity/<PatientID>/…`."""
    layout: Literal["archive", "tree"] = "archive"
    """`archive`: a `.tar.gz` per study; `tree`: an object per instance."""
    pack: Annotated[bool, Strict()] = True
    """Whether archives are packed; `false` costs less CPU, and pays over a fast line."""
    proof: Literal["read", "digest"] = "read"
    """`read`: everything is read back; `digest`: CRC32C and MD5 of the store are compared."""
    acl: Literal["projectPrivate", "private", "bucketOwnerFullControl", "bucket"] = "projectPrivate"
    """Rights of new objects; `bucket`: as the bucket says (uniform bucket-level access)."""
    credentials_file: LocalPath | None = None
    """Key of a service account; none: the environment, gcloud's file or the metadata server."""
    anonymous: Annotated[bool, Strict()] = False
    """Ask without credentials; for other servers than Google's only."""
    endpoint: Url = "https://storage.googleapis.com"
    """Address of the store."""
    bigquery_dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")] = ""
    """Dataset of BigQuery that gets rows about what is stored; none: no rows."""
    bigquery_table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "dicom"
    """Table in that dataset; made when it is not there."""
    bigquery_schema: SchemaName = "compatible"
    """`compatible`: the original sendit's, a row an object; a row an instance, or a series."""
    bigquery_project: Annotated[str, Field(pattern=r"^[a-z0-9:.-]*$")] = ""
    """Project of the dataset, which pays for the jobs; none: that of the credentials."""
    bigquery_location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    """Where the dataset is (`US`, `europe-west3`); none: BigQuery finds out."""
    bigquery_endpoint: Url = "https://bigquery.googleapis.com"
    """Address of BigQuery."""
    ca_file: LocalPath | None = None
    """Certificates (PEM) of the authorities that may vouch for the server; none: the system's."""
    connections: Connections = 4
    """Connections at one time, 1 to 32."""
    timeout_seconds: Seconds = 120
    """How long the store may be silent, in seconds."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.anonymous and (self.credentials_file or "googleapis.com" in self.endpoint):
            raise PydanticCustomError("anonymous", "Google's own servers need credentials")
        if self.ca_file and not self.endpoint.startswith("https:"):
            raise PydanticCustomError("ca_file", "ca_file needs an endpoint with https://")
        return self

    def http(self, url: str) -> HttpOptions:
        """Return how a server is reached."""
        return HttpOptions(
            url=url,
            ca_file=self.ca_file,
            connections=self.connections,
            timeout_seconds=self.timeout_seconds,
        )


class Gcs:
    """Stores packages in a bucket and proves them by checksums and by reading them back."""

    options_model: ClassVar[type[BaseModel]] = GcsOptions
    keeps_generations: ClassVar[bool] = True

    def __init__(self, options: GcsOptions) -> None:
        login = GoogleLogin(options.credentials_file, _SCOPES, anonymous=options.anonymous)
        store = GcsStore(
            options.http(options.endpoint),
            login,
            options.bucket,
            acl="" if options.acl == "bucket" else options.acl,
        )
        prefix = key_prefix(f"Collection/{options.collection.upper()}/Entity")
        manner = Manner(
            prefix,
            options.layout,
            options.proof,
            options.connections,
            by_patient=True,
            pack=options.pack,
        )
        self.packs_archives = options.layout == "archive"
        self._bucket = options.bucket
        self._schema = options.bigquery_schema
        self._table = _table(options, login) if options.bigquery_dataset else None
        self._target = ObjectTarget(store, manner)

    @property
    def location(self) -> str:
        """The bucket, and where in it."""
        return self._target.location

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package and load its rows; what is there already is left alone.

        A table that cannot take them is told before anything is stored.
        """
        if self._table is not None:
            with self._table.connected():
                self._table.prepare()
        receipt = self._target.send(package, progress=progress)
        if self._table is not None:
            with self._table.connected():
                self._table.load(self._rows(package, receipt, progress), progress=progress)
        return receipt

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Prove every object, as ``proof`` says, and every row.

        Rows of an earlier delivery are not asked for: they are made from its files.
        """
        self._target.verify(package, receipt, progress=progress)
        if self._table is not None and not package.is_copy:
            with self._table.connected():
                self._table.verify(self._rows(package, receipt, progress), progress=progress)

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove the rows of what a receipt lists, then the objects and their generations."""
        if self._table is not None:
            keys = {one.place for one in receipt.stored.values() if one.place}
            places = [place_of(key, self._schema, self._bucket) for key in sorted(keys)]
            with self._table.connected():
                if left := self._table.remove(places, progress=progress):
                    reason = f"Still in BigQuery after they were removed: {left} of its rows."
                    return Removal((), dict.fromkeys(receipt.digests, reason))
        return self._target.remove(receipt, progress=progress)

    def probe(self) -> None:
        """Store a small object, read it back and remove it; see that the table is there."""
        self._target.probe()
        if self._table is not None:
            with self._table.connected():
                self._table.prepare()

    def _rows(self, package: Package, receipt: Receipt, progress: Progress) -> Sequence[Row]:
        return rows_of(package, receipt, self._schema, self._bucket, progress=progress)


def _table(options: GcsOptions, login: GoogleLogin) -> BigQueryTable:
    name = TableName(
        options.bigquery_project,
        options.bigquery_dataset,
        options.bigquery_table,
        options.bigquery_schema,
        options.bigquery_location,
    )
    return BigQueryTable(options.http(options.bigquery_endpoint), login, name)
