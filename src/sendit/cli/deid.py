"""``sendit deid IN OUT``: the engine alone, without Django, database or service.

Parses the words, makes the recipe and the identities, has the work done by
``deid_folder``, and shows the result: a summary on stdout, what was not written on stderr,
and everything in the JSON of ``--report``.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sendit.cli.arguments import add_common, positive
from sendit.cli.deid_folder import Entry, Job, deidentify_folder
from sendit.config.keys import site_key
from sendit.config.load import DEFAULT_PROJECT, load, load_project
from sendit.config.own_keys import own_key_without_database, require_open
from sendit.deid import Accept, Recipe, Totals
from sendit.deid.files import part_path
from sendit.identity.base import IdentityContext
from sendit.identity.registry import build
from sendit.terms import Outcome

EXAMPLE = """\
example:
  sendit deid inbox/ACC0001 clean --report report.json

IN is a file or a folder of any depth; OUT gets
<PatientID>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm, all new values.
Pseudonyms, UIDs and the shift of dates come from the site key of the configuration in force,
so the same input gives the same result on every run.

exit code: 0 everything was written (or excluded by a filter), 1 a file was unreadable,
rejected or held, 2 wrong usage.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    try:
        words = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    if problem := _places(words.source, words.destination, words.report):
        return _refuse(problem)
    job = _job(words)
    totals = Totals(job.recipe, started=datetime.now(UTC))
    try:
        _work(job, words, totals)
    except OSError as error:
        place = error.filename or words.destination
        return _refuse(
            f"{error.strerror}: {place}. Stopped after {totals.files} "
            f"file{'' if totals.files == 1 else 's'}. Mend that, then run "
            "the same command again; results that are there already become the same again."
        )
    if words.report is not None:
        _write_report(words.report, totals)
    sys.stdout.write(_summary(totals))
    failed = (Outcome.HELD, Outcome.REJECTED, Outcome.UNREADABLE)
    return int(any(totals.count(outcome) for outcome in failed))


def _work(job: Job, words: argparse.Namespace, totals: Totals) -> None:
    """De-identify, and tell of each file that is not written."""
    for number, entry in enumerate(deidentify_folder(job), start=1):
        name = number if words.no_sources else _name(entry)
        totals.add(entry.report, source=name)
        if words.verbose or entry.report.outcome not in (Outcome.WRITTEN, Outcome.EXCLUDED):
            detail = f" ({entry.report.detail})" if entry.report.detail else ""
            what = entry.report.reason or entry.report.file
            _say(f"{entry.report.outcome}: {_shown(name)}: {what}{detail}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sendit deid",
        description="De-identify a file or a folder.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="IN", type=Path, help="file or folder to read")
    parser.add_argument("destination", metavar="OUT", type=Path, help="folder to write into")
    parser.add_argument(
        "--project",
        metavar="FILE",
        type=Path,
        help="project file, projects/*.toml; else the preset basic",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=None, help="processes (default: the cores)"
    )
    parser.add_argument("--report", metavar="FILE.json", type=Path, help="write what was done")
    parser.add_argument(
        "--no-sources", action="store_true", help="numbers instead of file names in all output"
    )
    add_common(parser)
    return parser


def _places(source: Path, destination: Path, report: Path | None) -> str:
    """Return what is wrong with the three places, or nothing."""
    if not source.exists():
        return f"IN does not exist: {source}"
    inner, outer = source.resolve(), destination.resolve()
    if destination.exists() and not destination.is_dir():
        return f"OUT is not a folder: {destination}"
    if outer.is_relative_to(inner) or inner.is_relative_to(outer):
        return "IN and OUT may not lie in one another; name another folder for OUT."
    if report is not None and report.resolve().is_relative_to(outer):
        return "The report may not lie in OUT: it can name original files. Write it elsewhere."
    if report is not None and report.resolve().is_relative_to(inner):
        return "The report may not lie in IN; write it elsewhere."
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        return f"The report cannot be written: {report.parent} is no folder, or {report} is one."
    return ""


def _job(words: argparse.Namespace) -> Job:
    """Make the recipe, the filters and the identity service from the configuration."""
    configuration = load(words.config, environ=os.environ, cwd=Path.cwd())
    key_file = configuration.settings.keys.site_file
    is_new = not key_file.exists()
    key = site_key(configuration.settings, history=False, fingerprint=None)
    if is_new:
        _say(
            f"Made a new site key, {key_file}. Pseudonyms, UIDs and shifts are the same again "
            "only with this key: keep it, and run later from this folder or with the same --config."
        )
    places = {
        "source": words.source,
        "destination": words.destination,
        "jobs": words.jobs or len(os.sched_getaffinity(0)),
    }
    if words.project is None:
        context = IdentityContext(site_key=key, namespace=DEFAULT_PROJECT, project=DEFAULT_PROJECT)
        service = build("keyed", {}, context=context)
        return Job(recipe=Recipe.resolve(), accept=Accept(), service=service, **places)
    project = load_project(words.project)
    require_open(configuration.settings, project.identity.namespace)
    return Job(
        recipe=project.recipe(),
        accept=project.accept.rules(),
        service=project.identity_service(
            key, own_key=own_key_without_database(configuration.settings, project.identity)
        ),
        entity_field=project.identity.entity_field,
        item_field=project.identity.item_field,
        on_missing=project.identity.on_missing,
        by_issuer=project.identity.by_issuer,
        **places,
    )


def _name(entry: Entry) -> str:
    """Return a path as text; bytes that are no text are escaped."""
    return os.fsencode(entry.path).decode("utf-8", "backslashreplace")


def _shown(name: str | int) -> str:
    """Return a name for the terminal, which obeys what stands behind an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(name))


def _summary(totals: Totals) -> str:
    if not totals.files:
        return "0 files: IN holds none.\n"
    counts = ", ".join(f"{totals.count(outcome)} {outcome}" for outcome in Outcome)
    return f"{totals.files} {'file' if totals.files == 1 else 'files'}: {counts}\n"


def _write_report(path: Path, totals: Totals) -> None:
    """Write the report for its owner alone, whole or not at all."""
    part = part_path(path)
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(totals.as_json(), stream, indent=1)
        stream.write("\n")
    part.replace(path)


def _refuse(problem: str) -> int:
    _say(problem)
    return 1


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
