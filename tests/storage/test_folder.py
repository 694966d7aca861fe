import errno
import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import stat
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetFull,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage import IdentifiedTarget, Package, PreparableTarget, Target
from sendit.storage.registry import accepts_identified, build
from tests.contracts.targets import TargetContract, make_package
from tests.storage.folder_receiver import FolderReceiver, SmallDiskReceiver
from tests.support.small_disk import Remount

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a group that it is not in")
WAYS = pytest.mark.parametrize(
    ("layout", "given_away"), [("tree", False), ("tree", True), ("archive", False)]
)
LAYOUTS = pytest.mark.parametrize("layout", ["tree", "archive"])


def make_folder(folder: Path, layout: str = "tree", **options: object) -> Target:
    folder.mkdir(exist_ok=True)
    return build("folder", {"path": str(folder), "layout": layout, **options}, base=Path("/"))


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / "clean")


class FolderContract(TargetContract):
    troubles = frozenset({"away"})
    layout: ClassVar[str]

    @pytest.fixture
    def receiver(self, out: Path) -> FolderReceiver:
        out.mkdir()
        return FolderReceiver(out, self.layout)


class TestTree(FolderContract):
    layout = "tree"


class TestArchive(FolderContract):
    layout = "archive"


class TestTreeOfFilesGivenAway(FolderContract):
    layout = "tree"

    @pytest.fixture
    def package(self, tmp_path: Path) -> Package:
        return replace(make_package(tmp_path / "clean"), given_away=True)


class SmallDiskContract(TargetContract):
    troubles = frozenset({"away", "full"})
    layout: ClassVar[str]

    @pytest.fixture
    def receiver(self, small_disk: Path, remount: Remount) -> FolderReceiver:
        return SmallDiskReceiver(small_disk, self.layout, remount)


class TestTreeOnADiskOfItsOwn(SmallDiskContract):
    layout = "tree"


class TestArchiveOnADiskOfItsOwn(SmallDiskContract):
    layout = "archive"


def test_a_tree_is_named_by_new_values(out: Path, package: Package) -> None:
    make_folder(out).send(package)

    assert list(files_in(out)) == [f"PXKCD/2.25.100/2.25.200/2.25.30{n}.dcm" for n in range(3)]
    assert files_in(out) == files_in(package.root)


def test_what_is_missing_at_the_target_is_sent_and_the_rest_left_alone(
    out: Path, package: Package
) -> None:
    target = make_folder(out)
    receipt = target.send(package)
    first, second, _ = (out / instance.file for instance in package.instances)
    first.unlink()
    untouched = second.stat()

    target.send(package)

    target.verify(package, receipt)
    assert second.stat().st_ino == untouched.st_ino
    assert second.stat().st_mtime_ns == untouched.st_mtime_ns


def test_archives_need_not_be_packed_and_are_the_same_to_us_either_way(
    out: Path, package: Package
) -> None:
    size_of_files = sum(one.size for one in package.instances)
    loose, packed = make_folder(out, "archive", pack=False), make_folder(out, "archive")

    receipt = loose.send(package)
    [archive] = out.glob("*.tar.gz")
    size = archive.stat().st_size
    loose.verify(package, receipt)
    packed.verify(package, packed.send(package))

    assert archive.stat().st_size == size > size_of_files
    archive.unlink()
    packed.send(package)
    assert archive.stat().st_size < size_of_files


@pytest.mark.parametrize("damage", ["missing", "cut off", "one bit", "a folder"])
@LAYOUTS
def test_damage_at_the_target_is_not_verified(
    out: Path, package: Package, layout: str, damage: str
) -> None:
    target = make_folder(out, layout)
    receipt = target.send(package)
    victim = next(path for path in sorted(out.rglob("*")) if path.is_file())
    content = bytearray(victim.read_bytes())
    victim.unlink()
    if damage == "a folder":
        victim.mkdir()
    elif damage != "missing":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content[:-1] if damage == "cut off" else content)

    with pytest.raises(VerificationFailed) as refusal:
        target.verify(package, receipt)

    assert str(out) in str(refusal.value)


def test_a_conflict_names_the_instance_and_what_to_do(
    out: Path, package: Package, tmp_path: Path
) -> None:
    target = make_folder(out)
    target.send(package)
    before = files_in(out)

    with pytest.raises(TargetConflict, match=r"2\.25\.300 .*nothing was overwritten.*retry"):
        target.send(make_package(tmp_path / "other", salt="x"))

    assert files_in(out) == before


