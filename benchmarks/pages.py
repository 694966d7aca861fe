"""How long the pages take when there is much: 100,000 batches, 1,000,000 images.

``python -m benchmarks.pages`` fills an SQLite database and, where its server is installed, a
PostgreSQL one, asks for the dashboard and the list of batches as a browser does, and prints
the median time of the server, the processor time in it (which a busy machine does not change)
and the number of queries.  ``--quick`` takes a hundredth.

The rows are written without the pipeline, since nothing here depends on how they came to be.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import cpu_seconds, server_process
from benchmarks.servers import postgresql

if TYPE_CHECKING:
    from django.test import Client

SOURCES = Path(__file__).parents[1]
BATCHES, IMAGES = 100_000, 10
ROUNDS = 20
LIMIT_SECONDS = 0.1
PICTURE_SECONDS = 0.05
PAGES = (
    ("dashboard", "/"),
    ("batches", "/batches/"),
    ("batches, last page", "/batches/?page=999999"),
    ("batches, in error", "/batches/?status=ERROR"),
    ("batches, that need a person", "/batches/?errors=person"),
    ("batches, by project and day", "/batches/?project=p1&since=2026-01-05&sort=largest"),
    ("batches, last finished", "/batches/?sort=finished"),
    ("batches, one by name", "/batches/?q=ACC00077777"),
    ("errors", "/errors/"),
    ("targets", "/targets/"),
    ("API: batches", "/api/batches?page_size=50"),
)
IMAGE_ROWS = f"""
INSERT INTO records_image (batch_id, nr, verdict, reason, detail, released, status, lease_token,
  attempts, sop_digest, modality, size, sop_instance_uid, series_instance_uid, study_instance_uid,
  patient_id, study_pseudonym, study_date, series_digest, file, sha256, result_size, report,
  created, modified)
SELECT b.id, n.n, 'ACCEPTED', '', '', '',
  CASE b.status WHEN 'DONE' THEN 'DONE' ELSE 'DONEPROCESSING' END, '', 0,
  CAST(b.id AS VARCHAR(30)) || '.' || CAST(n.n AS VARCHAR(9)), 'CT', 500000, '2.25.1', '2.25.2',
  '2.25.3', 'P', 'S', '20260101', '', 'a/b.dcm', '', 1, '{{}}', b.created, b.modified
FROM records_batch b CROSS JOIN ({" UNION ALL ".join(f"SELECT {n} AS n" for n in range(1, 11))}) n
WHERE b.status <> 'QUEUE'
"""
CONFIGURATION = """\
work_dir = "data"
[database]
url = "{url}"
[[inboxes]]
path = "inbox"
project = "p0"
"""
PROJECT = '[deid]\ndefacing = "off"\n[[targets]]\nname = "out"\nkind = "folder"\npath = "../out"\n'


def main() -> int:
    """Run this module once more for each database, since Django knows one for a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--inside", metavar="KIND", help=argparse.SUPPRESS)
    words = parser.parse_args()
    n_batches = BATCHES // 100 if words.quick else BATCHES
    if words.inside:
        return measure(words.inside, n_batches)
    slow = run("SQLite", "sqlite:///data/sendit.sqlite3", quick=words.quick)
    with postgresql() as url:
        if url is None:
            print("PostgreSQL is not installed: left out")
        else:
            slow |= run("PostgreSQL", url, quick=words.quick)
    return slow


