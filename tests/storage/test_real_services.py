"""Amazon's and Google's own services, when credentials and a place there are given.

``TEST_S3_BUCKET`` names a bucket, and ``AWS_REGION`` its region; ``TEST_GCS_BUCKET`` names a
bucket without soft delete, ``TEST_GCS_ACL`` how rights are given there, and
``TEST_BIGQUERY_DATASET`` a dataset of the same project.  Credentials are found as every program
of theirs finds them.  Without these variables there is nothing here to run or to skip.
"""

import os
from pathlib import Path

import pytest

from sendit.errors import TargetConflict
from sendit.storage import Package, Target
from sendit.storage.registry import build
from tests.contracts.targets import make_package
from tests.storage.store_receiver import make_large

pytestmark = pytest.mark.real_service


def require_round_trip(target: Target, package: Package) -> None:
    """Send twice, prove, and take back."""
    target.probe()
    receipt = target.send(package)
    target.verify(package, target.send(package))
    assert target.remove(receipt).left == {}  # type: ignore[attr-defined]


def require_conflict(target: Target, other: Target, root: Path) -> None:
    """What appears while an object of many parts is sent is not overwritten."""
    ours, theirs = make_large(root / "a"), make_large(root / "b", salt=b"other")
    calls = iter(range(1000))

    def while_sending() -> None:
        if next(calls) == 12:
            other.send(theirs)

    with pytest.raises(TargetConflict):
        target.send(ours, progress=while_sending)
    receipt = other.send(theirs)
    other.verify(theirs, receipt)
    assert other.remove(receipt).left == {}  # type: ignore[attr-defined]


if os.environ.get("TEST_S3_BUCKET"):

    def make_amazon(layout: str) -> Target:
        options = {
            "bucket": os.environ["TEST_S3_BUCKET"],
            "region": os.environ.get("AWS_REGION", "us-east-1"),
            "prefix": f"sendit-test-{os.getpid()}",
            "layout": layout,
            "part_mib": 5,
        }
        return build("s3", options, base=Path("/"))

    @pytest.mark.parametrize("layout", ["tree", "archive"])
    def test_amazon_itself_takes_shows_and_gives_back(tmp_path: Path, layout: str) -> None:
        require_round_trip(make_amazon(layout), make_large(tmp_path))

    def test_amazon_itself_overwrites_no_object_of_many_parts(tmp_path: Path) -> None:
        require_conflict(make_amazon("archive"), make_amazon("archive"), tmp_path)


if os.environ.get("TEST_GCS_BUCKET"):

    def make_google(layout: str, dataset: str) -> Target:
        options = {
            "bucket": os.environ["TEST_GCS_BUCKET"],
            "collection": f"sendit-test-{os.getpid()}",
            "layout": layout,
            "acl": os.environ.get("TEST_GCS_ACL", "bucket"),
            "bigquery_dataset": dataset,
            "bigquery_table": f"sendit_test_{os.getpid()}",
        }
        return build("gcs", options, base=Path("/"))

    @pytest.mark.parametrize("layout", ["tree", "archive"])
    def test_google_itself_takes_shows_and_gives_back(tmp_path: Path, layout: str) -> None:
        dataset = os.environ.get("TEST_BIGQUERY_DATASET", "")
        require_round_trip(make_google(layout, dataset), make_package(tmp_path, n_instances=20))

    def test_google_itself_takes_a_large_archive(tmp_path: Path) -> None:
        require_round_trip(make_google("archive", ""), make_large(tmp_path))

    def test_google_itself_overwrites_no_large_archive(tmp_path: Path) -> None:
        require_conflict(make_google("archive", ""), make_google("archive", ""), tmp_path)
