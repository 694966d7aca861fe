"""Originals of projects that do not anonymize: same promises, but their names are secrets."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from sendit.errors import TargetConflict, TargetError, VerificationFailed
from sendit.storage import IdentifiedInstance, IdentifiedPackage, IdentifiedTarget
from sendit.storage.registry import build

NAMES = ("CANARY/a b.dcm", "CANARY/new\nline.dcm", "CANARY/é.dcm", os.fsdecode(b"CANARY/\xff.dcm"))
LAYOUTS = pytest.mark.parametrize("layout", ["tree", "archive"])


def make_identified(root: Path, *, salt: str = "") -> IdentifiedPackage:
    root.mkdir(exist_ok=True)
    instances = []
    for number, name in enumerate((*NAMES, "CANARY/" + "x" * 251 + ".dcm"), start=1):
        content = f"original {number} {salt}".encode()
        (root / f"{number}.dcm").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        instances.append(IdentifiedInstance(number, f"{number}.dcm", name, digest, len(content)))
    return IdentifiedPackage(root, 7, tuple(instances))


@pytest.fixture
def package(tmp_path: Path) -> IdentifiedPackage:
    return make_identified(tmp_path / "phi")


def make_folder(tmp_path: Path, layout: str) -> IdentifiedTarget:
    (tmp_path / "out").mkdir()
    target = build("folder", {"path": "out", "layout": layout}, base=tmp_path)
    return cast("IdentifiedTarget", target)


@LAYOUTS
def test_originals_are_stored_and_verified(
    tmp_path: Path, package: IdentifiedPackage, layout: str
) -> None:
    target = make_folder(tmp_path, layout)

    receipt = target.send_identified(package)
    target.send_identified(package)

    target.verify_identified(package, receipt)
    assert receipt.n_instances == 5
    assert sorted(receipt.digests) == ["1", "2", "3", "4", "5"]


def test_originals_keep_their_paths(tmp_path: Path, package: IdentifiedPackage) -> None:
    make_folder(tmp_path, "tree").send_identified(package)

    for instance in package.instances:
        assert (tmp_path / "out" / instance.path).is_file()


@LAYOUTS
def test_a_conflict_tells_no_name_of_an_original(
    tmp_path: Path, package: IdentifiedPackage, layout: str
) -> None:
    target = make_folder(tmp_path, layout)
    receipt = target.send_identified(package)
    other = make_identified(tmp_path / "other", salt="x")

    with pytest.raises(TargetConflict) as conflict:
        target.send_identified(other)
    with pytest.raises(VerificationFailed) as failure:
        target.verify_identified(other, replace(receipt, digests={}))

    assert "CANARY" not in str(conflict.value) + str(failure.value) + repr(package) + repr(receipt)


def test_a_path_that_leaves_the_folder_is_refused(
    tmp_path: Path, package: IdentifiedPackage
) -> None:
    sly = replace(package, instances=(replace(package.instances[0], path="../CANARY.dcm"),))

    with pytest.raises(TargetError, match="would leave") as refusal:
        make_folder(tmp_path, "tree").send_identified(sly)

    assert "CANARY" not in str(refusal.value)
    assert not (tmp_path / "CANARY.dcm").exists()
