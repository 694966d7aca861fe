import os
from datetime import UTC, datetime, timedelta

from sendit.pipeline.sweep import remove_old_err_folders
from tests.support.installation import INSTALLATION, Installation

KEPT_30_DAYS = INSTALLATION.replace("[ingest]", '[ingest]\nerr_retention = "30 days"')


def test_err_folder_is_kept_from_when_it_was_set_aside_however_old_its_files_are(
    installation: Installation,
) -> None:
    installation.write_config(KEPT_30_DAYS)
    configuration = installation.configuration()
    folder = installation.inbox / "ACC1"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/notes.txt").write_text("x")
    for path in (folder / "deep/notes.txt", folder / "deep", folder):
        os.utime(path, (10**9, 10**9))
    set_aside = folder.rename(installation.inbox / "ACC1.err")
    now = datetime.now(UTC)

    assert remove_old_err_folders(configuration, now=now + timedelta(days=29)) == 0
    assert set_aside.is_dir()
    assert remove_old_err_folders(configuration, now=now + timedelta(days=31)) == 1
    assert not set_aside.exists()
