import errno
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sendit.ingest.eyes import look_into
from sendit.ingest.inbox import InboxView
from sendit.pipeline.work import folder_key, lasting_key

SETTLE = timedelta(seconds=10)


class Clock:
    """A clock that stands until it is moved; it starts ahead of the real one."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_view(tmp_path: Path, clock: Clock) -> Callable[..., InboxView]:
    def make(*, settle: timedelta = SETTLE, same_clock: bool = False) -> InboxView:
        return InboxView(
            tmp_path, settle=settle, same_clock=same_clock, clock=clock, local_clock=clock
        )

    return make


def fill(folder: Path, *files: str) -> Path:
    for file in files or ("a", "deep/b"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"12345")
    return folder


def names(view: InboxView, known: frozenset[tuple[str, str]] = frozenset()) -> list[str]:
    return [candidate.name for candidate in view.candidates(known)]


def test_a_folder_is_a_candidate_once_it_is_quiet(
    tmp_path: Path, clock: Clock, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "ACC1")
    view = make_view()

    first = names(view)
    waiting = view.settling
    clock.move(SETTLE)
    second = names(view)

    assert (first, waiting, second, view.settling) == ([], 1, ["ACC1"], 0)


def test_a_file_that_grows_in_a_deep_subfolder_is_noticed(
    tmp_path: Path, clock: Clock, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "ACC1")
    view = make_view()

    names(view)
    clock.move(SETTLE)
    with (tmp_path / "ACC1/deep/b").open("ab") as out:
        out.write(b"more")

    assert names(view) == []
    assert view.settling == 1


def test_renaming_finishes_a_folder_at_once(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "ACC1.tmp2343")
    view = make_view()

    before = names(view)
    (tmp_path / "ACC1.tmp2343").rename(tmp_path / "ACC1")

    assert before == []
    assert names(view) == ["ACC1"]


def test_an_arriving_folder_is_never_waited_for(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "ACC1.part")
    view = make_view()

    names(view)

    assert view.settling == 0


def test_folders_come_in_the_order_of_their_names(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    for name in ("b", "a", "c d\ne", "\udcff"):
        fill(tmp_path / name)

    assert names(make_view(settle=timedelta(0))) == ["a", "b", "c d\ne", "\udcff"]


def test_an_old_folder_on_a_local_file_system_needs_no_second_look(
    tmp_path: Path, clock: Clock, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "ACC1")
    clock.move(2 * SETTLE)

    assert names(make_view(same_clock=True)) == ["ACC1"]


def test_links_and_plain_files_are_told_and_never_taken(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "IM0001").write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    view = make_view(settle=timedelta(0))

    assert names(view) == ["real"]
    assert view.beside == ("IM0001", "link")


def test_a_link_inside_a_folder_is_not_followed(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", "huge")
    folder = fill(tmp_path / "ACC1", "a")
    (folder / "way out").symlink_to(outside, target_is_directory=True)

    assert look_into(folder).count == 2


def make_deeper_than_a_path(folder: Path) -> None:
    """Make folders in each other until no path can name the last one, and a file there."""
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("a", os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_a_path_does_not_keep_the_others_out(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    make_deeper_than_a_path(tmp_path / "A deep")
    fill(tmp_path / "B")
    view = make_view(settle=timedelta(0))

    assert names(view) == ["A deep", "B"]
    assert view.unusable == 0


def test_a_folder_that_cannot_be_looked_at_is_counted_and_does_not_keep_the_others_out(
    tmp_path: Path, make_view: Callable[..., InboxView], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "A damaged")
    fill(tmp_path / "B")
    stat = os.stat

    def damaged(path: Path, *arguments: object, **keywords: object) -> object:
        if str(path).endswith("damaged"):
            raise OSError(errno.EIO, "Input/output error")
        return stat(path, *arguments, **keywords)  # type: ignore[call-overload]

    monkeypatch.setattr("os.stat", damaged)
    view = make_view(settle=timedelta(0))

    assert names(view) == ["B"]
    assert view.unusable == 1


def test_devices_and_sockets_do_not_stop_the_look(tmp_path: Path) -> None:
    folder = fill(tmp_path / "ACC1", "a")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(folder / "socket"))

    assert look_into(folder).count == 3


def test_hidden_and_set_aside_folders_are_left_alone(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    for name in (".hidden", "ACC1.err", "ACC2.err3"):
        fill(tmp_path / name)

    assert names(make_view(settle=timedelta(0))) == []


def test_a_known_folder_is_passed_over_but_not_another_of_its_inode(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    folder = fill(tmp_path / "ACC1")
    key = lasting_key(folder_key(folder.lstat()))
    view = make_view(settle=timedelta(0))

    assert names(view, frozenset({(key, "ACC1")})) == []
    assert names(view, frozenset({(key, "renamed since")})) == ["ACC1"]


def test_a_folder_that_goes_away_during_the_pass_is_no_error(
    tmp_path: Path, make_view: Callable[..., InboxView]
) -> None:
    fill(tmp_path / "a")
    fill(tmp_path / "b")
    found = make_view(settle=timedelta(0)).candidates(frozenset())

    first = next(found).name
    (tmp_path / "b").rename(tmp_path.parent / f"{tmp_path.name}-away")

    assert first == "a"
    assert list(found) == []


def test_an_inbox_that_is_not_there_is_said(tmp_path: Path, clock: Clock) -> None:
    view = InboxView(
        tmp_path / "none", settle=SETTLE, same_clock=False, clock=clock, local_clock=clock
    )

    with pytest.raises(FileNotFoundError):
        names(view)
