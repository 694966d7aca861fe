"""Allocate names for 10,000 studies of 3,000 patients by 4 processes at once.

::

    python -m benchmarks.ledger

SQLite lies in a temporary folder; a PostgreSQL is started, where there is one, beside it.
Each process asks batch by batch, one study of one patient, in an order of its own; every tenth
study is asked for by two of them, so that they meet.  The answers of all must agree.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.servers import postgresql

STUDIES, PATIENTS, WORKERS = 10_000, 3_000, 4


def main() -> int:
    """Measure with each database and print a line for each."""
    arguments = _parse()
    failed = measure("SQLite", {}, arguments)
    with postgresql() as url:
        if url is None:
            print("PostgreSQL is not installed: left out")
        else:
            failed |= measure("PostgreSQL", {"SENDIT_DATABASE_URL": url}, arguments)
    return failed


def measure(kind: str, settings: Mapping[str, str], arguments: argparse.Namespace) -> int:
    """Start the workers and print one line; 1 when an answer is wrong."""
    with tempfile.TemporaryDirectory(prefix="sendit-ledger-", dir=arguments.folder) as scratch:
        environ = {**os.environ, **settings, "SENDIT_WORK_DIR": scratch}
        worker = [sys.executable, "-m", "benchmarks.ledger", "--studies", str(arguments.studies)]
        worker += ["--meet", str(arguments.meet)]
        subprocess.run(
            [*worker, "--worker", "-1"], check=True, env=environ, stdout=subprocess.DEVNULL
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        workers = [
            subprocess.Popen([*worker, "--worker", str(n)], env=environ, stdout=subprocess.PIPE)
            for n in range(WORKERS)
        ]
        answers = [json.loads(worker.communicate()[0]) for worker in workers]
        seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    together: dict[str, list[object]] = {}
    disagreed = sum(
        together.setdefault(study, identity) != identity
        for answer in answers
        for study, identity in answer.items()
    )
    names = {tuple(identity[:2]) for identity in together.values()}
    whole = len(together) == len(names) == arguments.studies and not disagreed
    print(
        f"ledger, {kind}: {arguments.studies} studies of {_patients(arguments.studies)} patients "
        f"by {WORKERS} processes in {seconds:.1f} s "
        f"({cpu:.1f} s of CPU), {disagreed} disagreements"
    )
    return int(not whole)


def work(number: int, studies: int, meet: int) -> None:
    """Ask for the studies of one worker and print the answers as JSON."""
    # Imported here: the parent needs no Django, and the child only once its folder is named.
    import django  # noqa: PLC0415

    os.environ["DJANGO_SETTINGS_MODULE"] = "sendit.server.settings"
    django.setup()
    from django.conf import settings  # noqa: PLC0415

    from sendit.identity import IdentityContext, IdentityRequest  # noqa: PLC0415
    from sendit.identity.base import PatientRequest, StudyRequest  # noqa: PLC0415
    from sendit.identity.registry import build  # noqa: PLC0415
    from sendit.pipeline.preparation import prepare  # noqa: PLC0415
    from sendit.records.ledger import DatabaseLedger  # noqa: PLC0415

    key = prepare(settings.SENDIT).site
    mine = [
        n
        for n in range(studies)
        if number == n % WORKERS or (n % meet == 0 and number == (n + 1) % WORKERS)
    ]
    random.Random(number).shuffle(mine)
    context = IdentityContext(key, "bench", "bench", ledger=DatabaseLedger())
    service = build("ledger", {}, context=context)
    answers = {}
    for n in mine:
        patient = f"{n % _patients(studies):08}"
        study = StudyRequest(f"1.2.{n}", f"ACC{n}", "20150601")
        request = IdentityRequest(str(n), (PatientRequest(patient, "19500302", (study,)),))
        one = service.identify(request).of(patient, study.study_instance_uid)
        answers[n] = [one.patient_pseudonym, one.study_pseudonym, one.shift_days]
    print(json.dumps(answers))


def _patients(studies: int) -> int:
    return studies * PATIENTS // STUDIES


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--meet", type=int, default=10, help="of so many, one is asked for twice")
    parser.add_argument("--folder", type=Path, default=None, help="where the SQLite database lies")
    parser.add_argument("--worker", type=int, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        work(arguments.worker, arguments.studies, arguments.meet)
        sys.exit(0)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