def run(kind: str, url: str, *, quick: bool) -> int:
    """Measure with one database, in a process of its own; 1 when a page was too slow."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("inbox", "projects", "out"):
            (folder / part).mkdir()
        (folder / "sendit.toml").write_text(CONFIGURATION.format(url=url))
        for number in range(3):
            (folder / "projects" / f"p{number}.toml").write_text(PROJECT)
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.pages", f"--inside={kind}"] + ["--quick"] * quick,
            check=False,
            cwd=SOURCES,
            env={
                **os.environ,
                "SENDIT_CONFIG": str(folder / "sendit.toml"),
                "DJANGO_SETTINGS_MODULE": "sendit.server.settings",
                "PYTHONPATH": f"{SOURCES / 'src'}:{SOURCES}",
            },
        ).returncode


def measure(kind: str, n_batches: int) -> int:
    """Fill the database and time the pages; 1 when one of the first two is too slow."""
    import django  # noqa: PLC0415 - this process has just been told which settings

    django.setup()
    # As above.
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection, reset_queries  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from sendit.pipeline.preparation import prepare  # noqa: PLC0415
    from sendit.records.access import local_user  # noqa: PLC0415

    prepare(settings.SENDIT)
    began = time.perf_counter()
    fill(n_batches)
    took = time.perf_counter() - began
    print(f"\n{kind}: {n_batches} batches, {n_batches * IMAGES} images (written in {took:.0f} s)")
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(local_user(), "django.contrib.auth.backends.ModelBackend")
    slow = 0
    for name, path in PAGES:
        client.get(path)
        times = []
        worked = cpu_seconds(*server_process(connection))
        for _ in range(ROUNDS):
            began = time.perf_counter()
            answer = client.get(path)
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.status_code
        cpu = (cpu_seconds(*server_process(connection)) - worked) / ROUNDS
        settings.DEBUG = True
        reset_queries()
        client.get(path)
        n_queries = len(connection.queries)
        if os.environ.get("EXPLAIN"):
            for query in sorted(connection.queries, key=lambda q: -float(q["time"]))[:3]:
                print("   ", query["time"], query["sql"][:400])
        settings.DEBUG = False
        median = statistics.median(times)
        slow |= min(median, cpu) > LIMIT_SECONDS
        print(
            f"  {name:32} {median * 1000:7.1f} ms, of it {cpu * 1000:6.1f} ms at work"
            f" {n_queries:3} queries",
            flush=True,
        )
    return int(slow) | measure_picture(client)


def measure_picture(client: "Client") -> int:
    """Time a slice of 512 × 512 pixels, drawn for the first time and again."""
    # As above.
    import numpy as np  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    from sendit.pipeline.workspace import Workspace  # noqa: PLC0415
    from sendit.records.models import Image  # noqa: PLC0415
    from tests.support.make_study import make_study  # noqa: PLC0415

    image = Image.objects.select_related("batch").filter(status="DONEPROCESSING").first()
    assert image is not None
    pixels = np.random.default_rng(7).integers(0, 4000, (512, 512), np.uint16)
    clean = Workspace(settings.SENDIT.settings.work_dir).clean(image.batch_id)
    (file,) = make_study(
        clean, n_series=1, n_images=1, rows=512, columns=512, PixelData=pixels.tobytes()
    )
    Image.objects.filter(pk=image.pk).update(file=str(file.relative_to(clean)))
    slow = 0
    for name, query in (("first", "?centre={}&width=400"), ("again", "?centre=0&width=400")):
        times, worked = [], time.process_time()
        for number in range(ROUNDS):
            began = time.perf_counter()
            answer = client.get(f"/image/{image.pk}/preview{query.format(number)}")
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.status_code
        cpu = (time.process_time() - worked) / ROUNDS
        median = statistics.median(times)
        slow |= min(median, cpu) > PICTURE_SECONDS
        print(f"  picture 512 × 512, {name:13} {median * 1000:7.1f} ms, {cpu * 1000:6.1f} at work")
    return int(slow)


def fill(n_batches: int) -> None:
    """Write batches of every kind, mostly done, over the last ninety days."""
    from sendit.pipeline.machine.table import HELD_PERSON  # noqa: PLC0415 - as in measure
    from sendit.records.encrypted import keyed_digest  # noqa: PLC0415
    from sendit.records.models import (  # noqa: PLC0415
        Batch,
        Delivery,
        Finding,
        Profile,
        StageRun,
    )

    random.seed(7)
    now = datetime.now(UTC)
    profiles = [
        Profile.objects.create(digest=f"sha256:{n}", project=f"p{n}", content={"targets": []})
        for n in range(3)
    ]
    chunk = 5000
    for start in range(0, n_batches, chunk):
        batches, findings, deliveries, runs = [], [], [], []
        for number in range(start, min(start + chunk, n_batches)):
            pk = number + 1
            uid = f"ACC{number:08}"
            when = now - timedelta(days=90 * (1 - number / n_batches), minutes=random.random())
            left = n_batches - number
            kind = (
                "queue" if left <= 200
                else "busy" if left <= 208
                else "error" if number % 50 == 0
                else "person" if number % 97 == 0
                else "done"
            )  # fmt: skip
            status, stage, held = {
                "queue": ("QUEUE", "import", ""),
                "busy": ("PROCESSING", "deidentify", ""),
                "error": ("ERROR", "send", ""),
                "person": ("DONEPROCESSING", "clean_up", HELD_PERSON),
                "done": ("DONE", "", ""),
            }[kind]
            errors = []
            if kind in ("error", "person"):
                code = random.choice(["TARGET_UNAVAILABLE", "TARGET_FULL", "NOT_DICOM"])
                findings.append(
                    Finding(pk=pk, batch_id=pk, severity="error", stage=stage, code=code,
                            message="It did not answer.", time=when)
                )  # fmt: skip
                errors.append(
                    {"time": when.isoformat(), "stage": stage, "code": code, "message": "It did "
                     "not answer.", "image": None, "target": None, "resolved": None, "finding": pk}
                )  # fmt: skip
            batches.append(
                Batch(pk=pk, uid=uid, uid_digest=keyed_digest(uid), folder=uid, folder_key="1:2",
                      inbox="/i", project=f"p{number % 3}", profile=profiles[number % 3],
                      status=status, stage=stage, held=held, has_error=bool(errors), errors=errors,
                      bytes=random.randint(10**6, 10**9),
                      started=None if kind == "queue" else when,
                      finished=when if kind in ("done", "error") else None)
            )  # fmt: skip
            if kind == "queue":
                continue
            runs.append(
                StageRun(batch_id=pk, stage="deidentify", worker="w", attempt=1, images=IMAGES,
                         started=when, ended=when, outcome="done")
            )  # fmt: skip
            deliveries.append(Delivery(batch_id=pk, target="out", kind="folder", state="verified"))
        Batch.objects.bulk_create(batches, batch_size=1000)
        Finding.objects.bulk_create(findings, batch_size=1000)
        Delivery.objects.bulk_create(deliveries, batch_size=1000)
        StageRun.objects.bulk_create(runs, batch_size=1000)
    from django.db import connection  # noqa: PLC0415 - as in measure

    from sendit.records.counting import COUNTS  # noqa: PLC0415
    from sendit.records.hours import HOURS  # noqa: PLC0415

    for sums in (COUNTS, HOURS):  # as the watcher does when it starts
        sums.sum_anew()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE records_batch SET created = COALESCE(started, created)")
        cursor.execute(IMAGE_ROWS)
        # What PostgreSQL does by itself some time after so many rows.
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


if __name__ == "__main__":
    sys.exit(main())
