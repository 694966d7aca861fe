from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest

from sendit.config import Settings
from sendit.config.keys import fingerprint
from sendit.config.own_keys import (
    backup_own_keys,
    destroy_own_key,
    mark_closed,
    own_key,
    own_key_file,
    restore_own_keys,
)
from sendit.errors import KeyProblem


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({}, context={"base": tmp_path})


def made(settings: Settings, namespace: str = "irb-1") -> bytes:
    return own_key(settings, namespace, history=False, fingerprint=None)


@pytest.mark.parametrize("namespace", ["irb-1", "A/B", "..", "Über uns", "irb-1.key"])
def test_every_namespace_has_a_private_file_below_the_keys(
    settings: Settings, namespace: str
) -> None:
    key = made(settings, namespace)

    path = own_key_file(settings, namespace)
    assert path.parent == settings.work_dir / "keys" / "namespaces"
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert S_IMODE(path.parent.stat().st_mode) == 0o700
    assert own_key(settings, namespace, history=True, fingerprint=fingerprint(key)) == key
    assert len(key) == 32
    assert key != made(settings, "another")


def test_those_who_come_at_once_get_one_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: made(settings), range(32)))) == 1


def test_a_missing_or_another_key_is_refused(settings: Settings) -> None:
    known = fingerprint(made(settings))
    own_key_file(settings, "irb-1").unlink()

    with pytest.raises(KeyProblem, match=r"own key of a namespace .* is missing"):
        own_key(settings, "irb-1", history=True, fingerprint=known)
    made(settings)
    with pytest.raises(KeyProblem, match="is not the one that was used"):
        own_key(settings, "irb-1", history=True, fingerprint=known)


def test_what_is_destroyed_is_overwritten_also_under_other_names(
    settings: Settings, tmp_path: Path
) -> None:
    text = made(settings).hex()
    path = own_key_file(settings, "irb-1")
    link = tmp_path / "left of a start that died"
    link.hardlink_to(path)

    assert destroy_own_key(settings, "irb-1")

    assert not path.exists()
    assert text.encode() not in link.read_bytes()
    assert not destroy_own_key(settings, "irb-1")


def test_a_key_that_cannot_be_destroyed_is_told(settings: Settings) -> None:
    own_key_file(settings, "irb-1").mkdir(parents=True)

    with pytest.raises(KeyProblem, match="cannot be destroyed"):
        destroy_own_key(settings, "irb-1")


def test_a_backup_brings_back_what_was_not_closed(settings: Settings, tmp_path: Path) -> None:
    keys = {name: made(settings, name) for name in ("irb-1", "irb-2")}
    safe = tmp_path / "safe"
    copies = backup_own_keys(settings, safe)
    assert [S_IMODE(copy.stat().st_mode) for copy in copies] == [0o600, 0o600]
    for name in keys:
        destroy_own_key(settings, name)
    mark_closed(settings, "irb-1")

    restore_own_keys(settings, safe)

    assert made(settings, "irb-2") == keys["irb-2"]
    assert not own_key_file(settings, "irb-1").exists()


def test_a_restore_leaves_another_key_alone(settings: Settings, tmp_path: Path) -> None:
    made(settings)
    backup_own_keys(settings, tmp_path / "safe")
    destroy_own_key(settings, "irb-1")
    other = made(settings)

    with pytest.raises(KeyProblem, match="was left alone"):
        restore_own_keys(settings, tmp_path / "safe")

    assert made(settings) == other
