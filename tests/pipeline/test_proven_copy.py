import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sendit.pipeline.proven_copy import copy_proven


@pytest.mark.parametrize(
    "replace",
    [lambda path: path.symlink_to(path.with_name("outside")), os.mkfifo, os.mkdir],
    ids=["link", "pipe", "folder"],
)
def test_what_took_the_place_of_a_file_is_never_copied(
    tmp_path: Path, replace: Callable[[Path], object]
) -> None:
    (tmp_path / "outside").write_text("secret")
    replace(tmp_path / "file")

    with pytest.raises(OSError, match="symbolic links"):
        copy_proven(tmp_path / "file", tmp_path / "copy")

    assert not (tmp_path / "copy").exists()
    assert os.path.lexists(tmp_path / "file")
