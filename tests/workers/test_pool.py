import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.hanging_mount import mounted
from tests.support.installation import Installation

ROOT = Path(__file__).parents[2]


def run_script(installation: Installation, script: str, **environ: str) -> str:
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
    said, complaints = installation.root / "said", installation.root / "complaints"
    with said.open("wb") as stdout, complaints.open("wb") as stderr:
        done = subprocess.run(
            [sys.executable, str(file)],
            env=installation.environ(DJANGO_SETTINGS_MODULE="sendit.server.settings", **environ),
            cwd=installation.root,
            stdout=stdout,  # no pipes: a process that cannot be ended would keep them open
            stderr=stderr,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, complaints.read_text()
    return said.read_text()


@pytest.mark.timeout(120)
def test_worker_that_is_stuck_past_its_deadline_is_replaced(installation: Installation) -> None:
    said = run_script(
        installation,
        """
        pool = Pool(processes=1)
        pool.start()
        first = pool._workers[0].process
        pool._workers[0].signs.deadline = time.monotonic() - 60
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


HASTY = """
import os
from datetime import UTC, datetime, timedelta
from sendit.workers.pool import Life

def work(parent, signs):
    life = Life(parent, signs)
    until = datetime.now(UTC) + timedelta(seconds=600)
    while os.getppid() == parent:
        life.watch(until, 7)
        life.watch(None, 7)
"""


@pytest.mark.timeout(120)
def test_worker_that_ends_a_step_while_it_is_looked_at_is_not_stuck(
    installation: Installation,
) -> None:
    (installation.root / "hasty.py").write_text(HASTY)

    said = run_script(
        installation,
        """
        pool = Pool(processes=1, what="hasty")
        pool.start()
        worker = pool._workers[0]
        while worker.signs.batch != 7:
            time.sleep(0.05)
        print({pool._stuck(worker) for _ in range(300_000)})
        worker.process.kill()
        """,
    )

    assert said.splitlines() == ["{None}"]


BUSY = """
import threading
from datetime import UTC, datetime, timedelta
from sendit.workers.pool import Life

def work(parent, signs, seconds):
    Life(parent, signs).watch(datetime.now(UTC) + timedelta(seconds=float(seconds)), 7)
    threading.Event().wait(600)
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("seconds", "before", "after", "replaced"),
    [(600, "+0", "+86400", False), (-60, "+86400", "+0", True)],
    ids=["not when the clock is set ahead", "also when it is set back"],
)
def test_deadline_goes_by_a_clock_that_nobody_sets(
    installation: Installation,
    faketime: dict[str, str],
    seconds: int,
    before: str,
    after: str,
    replaced: bool,
) -> None:
    (installation.root / "busy.py").write_text(BUSY)
    clock = installation.root / "clock"
    clock.write_text(before)

    said = run_script(
        installation,
        f"""
        import threading
        from pathlib import Path
        rest = threading.Event()  # time.sleep() is refused where faketime sets the clock
        pool = Pool(processes=1, what="busy", arguments=("{seconds}",))
        pool.start()
        first = pool._workers[0]
        while first.signs.batch != 7:
            rest.wait(0.05)
        was = time.time()
        Path({str(clock)!r}).write_text({after!r})
        while abs(time.time() - was) < 80000:
            rest.wait(0.05)
        pool.tend()
        print(pool._workers[0] is not first)
        pool.stop(seconds=0)
        """,
        **faketime,
        FAKETIME_TIMESTAMP_FILE=str(clock),
    )

    assert said.split() == [str(replaced)]


STUCK = """
import os, time

def work(parent, signs, place):
    signs.batch, signs.heard, signs.deadline = 7, time.monotonic(), time.monotonic() + 600
    os.stat(f"{place}/{os.getpid()}")
    signs.deadline = 0
    time.sleep(600)
"""


@pytest.mark.fuse
@pytest.mark.timeout(120)
def test_workers_that_sleep_in_the_kernel_are_replaced_and_not_without_end(
    installation: Installation, tmp_path: Path
) -> None:
    (installation.root / "stuck.py").write_text(STUCK)
    place = tmp_path / "server"
    place.mkdir()
    with mounted(installation.out, place) as server:
        server.hang()

        said = run_script(
            installation,
            f"""
            from pathlib import Path
            file = Path({str(place.with_suffix(".kept"))!r})
            pool = Pool(processes=1, what="stuck", arguments=({str(place)!r},), silence=0.2,
                hangs=lambda batch: batch == 7)

            def stuck(count):
                until = time.monotonic() + 60
                while not (pool._workers[0].signs.batch == 7 and kept() >= count and silent()):
                    assert time.monotonic() < until
                    time.sleep(0.05)

            def silent():
                return time.monotonic() > pool._workers[0].signs.heard + 1

            def kept():
                return int(file.read_text() or 0) if file.exists() else 0

            pool.start()
            for count in (1, 2):
                stuck(count)
                pool.tend()
                print(len(pool._workers), len(pool._left_behind))
            pool.tend()
            print(len(pool._workers), len(pool._left_behind))
            print([open(f"/proc/{{one.pid}}/stat").read().split()[2] for one in pool._left_behind])
            began = time.monotonic()
            pool.stop()
            print(time.monotonic() - began < 10)
            """,
        )

    assert said.splitlines() == ["1 1", "0 2", "0 2", "['D', 'D']", "True"]


LINGERING = """
import threading
from sendit.workers.pool import Life

def work(parent, signs):
    Life(parent, signs)
    threading.Event().wait(600)
"""


@pytest.mark.timeout(120)
def test_worker_whose_parent_died_before_it_began_ends(installation: Installation) -> None:
    (installation.root / "lingering.py").write_text(LINGERING)

    said = run_script(
        installation,
        """
        import multiprocessing, os
        from sendit.workers.entry import Signs, begin
        context = multiprocessing.get_context("fork")
        nobody = os.getpid() + 1
        signs = context.RawValue(Signs)
        orphan = context.Process(target=begin, args=("lingering", nobody, signs), daemon=True)
        orphan.start()
        orphan.join(20)
        print(orphan.exitcode)
        """,
    )

    assert said.splitlines() == ["0"]


FAILING = """
from django.db import OperationalError
from sendit.errors import KeyProblem

def work(parent, signs, kind):
    raise {"bug": ValueError, "database": OperationalError, "ours": KeyProblem}[kind]("Doe^Jane")
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("bug", "a worker ended by an error in sendit itself"),
        ("database", "the database did not answer (OperationalError)"),
        ("ours", "Doe^Jane"),  # our own messages hold no such thing, and are shown
    ],
)
def test_worker_that_cannot_begin_says_so_in_a_line_of_the_log(
    installation: Installation, kind: str, told: str
) -> None:
    (installation.root / "failing.py").write_text(FAILING)

    said = run_script(
        installation,
        f"""
        pool = Pool(processes=1, what="failing", arguments=("{kind}",))
        pool.start()
        worker = pool._workers[0].process
        worker.join(30)
        print(worker.exitcode)
        """,
    )

    complaints = (installation.root / "complaints").read_text()
    assert said.splitlines() == ["1"]
    assert told in complaints
    assert "Traceback" not in complaints
    assert ("Doe" in complaints) == (kind == "ours")


@pytest.mark.timeout(120)
def test_pool_says_once_that_its_last_worker_came_to_rest(installation: Installation) -> None:
    said = run_script(
        installation,
        """
        from datetime import UTC, datetime
        from sendit.pipeline import machine
        from sendit.records.models import Batch, Profile
        def wait(until):
            ends = time.monotonic() + 60
            while not until() and time.monotonic() < ends:
                time.sleep(0.01)
        def rests():
            return sum(worker.signs.rests for worker in pool._workers)
        pool = Pool(processes=1)
        pool.start()
        wait(lambda: rests() == 1)
        print(pool.rested(), pool.rested())
        [project] = settings.SENDIT.projects.values()
        Profile.objects.create(digest="d", project="demo", content=project.snapshot())
        batch = machine.register(uid="a", uid_digest="a", folder="a", folder_key="1:1",
            inbox="/none", project="demo", profile_id="d", priority=0)
        machine.admit(batch.pk, now=datetime.now(UTC))
        wait(lambda: rests() > 1)
        [worker] = pool._workers
        one = worker.signs
        one.deadline = time.monotonic() + 60
        print(pool.rested())
        one.deadline = 0.0
        print(pool.rested(), pool.rested())
        pool.stop()
        """,
    )

    assert said.splitlines() == ["True False", "False", "True False"]