@pytest.mark.parametrize("points_to", ["other content", "same content", "nothing"])
@LAYOUTS
def test_a_link_in_the_way_is_a_conflict_and_not_followed(
    out: Path, package: Package, tmp_path: Path, layout: str, points_to: str
) -> None:
    target = make_folder(out, layout)
    target.send(package)
    final = next(path for path in sorted(out.rglob("*")) if path.is_file())
    elsewhere = tmp_path / "elsewhere"
    content = final.read_bytes() if points_to == "same content" else b"precious"
    if points_to != "nothing":
        elsewhere.write_bytes(content)
    final.unlink()
    final.symlink_to(elsewhere)

    with pytest.raises(TargetConflict):
        target.send(package)

    assert final.is_symlink()
    assert points_to == "nothing" or elsewhere.read_bytes() == content


def test_a_file_in_the_place_of_the_folder_is_called_a_file(out: Path) -> None:
    target = make_folder(out, "tree")
    out.rmdir()
    out.touch()

    with pytest.raises(TargetUnavailable, match="is a file"):
        target.probe()


@LAYOUTS
def test_a_folder_that_is_missing_is_not_made(out: Path, package: Package, layout: str) -> None:
    target = make_folder(out, layout)
    receipt = target.send(package)
    out.rename(out.with_name("gone"))

    for act in (
        lambda: target.send(package),
        lambda: target.verify(package, receipt),
        target.probe,
    ):
        with pytest.raises(TargetUnavailable, match="mount its volume"):
            act()
    assert not out.exists()


@LAYOUTS
def test_a_full_disk_leaves_nothing_half_written(
    small_disk: Path, tmp_path: Path, layout: str
) -> None:
    target = make_folder(small_disk, layout)
    (small_disk / "filler").write_bytes(os.urandom(60 * 1024))
    package = _random_package(tmp_path / "clean", size=2000, n_instances=4)

    with pytest.raises(TargetFull, match="make room") as refusal:
        target.send(package)
    left = set(files_in(small_disk))
    (small_disk / "filler").unlink()
    receipt = target.send(package)

    assert refusal.value.retryable
    assert not any(name.endswith(".part") for name in left)
    target.verify(package, receipt)


@LAYOUTS
def test_a_file_that_does_not_fit_leaves_nothing(out: Path, tmp_path: Path, layout: str) -> None:
    package = _random_package(tmp_path / "clean", size=30_000, n_instances=1)
    target = make_folder(out, layout)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(TargetFull):
            target.send(package)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    assert files_in(out) == {}


@LAYOUTS
def test_a_read_only_folder_is_unavailable(
    small_disk: Path, remount: Remount, package: Package, layout: str
) -> None:
    target = make_folder(small_disk, layout)
    remount("ro")

    with pytest.raises(TargetUnavailable, match="Read-only file system") as refusal:
        target.send(package)
    with pytest.raises(TargetUnavailable, match="Read-only file system"):
        target.probe()
    remount("rw")
    target.verify(package, target.send(package))

    assert refusal.value.retryable


def test_a_probe_of_a_full_disk_says_so(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(64 * 1024))

    with pytest.raises(TargetFull):
        make_folder(small_disk).probe()

    assert list(files_in(small_disk)) == ["filler"]


@WAYS
def test_killed_anywhere_and_sent_again_everything_is_there(
    out: Path, tmp_path: Path, layout: str, *, given_away: bool
) -> None:
    package = _random_package(tmp_path / "clean", size=50_000, n_instances=40)
    package = replace(package, given_away=given_away)
    whole = {instance.sha256 for instance in package.instances}
    chance = random.Random(7)
    killed = 0

    for round_ in range(12):
        place = out / str(round_)
        place.mkdir(parents=True)
        target = make_folder(place, layout)
        killed += _kill_while(target, package, after_calls=chance.randrange(1, 40))
        if layout == "tree":
            for name, content in files_in(place).items():
                assert name.endswith(".part") or hashlib.sha256(content).hexdigest() in whole
        target.verify(package, target.send(package))
        assert not any(name.endswith(".part") for name in files_in(place))
        shutil.rmtree(place)  # so that the next round may take the files over as well

    assert killed > 6


