from datetime import UTC, datetime, timedelta

import pytest

from sendit.ingest.finished import Look, NameSays, is_finished, is_ignored_file, name_says, remember

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
SETTLE = timedelta(seconds=10)
LOOK = Look(count=3, size=300, newest_mtime_ns=7, newest_ctime_ns=int(START.timestamp() * 1e9))


def look(**changes: int) -> Look:
    return Look(
        **{
            "count": LOOK.count,
            "size": LOOK.size,
            "newest_mtime_ns": LOOK.newest_mtime_ns,
            "newest_ctime_ns": LOOK.newest_ctime_ns,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ACC1", NameSays.TAKE),
        ("ACC1.tmp", NameSays.ARRIVING),
        ("ACC1.tmp2343", NameSays.ARRIVING),
        ("ACC1.TMP", NameSays.ARRIVING),
        ("ACC1.part", NameSays.ARRIVING),
        ("ACC1.Partial", NameSays.ARRIVING),
        ("tmp", NameSays.TAKE),
        ("partners", NameSays.TAKE),
        ("ACC.tmp.1", NameSays.TAKE),
        ("1.2.840.1", NameSays.TAKE),
        ("ACC1.err", NameSays.SET_ASIDE),
        ("ACC1.ERR", NameSays.SET_ASIDE),
        ("ACC1.err2", NameSays.SET_ASIDE),
        ("ACC1.err12", NameSays.SET_ASIDE),
        ("ACC1.errands", NameSays.TAKE),
        ("ACC1.err\u00b2", NameSays.TAKE),
        ("err", NameSays.TAKE),
        (".snapshot", NameSays.HIDDEN),
        (".tmp", NameSays.HIDDEN),
        ("two\nlines \udcff", NameSays.TAKE),
        ("ends with dot.", NameSays.TAKE),
    ],
    ids=repr,
)
def test_only_the_last_extension_counts(name: str, says: NameSays) -> None:
    assert name_says(name) == says


def test_a_folder_is_finished_when_it_was_quiet_for_the_settle_time() -> None:
    seen = remember(None, LOOK, arriving=False, now=START)
    later = remember(seen, LOOK, arriving=False, now=START + SETTLE)

    assert not is_finished(seen, settle=SETTLE, now=START, local_time=None)
    assert is_finished(later, settle=SETTLE, now=START + SETTLE, local_time=None)


@pytest.mark.parametrize("change", [{"count": 4}, {"size": 301}, {"newest_mtime_ns": 8}], ids=str)
def test_any_change_starts_the_settle_time_anew(change: dict[str, int]) -> None:
    seen = remember(None, LOOK, arriving=False, now=START)
    changed = remember(seen, look(**change), arriving=False, now=START + SETTLE)

    assert not is_finished(changed, settle=SETTLE, now=START + SETTLE, local_time=None)


def test_a_renamed_folder_is_finished_at_once() -> None:
    arriving = remember(None, LOOK, arriving=True, now=START)
    renamed = remember(arriving, look(count=5, size=500), arriving=False, now=START)

    assert not is_finished(
        arriving, settle=SETTLE, now=START + 9 * SETTLE, local_time=START + 9 * SETTLE
    )
    assert is_finished(renamed, settle=SETTLE, now=START, local_time=None)


@pytest.mark.parametrize("fewer", [{"count": 2}, {"size": 299}], ids=str)
def test_a_new_folder_with_the_inode_of_an_arriving_one_must_settle(fewer: dict[str, int]) -> None:
    arriving = remember(None, LOOK, arriving=True, now=START)
    other = remember(arriving, look(**fewer), arriving=False, now=START)

    assert not is_finished(other, settle=SETTLE, now=START, local_time=None)


def test_one_look_is_enough_for_an_old_folder_on_a_local_file_system() -> None:
    now = START + 2 * SETTLE
    seen = remember(None, LOOK, arriving=False, now=now)

    assert is_finished(seen, settle=SETTLE, now=now, local_time=now)
    assert not is_finished(seen, settle=SETTLE, now=now, local_time=None)


@pytest.mark.parametrize(
    ("now", "local_time"),
    [
        (START + timedelta(seconds=1), START + timedelta(hours=1)),
        (START + timedelta(hours=1), START + timedelta(seconds=1)),
    ],
    ids=["set on", "set back"],
)
def test_a_clock_that_is_set_finishes_no_folder(now: datetime, local_time: datetime) -> None:
    seen = remember(None, LOOK, arriving=False, now=now)

    assert not is_finished(seen, settle=SETTLE, now=now, local_time=local_time)


def test_files_of_file_browsers_are_ignored() -> None:
    assert is_ignored_file(".DS_Store")
    assert is_ignored_file("Thumbs.db")
    assert is_ignored_file("Desktop.ini")
    assert not is_ignored_file("IM0001")
