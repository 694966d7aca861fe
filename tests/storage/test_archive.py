import errno
import gzip
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from sendit.errors import TargetConflict, TargetError, VerificationFailed
from sendit.storage import Package, PackagedStudy, Receipt, Target
from sendit.storage.archive import archive_name, plan_archives
from sendit.storage.registry import build
from tests.contracts.targets import make_package

NAME = "PXKCD_20190704_SXKCD"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def target(out: Path) -> Target:
    return build("folder", {"path": str(out), "layout": "archive"}, base=out)


def test_an_archive_is_named_and_filled_as_agreed(
    target: Target, out: Path, package: Package
) -> None:
    target.send(package)

    [path] = out.iterdir()
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert path.name == f"{NAME}.tar.gz"
    assert [m.name for m in members] == [f"{NAME}/2.25.200/2.25.30{n}.dcm" for n in range(3)]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}


def test_the_same_study_gives_the_same_bytes(tmp_path: Path, package: Package) -> None:
    archives = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        options = {"path": place, "layout": "archive"}
        build("folder", options, base=tmp_path).send(package)
        archives.append((tmp_path / place / f"{NAME}.tar.gz").read_bytes())

    assert archives[0] == archives[1]
    assert archives[0][3:8] == bytes(5), "no name and no time in the gzip header (RFC 1952)"


class DamagedFile(io.FileIO):
    def read(self, _size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


class DamagedPath(type(Path())):  # type: ignore[misc]
    """Can be opened, but not read."""

    def open(self, *_: object, **_named: object) -> DamagedFile:
        return DamagedFile(str(self))


def test_a_file_that_cannot_be_read_is_not_held_against_the_target(
    target: Target, package: Package
) -> None:
    # Whoever sends while it is packed takes a bare OSError for one of the connection.
    damaged = replace(package, root=DamagedPath(package.root))

    with pytest.raises(TargetError, match=r"cannot be read \(Input/output error\)"):
        target.send(damaged)


def test_the_order_of_a_package_does_not_matter(package: Package) -> None:
    study = package.studies[0]
    turned = replace(package, studies=(replace(study, instances=study.instances[::-1]),))

    assert plan_archives(turned) == plan_archives(package)


@pytest.mark.parametrize(
    ("patient_id", "study_date", "pseudonym", "name"),
    [
        ("P1", "20190704", "S1", "P1_20190704_S1"),
        ("P1", "", "S1", "P1_00000000_S1"),
        ("P/1 é", "20190704", "S:1", "P_1___20190704_S_1"),
        ("..", "20190704", "S1", "_20190704_S1"),
        ("P.1", "20190704", "S1", "P.1_20190704_S1"),
    ],
)
def test_names_are_safe(patient_id: str, study_date: str, pseudonym: str, name: str) -> None:
    study = PackagedStudy(patient_id, "2.25.1", pseudonym, study_date, ())

    assert archive_name(study) == name


def test_the_folder_in_an_archive_ends_at_the_first_dot(
    target: Target, out: Path, tmp_path: Path
) -> None:
    target.send(make_package(tmp_path / "dotted", patient_id="P.1"))

    with tarfile.open(out / "P.1_20190704_SXKCD.tar.gz") as archive:
        assert archive.getnames()[0] == "P/2.25.200/2.25.300.dcm"


def test_studies_that_share_a_name_share_an_archive(package: Package) -> None:
    first = package.studies[0]
    second = replace(first, study_instance_uid="2.25.101", instances=first.instances[2:])
    both = replace(package, studies=(replace(first, instances=first.instances[:2]), second))

    [archive] = plan_archives(both)

    assert [entry.key for entry in archive.entries] == ["2.25.300", "2.25.301", "2.25.302"]


def test_the_same_content_packed_otherwise_is_the_same(
    target: Target, out: Path, package: Package
) -> None:
    receipt = target.send(package)
    path = out / f"{NAME}.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=9))

    target.send(package)

    target.verify(package, receipt)


@pytest.mark.parametrize("change", ["more", "less", "renamed", "a link", "rubbish after", "empty"])
def test_an_archive_that_holds_something_else_is_not_verified(
    target: Target, out: Path, package: Package, change: str
) -> None:
    receipt = target.send(package)
    _repack(out / f"{NAME}.tar.gz", change)

    with pytest.raises(VerificationFailed):
        target.verify(package, receipt)
    with pytest.raises(TargetConflict, match=NAME):
        target.send(package)


def _repack(path: Path, change: str) -> None:
    content = path.read_bytes()
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    names = list(files)
    match change:
        case "more":
            files["another"] = b"x"
        case "less":
            del files[names[0]]
        case "renamed":
            files["another"] = files.pop(names[0])
        case "empty":
            path.write_bytes(b"")
            return
        case "rubbish after":
            path.write_bytes(content + b"rubbish")
            return
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if change == "a link":
            member = tarfile.TarInfo("link")
            member.type = tarfile.SYMTYPE
            member.linkname = "/etc/passwd"
            archive.addfile(member)


def test_a_receipt_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a receipt"):
        Receipt.from_json({"location": "x"})