def _kill_while(target: Target, package: Package, *, after_calls: int) -> bool:
    """Send in a process of its own, which kills itself at one call of ``progress``."""
    calls = iter(range(after_calls))

    def progress() -> None:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def send() -> None:
        target.send(package, progress=progress)

    process = multiprocessing.get_context("fork").Process(target=send)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


@WAYS
def test_two_senders_at_once_end_in_the_same_state(
    out: Path, tmp_path: Path, layout: str, *, given_away: bool
) -> None:
    package = _random_package(tmp_path / "clean", size=20_000, n_instances=30)
    package = replace(package, given_away=given_away)
    target = make_folder(out, layout)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(target.send, package) for _ in range(4)]
    # Who is late may lose its unfinished file to who tidies up; trying again then helps.
    errors = [error for job in jobs if (error := job.exception()) is not None]

    assert all(getattr(error, "retryable", False) for error in errors)
    assert len(errors) < 4
    target.verify(package, target.send(package))
    assert not any(name.endswith(".part") for name in files_in(out))


def test_parts_of_others_are_left_alone(out: Path, package: Package) -> None:
    target = make_folder(out)
    folder = (out / package.instances[0].file).parent
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef.00000000.part").write_bytes(b"another sender's")

    target.send(package)

    assert (folder / "0123456789abcdef.00000000.part").exists()


def test_a_file_system_without_hard_links_will_do(
    out: Path, package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    target = make_folder(out)

    target.verify(package, target.send(package))

    with pytest.raises(TargetConflict):
        target.send(make_package(tmp_path / "other", salt="x"))
    assert len(files_in(out)) == 3


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_kernel_that_cannot_copy_is_no_problem(
    out: Path, package: Package, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    target = make_folder(out)

    target.verify(package, target.send(package))


@pytest.mark.parametrize("given_away", [False, True])
def test_across_file_systems_the_copy_is_whole(
    small_disk: Path, package: Package, *, given_away: bool
) -> None:
    target = make_folder(small_disk)
    package = replace(package, given_away=given_away)

    target.verify(package, target.send(package))


def are_the_files_themselves(out: Path, package: Package) -> bool:
    held = {(out / one.file).samefile(package.root / one.file) for one in package.instances}
    assert len(held) == 1  # all or none
    return held.pop()


def test_files_given_away_are_not_written_again(out: Path, package: Package) -> None:
    target = make_folder(out)
    given = replace(package, given_away=True)

    receipt = target.send(given)

    assert are_the_files_themselves(out, given)
    assert not list(out.rglob("*.part"))
    kept = files_in(package.root)
    for one in package.instances:
        (package.root / one.file).unlink()
    target.verify(given, receipt)
    assert files_in(out) == kept


def test_files_that_others_need_too_are_copied(out: Path, package: Package) -> None:
    make_folder(out).send(package)

    assert not are_the_files_themselves(out, package)


def set_group_of_new_files(folder: Path, _: Package) -> None:
    """Let what is made there belong to the folder's group, which is not ours."""
    os.chown(folder, -1, 4321)
    folder.chmod(folder.stat().st_mode | stat.S_ISGID)


def set_rights_of_new_files(folder: Path, _: Package) -> None:
    """Let what is made there be read by one more user: version 2, four entries (acl(5))."""
    entries = [(0x01, 7, 0xFFFFFFFF), (0x02, 4, 4321), (0x04, 5, 0xFFFFFFFF), (0x10, 5, 0xFFFFFFFF)]
    entries.append((0x20, 0, 0xFFFFFFFF))
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(folder, "system.posix_acl_default", struct.pack("<I", 2) + packed)


def set_group_of_results(_: Path, package: Package) -> None:
    for one in package.instances:
        os.chown(package.root / one.file, -1, 4321)


def set_mode_of_results(_: Path, package: Package) -> None:
    """Let others read the results more, or less, than the umask says."""
    for one in package.instances:
        (package.root / one.file).chmod(0o604)


def set_group_of_the_folder_alone(folder: Path, package: Package) -> None:
    """Whether its new files get that group hangs on how its volume is mounted."""
    for one in package.instances:
        place = (folder / one.file).parent
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, -1, 4321)


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(set_group_of_new_files, marks=ROOT),
        set_rights_of_new_files,
        pytest.param(set_group_of_results, marks=ROOT),
        set_mode_of_results,
        pytest.param(set_group_of_the_folder_alone, marks=ROOT),
    ],
)
def test_where_a_new_file_would_have_other_rights_it_is_copied(
    out: Path, package: Package, prepare: Callable[[Path, Package], None]
) -> None:
    out.mkdir()
    prepare(out, package)

    make_folder(out).send(replace(package, given_away=True))

    assert not are_the_files_themselves(out, package)
    for one in package.instances:
        own = (out / one.file).with_name("own")
        own.touch()
        found, right = (out / one.file).stat(), own.stat()
        assert (found.st_gid, found.st_mode) == (right.st_gid, right.st_mode)


