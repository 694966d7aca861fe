from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest
from cryptography.fernet import Fernet, MultiFernet

from sendit.config import Settings
from sendit.config.keys import backup, field_keys, fingerprint, site_key
from sendit.errors import KeyProblem


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({}, context={"base": tmp_path})


Read = Callable[..., Sequence[bytes]]
BOTH = pytest.mark.parametrize(
    ("kind", "read"),
    [("site", lambda *a, **k: [site_key(*a, **k)]), ("field", field_keys)],
    ids=["site", "field"],
)


def _file(settings: Settings, kind: str) -> Path:
    return settings.keys.site_file if kind == "site" else settings.keys.field_file


@BOTH
def test_a_key_is_made_on_first_use_and_kept(settings: Settings, kind: str, read: Read) -> None:
    made = read(settings, history=False, fingerprint=None)

    again = read(settings, history=True, fingerprint=fingerprint(made[0]))

    path = _file(settings, kind)
    assert again == made
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@BOTH
@pytest.mark.parametrize(
    ("history", "known"), [(True, None), (False, "sha256:0"), (True, "sha256:0")]
)
def test_a_key_that_is_missing_beside_history_is_not_made_anew(
    settings: Settings, kind: str, read: Read, history: bool, known: str | None
) -> None:
    with pytest.raises(KeyProblem, match=r"is missing.*Put the file back from your backup"):
        read(settings, history=history, fingerprint=known)

    assert not _file(settings, kind).exists()


@BOTH
def test_another_key_beside_history_is_refused(settings: Settings, kind: str, read: Read) -> None:
    [made] = read(settings, history=False, fingerprint=None)
    _file(settings, kind).unlink()
    read(settings, history=False, fingerprint=None)

    with pytest.raises(KeyProblem, match=r"is not the one that was used here so far"):
        read(settings, history=True, fingerprint=fingerprint(made))


@BOTH
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(
    settings: Settings, kind: str, read: Read, mode: int
) -> None:
    read(settings, history=False, fingerprint=None)
    _file(settings, kind).chmod(mode)

    with pytest.raises(KeyProblem, match="Run: chmod 600"):
        read(settings, history=True, fingerprint=None)


@BOTH
@pytest.mark.parametrize("content", [b"", b"zz\n", b"00\n", b"\xff\xfe", b"CANARY " * 5])
def test_a_damaged_key_is_refused_and_not_shown(
    settings: Settings, kind: str, read: Read, content: bytes
) -> None:
    read(settings, history=False, fingerprint=None)
    _file(settings, kind).write_bytes(content)

    with pytest.raises(KeyProblem, match="does not hold a") as refusal:
        read(settings, history=True, fingerprint=None)

    assert "CANARY" not in str(refusal.value)


def test_a_fingerprint_gives_nothing_of_the_key_away(settings: Settings) -> None:
    key = site_key(settings, history=False, fingerprint=None)

    assert fingerprint(key).startswith("sha256:")
    assert key.hex() not in fingerprint(key)
    assert fingerprint(key) != fingerprint(key[::-1])


def test_processes_that_start_at_once_get_the_same_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda _: site_key(settings, history=False, fingerprint=None), range(32))

    assert len(set(made)) == 1


def test_field_keys_can_be_changed_one_after_the_other(settings: Settings) -> None:
    [old] = field_keys(settings, history=False, fingerprint=None)
    sealed = Fernet(old).encrypt(b"value")
    path = settings.keys.field_file
    path.write_bytes(Fernet.generate_key() + b"\n" + path.read_bytes())

    keys = field_keys(settings, history=True, fingerprint=fingerprint(old))

    assert len(keys) == 2
    assert keys[1] == old
    assert MultiFernet(list(map(Fernet, keys))).decrypt(sealed) == b"value"


def test_a_site_file_holds_one_key(settings: Settings) -> None:
    site_key(settings, history=False, fingerprint=None)
    path = settings.keys.site_file
    path.write_bytes(path.read_bytes() * 2)

    with pytest.raises(KeyProblem):
        site_key(settings, history=True, fingerprint=None)


def test_a_backup_brings_the_keys_back(settings: Settings, tmp_path: Path) -> None:
    site = site_key(settings, history=False, fingerprint=None)
    [field] = field_keys(settings, history=False, fingerprint=None)
    safe = tmp_path / "usb" / "keys"

    copies = backup(settings, safe)
    backup(settings, safe)

    for copy, original in zip(
        copies, (settings.keys.site_file, settings.keys.field_file), strict=True
    ):
        assert S_IMODE(copy.stat().st_mode) == 0o600
        original.unlink()
        copy.rename(original)
    assert site_key(settings, history=True, fingerprint=fingerprint(site)) == site
    assert field_keys(settings, history=True, fingerprint=fingerprint(field)) == [field]


def test_a_backup_never_overwrites_another_key(settings: Settings, tmp_path: Path) -> None:
    other = Settings.model_validate({}, context={"base": tmp_path / "other"})
    for each in (settings, other):
        site_key(each, history=False, fingerprint=None)
        field_keys(each, history=False, fingerprint=None)
    backup(settings, tmp_path / "usb")
    before = (tmp_path / "usb/site.key").read_bytes()

    with pytest.raises(KeyProblem, match="was left alone"):
        backup(other, tmp_path / "usb")

    assert (tmp_path / "usb/site.key").read_bytes() == before


def test_without_keys_there_is_no_backup(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(KeyProblem):
        backup(settings, tmp_path / "usb")

    assert not (tmp_path / "usb").exists()


def test_keys_are_not_made_where_nobody_can_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings.model_validate(
        {"keys": {"site_file": "file/site.key"}}, context={"base": tmp_path}
    )

    with pytest.raises(KeyProblem, match="Make its folder writable"):
        site_key(settings, history=False, fingerprint=None)
