"""The whole pipeline as a site runs it: watcher, workers of two zones, Redis, PostgreSQL.

``python -m benchmarks.site FOLDER PROCESSES`` works in a folder that ``ways.py`` has made until
everything rests.  PostgreSQL runs beside it, as at a site; its CPU time is no process of ours.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_program


def main() -> int:
    """Run the site until its inbox is worked off."""
    folder, processes = Path(sys.argv[1]), sys.argv[2]
    initdb, redis_server = find_program("initdb"), find_program("redis-server")
    if initdb is None or redis_server is None:
        print("PostgreSQL or Redis is not installed.", file=sys.stderr)
        return 1
    database, broker = PostgreSQL(initdb), Redis(redis_server)
    try:
        database.start()
        broker.start()
        return _run(folder, processes, database.url, broker.url)
    finally:
        broker.remove()
        database.remove()


def _run(folder: Path, processes: str, database: str, broker: str) -> int:
    environ = {**os.environ, "SENDIT_DATABASE_URL": database, "SENDIT_BROKER_URL": broker}
    sendit = [sys.executable, "-m", "sendit", "--config", str(folder / "sendit.toml")]

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*sendit, *words], cwd=folder, env=environ)

    subprocess.run([*sendit, "check"], cwd=folder, env=environ, check=True, capture_output=True)
    workers = [
        start("worker", "--zone", "phi", "--concurrency", processes),
        start("worker", "--zone", "out", "--concurrency", "1"),
    ]
    try:
        time.sleep(2)  # a site's workers are there before a study is
        return start("run", "--once", "--strict").wait()
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


if __name__ == "__main__":
    sys.exit(main())
