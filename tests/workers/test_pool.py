import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.installation import Installation

ROOT = Path(__file__).parents[2]


def run_script(installation: Installation, script: str) -> str:
    """Run lines of Python with Django set up on the installation, as a file of their own."""
    file = installation.root / "script.py"
    file.write_text(
        "import django, time\n"
        "if __name__ == '__main__':\n"
        "    django.setup()\n"
        "    from django.conf import settings\n"
        "    from sendit.pipeline.preparation import prepare\n"
        "    from sendit.workers.pool import Pool\n"
        "    prepare(settings.SENDIT)\n" + textwrap.indent(textwrap.dedent(script), "    ")
    )
    done = subprocess.run(
        [sys.executable, str(file)],
        env=installation.environ(DJANGO_SETTINGS_MODULE="sendit.server.settings"),
        cwd=installation.root,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(120)
def test_worker_that_is_stuck_past_its_deadline_is_replaced(installation: Installation) -> None:
    said = run_script(
        installation,
        """
        pool = Pool(processes=1)
        pool.start()
        first = pool._workers[0].process
        pool._workers[0].deadline.value = time.time() - 60
        pool.tend()
        second = pool._workers[0].process
        print(first.exitcode, first.pid != second.pid, second.is_alive())
        pool.stop()
        print(second.is_alive())
        """,
    )

    assert said.splitlines() == ["-9 True True", "False"]


@pytest.mark.timeout(120)
def test_worker_that_died_is_replaced_and_its_claim_is_free(installation: Installation) -> None:
    said = run_script(
        installation,
        """
        from datetime import UTC, datetime, timedelta
        from sendit.pipeline import machine
        from sendit.records.models import Batch, Profile
        pool = Pool(processes=1)
        pool.start()
        worker = pool._workers[0]
        profile = Profile.objects.create(digest="d", project="demo", content={})
        batch = machine.register(uid="a", uid_digest="a", folder="a", folder_key="1:1",
            inbox="/none", project="demo", profile_id="d", priority=0)
        machine.admit(batch.pk, now=datetime.now(UTC))
        worker.process.kill()
        worker.process.join()
        machine.claim(batch.pk, "import", worker=worker.name, lease=timedelta(hours=1), tries=3,
            now=datetime.now(UTC))
        print(Batch.objects.claimable(datetime.now(UTC)).count())
        pool._size = 0
        pool.tend()
        print(Batch.objects.claimable(datetime.now(UTC)).count(), len(pool._workers))
        """,
    )

    assert said.splitlines() == ["0", "1 0"]