def test_folders_that_a_killed_sender_made_are_made_durable(
    out: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = make_folder(out)
    for one in package.instances:
        (out / one.file).parent.mkdir(parents=True, exist_ok=True)  # and was killed then
    synced, fsync = set(), os.fsync

    def note(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    target.send(replace(package, given_away=True))

    assert synced >= {out, *(path for path in out.rglob("*") if path.is_dir())}


def test_a_file_is_given_away_once(out: Path, package: Package, tmp_path: Path) -> None:
    given = replace(package, given_away=True)
    make_folder(out).send(given)
    second = tmp_path / "second"

    make_folder(second).send(given)

    assert are_the_files_themselves(out, given)
    assert not are_the_files_themselves(second, given)


def test_somebody_elses_file_is_copied(
    out: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)

    make_folder(out).send(replace(package, given_away=True))

    assert not are_the_files_themselves(out, package)


@pytest.mark.parametrize("given_away", [False, True])
def test_where_the_last_name_is_taken_nothing_is_stored(
    out: Path, package: Package, *, given_away: bool
) -> None:
    taken = out / package.instances[-1].file
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"of somebody else")

    with pytest.raises(TargetConflict):
        make_folder(out).send(replace(package, given_away=given_away))

    assert list(files_in(out).values()) == [b"of somebody else"]


def test_nothing_is_given_away_to_a_name_that_is_taken(
    out: Path, package: Package, tmp_path: Path
) -> None:
    target = make_folder(out)
    target.send(package)
    before = files_in(out)

    with pytest.raises(TargetConflict):
        target.send(replace(make_package(tmp_path / "other", salt="x"), given_away=True))

    assert files_in(out) == before


@LAYOUTS
def test_a_result_that_changed_is_not_sent(out: Path, package: Package, layout: str) -> None:
    target = make_folder(out, layout)
    path = package.root / package.instances[1].file
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(TargetError, match="it was changed after it was written"):
        target.send(package)
    path.unlink()
    with pytest.raises(TargetError, match="cannot be read"):
        target.send(package)

    assert not any(name.endswith(".part") for name in files_in(out))


@pytest.mark.parametrize("file", ["../x.dcm", "/x.dcm", "a/../../x.dcm", "a//x.dcm", "./x.dcm", ""])
def test_a_path_that_leaves_the_folder_is_refused(out: Path, package: Package, file: str) -> None:
    study = package.studies[0]
    sly = replace(study, instances=(replace(study.instances[0], file=file),))

    with pytest.raises(TargetError, match="would leave the target folder"):
        make_folder(out).send(replace(package, studies=(sly,)))

    assert files_in(out.parent / "out") == {}


def test_an_empty_package_is_stored_at_once(out: Path, tmp_path: Path) -> None:
    target = make_folder(out)
    package = Package(tmp_path, 1, ())

    receipt = target.send(package)

    target.verify(package, receipt)
    assert receipt.n_instances == 0


def test_make_ready_makes_a_missing_folder_and_leaves_a_full_one_alone(tmp_path: Path) -> None:
    folder = build("folder", {"path": "a/b"}, base=tmp_path)
    assert isinstance(folder, PreparableTarget)
    folder.make_ready()
    (tmp_path / "a" / "b" / "kept").touch()

    folder.make_ready()

    assert (tmp_path / "a" / "b" / "kept").exists()


def test_a_folder_takes_identified_images() -> None:
    assert accepts_identified("folder")


def test_a_folder_is_an_identified_target(out: Path) -> None:
    assert isinstance(make_folder(out), IdentifiedTarget)


def _random_package(root: Path, *, size: int, n_instances: int) -> Package:
    """Make a package that no compression makes small."""
    package = make_package(root, n_instances=n_instances)
    instances = []
    for number, instance in enumerate(package.instances):
        content = random.Random(number).randbytes(size)
        (root / instance.file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        instances.append(replace(instance, sha256=digest, size=size))
    return replace(package, studies=(replace(package.studies[0], instances=tuple(instances)),))
