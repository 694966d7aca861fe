"""Two may remove the same at once: a worker that lost its claim goes on where it was stopped."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from sendit.pipeline.workspace import Workspace

FILES = 300
AT_ONCE = 4


@pytest.mark.parametrize(
    "act",
    [
        Workspace.remove,
        Workspace.discard,
        lambda workspace, folder: workspace.remove_files(folder, but=set()),
    ],
    ids=["remove", "discard", "remove the files"],
)
def test_what_several_remove_at_once_is_gone_and_nobody_fails(
    tmp_path: Path, act: Callable[[Workspace, Path], None]
) -> None:
    workspace = Workspace(tmp_path)
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        for number in range(FILES):
            (folder / f"{number}.dcm").touch()
        together = Barrier(AT_ONCE)

        def remove(folder: Path, together: Barrier) -> None:
            together.wait(30)
            act(workspace, folder)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [threads.submit(remove, folder, together) for _ in range(AT_ONCE)]:
                done.result()
        workspace.remove_if_empty(folder)

        assert list(tmp_path.iterdir()) == []
