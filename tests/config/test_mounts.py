from pathlib import Path

import pytest

from sendit.config.mounts import is_network, mount_of

MOUNTINFO = r"""21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:26 / /srv rw shared:2 - nfs4 server:/export rw,vers=4.2
31 30 254:1 / /srv/local rw - xfs /dev/vdb rw
32 21 0:27 / /mnt/our\040share rw - cifs //server/share rw
33 21 0:28 / /mnt/both rw - nfs server:/one rw
34 33 254:2 / /mnt/both rw - ext4 /dev/vdc rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data", "ext4"),
        ("/srv/sendit/sendit.sqlite3", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/local/inbox", "xfs"),
        ("/mnt/our share/inbox", "cifs"),
        ("/mnt/both/inbox", "ext4"),
    ],
    ids=["root", "below", "itself", "longer name", "inner", "with a space", "hidden by a later"],
)
def test_the_innermost_mount_decides(mounts: Path, path: str, kind: str) -> None:
    assert mount_of(Path(path), mounts=mounts).kind == kind
    assert is_network(Path(path), mounts=mounts) == (kind in ("nfs4", "cifs"))


def test_a_link_is_followed(mounts: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/srv/data")

    assert is_network(link, mounts=mounts)


def test_without_a_list_nothing_is_a_network(tmp_path: Path) -> None:
    assert mount_of(Path("/srv"), mounts=tmp_path / "missing").kind == ""
    assert not is_network(Path("/srv"), mounts=tmp_path / "missing")
