"""Rows in BigQuery: executed SQL by an emulator, errors by a strict stub.

bqemulator runs our tables, load jobs and queries in DuckDB; it forgets job ids and takes rows
that BigQuery would refuse, so those are met at the stub, written from the published reference.
Google's own service is met in ``test_real_services``, when a place there is given.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetQuotaUsed,
    TargetRefused,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage import Package, PackagedDocument, Target
from sendit.storage.bigquery_schema import SCHEMAS
from tests.contracts.targets import Receiver, TargetContract, make_package
from tests.storage.test_gcs import make_gcs, make_receiver
from tests.support.bigquery_stub import Answer, BigQueryStub, error, running_stub
from tests.support.cloud import BIGQUERY_PROJECT, GcsServer, new_dataset, query
from tests.support.troubled_store import TroubledStore

ALL = sorted(SCHEMAS)


@pytest.fixture
def stub() -> Iterator[BigQueryStub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


def make_target(gcs: GcsServer, bigquery: str, dataset: str = "irb", **options: object) -> Target:
    own = {"bigquery_dataset": dataset, "bigquery_project": BIGQUERY_PROJECT, **options}
    return make_gcs(gcs.url, bigquery_endpoint=bigquery, **own)


@pytest.mark.parametrize("schema", ALL)
class TestWithRows(TargetContract):
    troubles = frozenset({"away"})

    @pytest.fixture
    def receiver(
        self, fake_gcs: GcsServer, bigquery_emulator: str, schema: str
    ) -> Iterator[Receiver]:
        proxy = TroubledStore(fake_gcs.url, {})
        yield make_receiver(
            fake_gcs,
            proxy,
            layout="archive" if schema == "compatible" else "tree",
            bigquery_endpoint=bigquery_emulator,
            bigquery_dataset=new_dataset(bigquery_emulator),
            bigquery_project=BIGQUERY_PROJECT,
            bigquery_schema=schema,
        )
        proxy.close()


# Executed by the emulator


def test_a_row_has_the_columns_of_the_original_sendit(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package
) -> None:
    dataset = new_dataset(bigquery_emulator)

    receipt = make_target(fake_gcs, bigquery_emulator, dataset).send(package)

    columns = [column.name for column in SCHEMAS["compatible"].columns]
    table = f"`{BIGQUERY_PROJECT}.{dataset}.dicom`"
    (found,) = query(bigquery_emulator, f"SELECT {', '.join(columns)} FROM {table}")
    row = dict(zip(columns, found, strict=True))
    stored = receipt.stored[package.instances[0].sop_instance_uid]
    assert row["CodedPatientID"] == "PXKCD"
    assert row["CodedAccessionNumberID"] == "SXKCD"
    assert row["ContentType"] == "application/gzip"
    assert row["Modality"] == "CT"
    assert row["storage_download"] == (
        "https://storage.googleapis.com/download/storage/v1/b/research/o/"
        f"Collection%2FIRB-1%2FEntity%2FPXKCD%2FPXKCD_20190704_SXKCD.tar.gz?generation={stored.version}&alt=media"
    )
    header = json.loads(row["DicomHeader"] or "")
    assert (header["IMAGE_COUNT"], header["NumberOfSeries"]) == (3, 1)
    assert (header["Rows"], header["Columns"]) == ("16", "16")


@pytest.mark.parametrize(("schema", "n_rows"), [("instances", 3), ("series", 1)])
def test_typed_rows_can_be_queried(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package, schema: str, n_rows: int
) -> None:
    dataset = new_dataset(bigquery_emulator)
    target = make_target(fake_gcs, bigquery_emulator, dataset, bigquery_schema=schema)

    target.send(with_manifest(package))
    target.send(with_manifest(package))

    found = query(
        bigquery_emulator,
        "SELECT patient_id, modality, EXTRACT(YEAR FROM study_date), recipe, object_uri, bytes "
        f"FROM `{BIGQUERY_PROJECT}.{dataset}.dicom`",
    )
    assert len(found) == n_rows
    assert {tuple(row[:5]) for row in found} == {
        ("PXKCD", "CT", "2019", "sha256:abc", f"gs://research/{fake_gcs.list()[-1]}")
    }
    assert sum(int(row[5] or 0) for row in found) == sum(one.size for one in package.instances)


def test_a_row_says_how_large_the_picture_is(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package
) -> None:
    dataset = new_dataset(bigquery_emulator)
    table = f"`{BIGQUERY_PROJECT}.{dataset}.dicom`"
    own = {"bigquery_schema": "instances", "layout": "tree"}

    make_target(fake_gcs, bigquery_emulator, dataset, **own).send(package)

    found = query(bigquery_emulator, f"SELECT `rows`, `columns`, instance_number FROM {table}")
    assert sorted(found) == [["16", "16", "1"], ["16", "16", "2"], ["16", "16", "3"]]


def with_manifest(package: Package) -> Package:
    file = package.root / "manifest.csv"
    file.write_text("recipe,engine\nsha256:abc,sendit 1\n")
    document = PackagedDocument("manifest.csv", "manifest.csv", _sha256(file), file.stat().st_size)
    study = dataclasses.replace(package.studies[0], documents=(document,))
    return dataclasses.replace(package, studies=(study,))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("schema", ALL)
def test_rows_go_with_their_objects(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package, schema: str
) -> None:
    dataset = new_dataset(bigquery_emulator)
    target = make_target(fake_gcs, bigquery_emulator, dataset, bigquery_schema=schema)
    receipt = target.send(package)

    removal = target.remove(receipt)  # type: ignore[attr-defined]

    assert removal.left == {}
    table = f"`{BIGQUERY_PROJECT}.{dataset}.dicom`"
    assert query(bigquery_emulator, f"SELECT COUNT(*) FROM {table}") == [["0"]]


def test_a_row_that_is_lost_is_noticed_and_loaded_again(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package
) -> None:
    dataset = new_dataset(bigquery_emulator)
    target = make_target(
        fake_gcs, bigquery_emulator, dataset, bigquery_schema="instances", layout="tree"
    )
    receipt = target.send(package)
    table = f"`{BIGQUERY_PROJECT}.{dataset}.dicom`"
    query(bigquery_emulator, f"DELETE FROM {table} WHERE sop_instance_uid = '2.25.301'")

    with pytest.raises(VerificationFailed, match="1 of the rows"):
        target.verify(package, receipt)
    target.verify(package, target.send(package))

    assert query(bigquery_emulator, f"SELECT COUNT(*) FROM {table}") == [["3"]]


@pytest.mark.parametrize("schema", ALL)
@pytest.mark.parametrize("layout", ["tree", "archive"])
def test_rows_of_an_object_that_was_lost_are_replaced(
    fake_gcs: GcsServer, bigquery_emulator: str, package: Package, schema: str, layout: str
) -> None:
    dataset = new_dataset(bigquery_emulator)
    target = make_target(
        fake_gcs, bigquery_emulator, dataset, bigquery_schema=schema, layout=layout
    )
    target.send(package)
    table = f"`{BIGQUERY_PROJECT}.{dataset}.dicom`"
    before = query(bigquery_emulator, f"SELECT COUNT(*) FROM {table}")
    fake_gcs.clear()

    target.verify(package, target.send(package))

    assert query(bigquery_emulator, f"SELECT COUNT(*) FROM {table}") == before


# Answered by the stub


def test_series_that_share_a_number_are_told_apart(
    fake_gcs: GcsServer, stub: BigQueryStub, tmp_path: Path
) -> None:
    first, second = (make_package(tmp_path, patient_id=name) for name in ("PXKCD", "PXKCE"))
    for one in second.instances:  # the same study's second series
        place = tmp_path / one.file.replace("PXKCE", "PXKCD").replace("2.25.200", "2.25.201")
        place.parent.mkdir(exist_ok=True)
        (tmp_path / one.file).rename(place)
    more = tuple(
        dataclasses.replace(
            one,
            sop_instance_uid=f"{one.sop_instance_uid}9",
            file=one.file.replace("PXKCE", "PXKCD").replace("2.25.200", "2.25.201"),
        )
        for one in second.instances
    )
    study = dataclasses.replace(first.studies[0], instances=(*first.studies[0].instances, *more))

    make_target(fake_gcs, stub.url).send(dataclasses.replace(first, studies=(study,)))

    (row,) = stub.rows["dicom"]
    header = json.loads(row["DicomHeader"])
    assert header["NumberOfSeries"] == 2
    assert [one["Images"] for one in header["Series"].values()] == [3, 3]
    assert {one["SeriesNumber"] for one in header["Series"].values()} == {"1"}


def test_a_row_says_what_the_object_is(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    make_target(fake_gcs, stub.url, layout="tree").send(package)

    assert {row["ContentType"] for row in stub.rows["dicom"]} == {"application/dicom"}


def test_there_is_one_load_job_for_a_batch_and_its_id_is_used_once(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url, bigquery_schema="instances")

    receipt = target.send(package)
    target.send(package)

    target.verify(package, receipt)
    assert len(stub.jobs) == 1
    assert len(stub.rows["dicom"]) == 3


def test_a_job_that_was_started_before_a_kill_is_waited_for_and_not_repeated(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    target.send(package)
    (row,) = stub.rows["dicom"]
    stub.rows["dicom"] = []
    stub.running = 3
    for job in stub.jobs.values():
        job["left"] = 3

    def arrives(method: str, path: str, body: bytes) -> Answer:
        told = answer(method, path, body)
        if "/jobs/" in path and told[1]["status"]["state"] == "DONE" and not stub.rows["dicom"]:
            stub.rows["dicom"].append(row)
        return told

    answer, stub.answer = stub.answer, arrives  # type: ignore[method-assign]

    target.verify(package, target.send(package))

    assert len(stub.jobs) == 1
    assert len(stub.rows["dicom"]) == 1


def test_rows_that_were_taken_back_can_be_loaded_again(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    target.send(package)
    stub.rows["dicom"] = []

    receipt = target.send(package)

    target.verify(package, receipt)
    assert [job.rsplit("-", 1)[1] for job in stub.jobs] == ["1", "2"]


def test_columns_that_a_table_lacks_are_added(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    definition = SCHEMAS["compatible"].definition()
    fields = [one for one in definition["schema"]["fields"] if one["name"] != "PatientAge"]
    own = {"name": "our_own", "type": "STRING", "mode": "NULLABLE"}
    stub.tables["dicom"] = {"schema": {"fields": [own, *fields]}}
    stub.rows["dicom"] = []

    make_target(fake_gcs, stub.url).send(package)

    names = [one["name"] for one in stub.tables["dicom"]["schema"]["fields"]]
    assert names == ["our_own", *(one["name"] for one in fields), "PatientAge"]
    assert len(stub.rows["dicom"]) == 1


@pytest.mark.parametrize(
    ("field", "word"),
    [
        (
            {"name": "Modality", "type": "INTEGER", "mode": "NULLABLE"},
            "INTEGER and should be STRING",
        ),
        ({"name": "Modality", "type": "STRING", "mode": "REPEATED"}, "REPEATED STRING"),
        ({"name": "theirs", "type": "STRING", "mode": "REQUIRED"}, "theirs is REQUIRED"),
    ],
)
def test_types_are_never_changed(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package, field: dict[str, Any], word: str
) -> None:
    stub.tables["dicom"] = {"schema": {"fields": [field]}}
    stub.rows["dicom"] = []
    target = make_target(fake_gcs, stub.url)

    with pytest.raises(TargetRefused, match=word):
        target.send(package)
    with pytest.raises(TargetRefused, match=word):
        target.probe()

    assert stub.tables["dicom"] == {"schema": {"fields": [field]}}
    assert stub.jobs == {}
    assert fake_gcs.list() == []


@pytest.mark.parametrize("is_there", [True, False], ids=["a table", "no table yet"])
def test_a_location_that_is_not_the_table_s_is_told_before_anything_is_sent(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package, is_there: bool
) -> None:
    if is_there:
        make_target(fake_gcs, stub.url, bigquery_location="eu").probe()
    target = make_target(fake_gcs, stub.url, bigquery_location="US")

    for ask in (target.probe, lambda: target.send(package)):
        with pytest.raises(TargetRefused, match='than US; set bigquery_location to "EU"'):
            ask()

    assert stub.jobs == {}
    assert fake_gcs.list() == []


def test_a_row_with_other_content_is_a_conflict(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    target.send(package)
    stub.rows["dicom"][0]["DicomHeader"] = "{}"

    with pytest.raises(TargetConflict, match="other content"):
        target.send(package)

    assert len(stub.rows["dicom"]) == 1


@pytest.mark.parametrize(
    ("part", "answer", "kind", "word"),
    [
        ("/jobs", error(403, "accessDenied"), TargetRefused, "bigquery.jobUser"),
        ("/jobs", error(403, "rateLimitExceeded"), TargetUnavailable, "too much"),
        ("/jobs", error(403, "quotaExceeded"), TargetQuotaUsed, "two days"),
        ("/jobs", error(401, "authError"), TargetRefused, "credentials"),
        ("/jobs", error(400, "invalid"), TargetError, "400 invalid"),
        ("/queries", error(503, "backendError"), TargetUnavailable, "tried again"),
        ("/tables", error(403, "accessNotConfigured"), TargetRefused, "not enabled"),
        ("/tables", error(501, "notImplemented"), TargetRefused, "see bigquery_endpoint"),
    ],
)
def test_a_refusal_says_what_to_do(
    fake_gcs: GcsServer,
    stub: BigQueryStub,
    package: Package,
    part: str,
    answer: Answer,
    kind: type[TargetError],
    word: str,
) -> None:
    target = make_target(fake_gcs, stub.url)
    stub.errors[part] = [answer] * 4

    with pytest.raises(kind, match=word) as told:
        target.send(package)
    stub.errors.clear()

    assert type(told.value) is kind
    target.verify(package, target.send(package))
    assert len(stub.rows["dicom"]) == 1


@pytest.mark.parametrize("layout", ["archive", "tree"])
def test_an_object_is_not_fetched_again_for_rows_that_were_refused(
    gcp_emulator: GcsServer, stub: BigQueryStub, package: Package, layout: str
) -> None:
    way = TroubledStore(gcp_emulator.url, {})
    options = {"bigquery_dataset": "irb", "bigquery_project": BIGQUERY_PROJECT, "layout": layout}
    target = make_gcs(way.url, bigquery_endpoint=stub.url, **options)
    stub.errors["/jobs"] = [error(503, "backendError")] * 4
    with pytest.raises(TargetUnavailable):
        target.send(package)

    receipt = target.send(package)
    fetched = [path for _, path in way.asked if "alt=media" in path]
    target.verify(package, receipt)
    way.close()

    assert fetched == []
    assert len(stub.rows["dicom"]) == (1 if layout == "archive" else 3)


def test_a_dataset_that_is_not_there_is_told(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    with pytest.raises(TargetRefused, match="make the dataset"):
        make_target(fake_gcs, stub.url, "nowhere").send(package)

    assert fake_gcs.list() == []


def test_a_project_that_is_not_there_is_told_before_anything_is_sent(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url, bigquery_project="nowhere-2031")

    for ask in (target.probe, lambda: target.send(package)):
        with pytest.raises(TargetRefused, match="set bigquery_project and"):
            ask()

    assert stub.rows == {}
    assert fake_gcs.list() == []


def test_a_job_that_fails_loads_nothing_and_is_told(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    target.probe()
    fields = stub.tables["dicom"]["schema"]["fields"]
    checked, stub._are_good = stub._are_good, lambda *_: False  # type: ignore[method-assign]

    with pytest.raises(TargetError, match="did not take the rows"):
        target.send(package)
    stub._are_good = checked  # type: ignore[method-assign]

    assert fields
    assert stub.rows["dicom"] == []
    target.verify(package, target.send(package))


def test_a_job_that_fails_by_a_quota_is_waited_for(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    stub.breaks = ["quotaExceeded"]

    with pytest.raises(TargetQuotaUsed, match=r"quotaExceeded.*two days"):
        target.send(package)

    assert stub.rows["dicom"] == []
    target.verify(package, target.send(package))


def test_rows_are_loaded_however_often_a_quota_was_used_up_before(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    stub.breaks = ["quotaExceeded"] * 25
    for _ in range(25):
        with pytest.raises(TargetQuotaUsed):
            target.send(package)
    stub.asked.clear()

    target.verify(package, target.send(package))

    assert len(stub.rows["dicom"]) == 1
    assert sum("/upload/" in asked for asked in stub.asked) == 2


def test_rows_that_a_good_job_left_out_are_told_and_not_loaded_again(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    target = make_target(fake_gcs, stub.url)
    target.probe()
    stub.rows = {"dicom": _Forgetful()}

    with pytest.raises(TargetError, match="does not show rows that were loaded"):
        target.send(package)

    assert len(stub.jobs) == 1


class _Forgetful(list[dict[str, object]]):
    def __iadd__(self, rows: object) -> "_Forgetful":  # type: ignore[misc,override]
        return self


@pytest.mark.parametrize("part", ["/tables/", "/queries", "/upload/", "/jobs/"])
@pytest.mark.parametrize(
    "body", [b'["Jane Doe"]', b"<html>Jane Doe</html>", b'{"jobComplete": true, "rows": 3}']
)
def test_an_answer_that_is_not_bigquery_s_is_told_and_nothing_of_it(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package, part: str, body: bytes
) -> None:
    way = TroubledStore(stub.url, {})
    stub.running = 1
    target = make_target(fake_gcs, way.url)
    target.probe()
    way.changed = {part: lambda _: (200, {}, body)}

    with pytest.raises(TargetRefused, match="see bigquery_endpoint") as told:
        target.send(package)

    assert "Jane" not in str(told.value)
    way.close()


@pytest.mark.parametrize("reason", ["backendError", "internalError", "jobInternalError"])
def test_a_job_that_breaks_off_at_the_service_is_tried_again(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package, reason: str
) -> None:
    target = make_target(fake_gcs, stub.url)
    stub.breaks = [reason]

    with pytest.raises(TargetUnavailable, match=f"{reason}.*no row.*tried again"):
        target.send(package)

    assert stub.rows["dicom"] == []
    target.verify(package, target.send(package))
    assert len(stub.rows["dicom"]) == 1


def test_a_job_that_never_ends_is_not_waited_for_for_ever(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    stub.running = 10**6

    with pytest.raises(TargetUnavailable, match="still at work after 1 s"):
        make_target(fake_gcs, stub.url, timeout_seconds=1).send(package)


def test_a_text_that_looks_like_an_identifier_stops_the_rows(
    fake_gcs: GcsServer, stub: BigQueryStub, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "clean", salt="call 650-555-0199 jane.doe@example.org")

    with pytest.raises(TargetError, match="release check") as told:
        make_target(fake_gcs, stub.url).send(package)

    assert "example.org" not in str(told.value)
    assert stub.rows["dicom"] == [] if "dicom" in stub.rows else True


def test_without_a_dataset_nothing_is_told(
    fake_gcs: GcsServer, stub: BigQueryStub, package: Package
) -> None:
    make_gcs(fake_gcs.url, bigquery_endpoint=stub.url).send(package)

    assert stub.asked == []
