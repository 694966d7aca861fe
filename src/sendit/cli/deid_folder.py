"""De-identify every file of a folder, in several processes, one report per file.

::

    1  read every header            duplicates, filters, and who is to be named are known then
    2  ask for all identities       one request
    3  de-identify what is accepted
    4  report in path order         every file has exactly one entry

A file that brings its process down costs itself and nothing else: the chunk that it was in is
done again, file by file.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Final, Literal, TypeVar

from sendit.deid import (
    Accept,
    Engine,
    Header,
    Identities,
    KnownValue,
    Recipe,
    Report,
    normal_id,
    read_header,
    screen,
)
from sendit.deid.ahead import each_ahead
from sendit.deid.files import files_under, same_bytes
from sendit.errors import Excluded, ImageError, Rejected, Unreadable
from sendit.identity.base import IdentityRequest, IdentityService, PatientRequest, StudyRequest
from sendit.identity.complete import complete_request
from sendit.terms import Reason

CHUNK: Final = 32
ISSUER: Final = "IssuerOfPatientID"
FEW: Final = 64
"""So few files are done here: starting processes would take longer."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done."""

    source: Path
    destination: Path
    recipe: Recipe
    accept: Accept
    service: IdentityService
    entity_field: str = "PatientID"
    item_field: str = "AccessionNumber"
    on_missing: Literal["stop", "derive"] = "derive"
    """``stop``: a file of a Study without item is rejected, since there is no batch to stop."""
    by_issuer: bool = False
    """The same id of another Issuer of Patient ID is another patient."""
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One input file and what became of it."""

    path: Path = field(repr=False)
    """Relative to IN; may identify."""
    report: Report


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is remembered of a file between the two passes."""

    path: Path = field(repr=False)
    patient_id: str = field(repr=False, default="")
    issuer: str = field(repr=False, default="")
    birth_date: str = field(repr=False, default="")
    study_instance_uid: str = field(repr=False, default="")
    study_date: str = field(repr=False, default="")
    item: str = field(repr=False, default="")
    sop_instance_uid: str = field(repr=False, default="")
    known: frozenset[KnownValue] = field(repr=False, default=frozenset())
    report: Report | None = None
    """Set when the file goes no further."""


def deidentify_folder(job: Job) -> Iterator[Entry]:
    """Do the job and yield an entry for every input file, in path order."""
    root = job.source if job.source.is_dir() else job.source.parent
    files = list(_inputs(job.source))
    look = partial(_look_at, root=root.resolve(), accept=job.accept, fields=_fields(job))
    seen = list(each_in_processes(look, files, jobs=job.jobs, crashed=_crashed_look))
    seen = _without_doubles(seen)
    if job.on_missing == "stop":
        seen = list(_with_items(seen, job.item_field))
    identities = _identities(job, seen)
    accepted = [one.path for one in seen if one.report is None]
    folders = sorted({part for path in files for part in path.relative_to(root).parts})
    work = _Work(job.recipe, identities, tuple(folders), job.destination)
    job.destination.mkdir(parents=True, exist_ok=True)
    done = each_in_processes(work, accepted, jobs=job.jobs, crashed=_crashed)
    for one in seen:
        report = next(done) if one.report is None else one.report
        yield Entry(one.path.relative_to(root), report)


def _inputs(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    for path in files_under(source):
        # A link to a folder inside IN shows what is read anyway.
        if not (
            path.is_symlink() and path.is_dir() and path.resolve().is_relative_to(source.resolve())
        ):
            yield path


def _fields(job: Job) -> tuple[str, ...]:
    return (job.entity_field, job.item_field, "PatientBirthDate", "StudyDate", ISSUER)


def _look_at(
    paths: Sequence[Path], *, root: Path, accept: Accept, fields: tuple[str, ...]
) -> list[_Seen]:
    return [_look(path, root=root, accept=accept, fields=fields) for path in paths]


def _look(path: Path, *, root: Path, accept: Accept, fields: tuple[str, ...]) -> _Seen:
    """Read one header; what cannot go on carries its report."""
    try:
        size = path.lstat().st_size
        if path.is_symlink():
            _refuse_link(path, root)
        header = read_header(path, fields=fields, knowledge=True)
        size = header.size
        screen(header, accept=accept)
        if not normal_id(header.values[fields[0]]):
            raise Rejected(Reason.NO_IDENTITY, f"{fields[0]} is empty or missing")
    except ImageError as error:
        return _Seen(path, report=Report.of_error(error, bytes_in=size))
    except OSError:
        gone = Unreadable(Reason.NO_PERMISSION, "cannot be read")
        return _Seen(path, report=Report.of_error(gone))
    return _seen(path, header, fields)


def _refuse_link(path: Path, root: Path) -> None:
    """Raise: a link shows a file that is read under its own name, or one outside of IN."""
    try:
        target = path.resolve(strict=True)
        inside = target.is_relative_to(root) and target.is_file()
    except (OSError, RuntimeError):  # to nothing, or in a circle
        inside = False
    if inside:
        raise Excluded(Reason.SAME_FILE, "link inside the folder")
    raise Unreadable(Reason.LINK_OUTSIDE, "is a link that leads to no file of the folder")


def _seen(path: Path, header: Header, fields: tuple[str, ...]) -> _Seen:
    entity, item, birth, date, issuer = (header.values[name] for name in fields[:5])
    return _Seen(
        path=path,
        patient_id=entity,
        issuer=issuer,
        item=item,
        birth_date=birth,
        study_date=date,
        study_instance_uid=header.study_instance_uid,
        sop_instance_uid=header.sop_instance_uid,
        known=header.known,
    )


def _without_doubles(seen: Sequence[_Seen]) -> list[_Seen]:
    """Let the first of several files with one SOP Instance UID go on, in path order."""
    first: dict[str, Path] = {}
    result = []
    for one in seen:
        if one.report is None:
            other = first.setdefault(one.sop_instance_uid, one.path)
            if other is not one.path:
                one = _Seen(one.path, report=_double(one.path, other))
        result.append(one)
    return result


def _with_items(seen: Sequence[_Seen], item_field: str) -> Iterator[_Seen]:
    """Let what belongs to a Study that names its item in one of its files go on."""
    named = {_study(one) for one in seen if one.report is None and normal_id(one.item)}
    missing = Rejected(
        Reason.NO_IDENTITY, f'{item_field} is empty or missing; on_missing = "derive" lets it go on'
    )
    for one in seen:
        if one.report is None and _study(one) not in named:
            size = one.path.stat().st_size
            yield _Seen(one.path, report=Report.of_error(missing, bytes_in=size))
        else:
            yield one


def _study(one: _Seen) -> tuple[str, str]:
    return normal_id(one.patient_id), one.study_instance_uid


def _double(path: Path, other: Path) -> Report:
    size = path.stat().st_size
    if same_bytes(path, other):
        return Report.of_error(Excluded(Reason.SAME_FILE), bytes_in=size)
    return Report.of_error(Rejected(Reason.SAME_UID, "(0008,0018)"), bytes_in=size)


def _identities(job: Job, seen: Sequence[_Seen]) -> Identities:
    """Ask once for every Study that goes on."""
    patients: dict[tuple[str, str], PatientRequest] = {}
    studies: dict[tuple[str, str], dict[str, StudyRequest]] = {}
    for one in seen:
        if one.report is None:
            issuer = one.issuer if job.by_issuer else ""
            key = (normal_id(one.patient_id), issuer)
            patients.setdefault(key, PatientRequest(one.patient_id, one.birth_date, (), issuer))
            request = StudyRequest(one.study_instance_uid, one.item, one.study_date)
            known = studies.setdefault(key, {})
            if not normal_id(known.setdefault(one.study_instance_uid, request).item):
                known[one.study_instance_uid] = request
    asked = IdentityRequest(
        batch_key="deid",
        patients=tuple(
            replace(patient, studies=tuple(studies[key].values()))
            for key, patient in patients.items()
        ),
    )
    complete = complete_request(
        asked, entity_field=job.entity_field, item_field=job.item_field, on_missing="derive"
    )
    names = frozenset(value for one in seen for value in one.known)
    return replace(job.service.identify(complete), known=names)


class _Work:
    """De-identifies one file; makes its engine in the process that it runs in."""

    def __init__(
        self, recipe: Recipe, identities: Identities, names: tuple[str, ...], destination: Path
    ) -> None:
        self._recipe = recipe
        self._identities = identities
        self._names = names
        self._destination = destination
        self._engine: Engine | None = None

    def __getstate__(self) -> tuple[object, ...]:
        return self._recipe, self._identities, self._names, self._destination

    def __setstate__(self, state: tuple[Recipe, Identities, tuple[str, ...], Path]) -> None:
        self._recipe, self._identities, self._names, self._destination = state
        self._engine = None

    def __call__(self, paths: Sequence[Path]) -> Iterator[Report]:
        if self._engine is None:
            self._engine = Engine(self._recipe, self._identities, extra_known=self._names)
        start = partial(self._engine.steps_into, root=self._destination)
        with closing(each_ahead(paths, start)) as each:
            for path, finish in each:
                yield self._finished(path, finish)

    def _finished(self, path: Path, finish: Callable[[], Report]) -> Report:
        try:
            return finish()
        except ImageError as error:
            return Report.of_error(error, bytes_in=path.stat().st_size)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - the per-image boundary: one file, one report
            return _crashed(path, type(error).__name__)


def _crashed(path: Path, what: str = "the process ended") -> Report:
    return Report.of_error(Rejected(Reason.CRASHED, what), bytes_in=path.stat().st_size)


def _crashed_look(path: Path) -> _Seen:
    return _Seen(path, report=_crashed(path))


_task: Callable[[Sequence[Path]], Iterable[object]] | None = None
"""What a worker process does; set once when it starts, so that it is not sent with each chunk."""


def _start(task: Callable[[Sequence[Path]], Iterable[object]]) -> None:
    global _task
    _task = task
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess | None) -> None:
    """End this process when the one that started it is gone, killed ones included.

    Nobody would give it work any more, and it holds what identifies patients in memory.
    """
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(paths: Sequence[Path]) -> list[object]:
    assert _task is not None  # noqa: S101 - set by _start
    return list(_task(paths))


def each_in_processes(
    task: Callable[[Sequence[Path]], Iterable[R]],
    paths: Sequence[Path],
    *,
    jobs: int,
    crashed: Callable[[Path], R],
) -> Iterator[R]:
    """Yield what ``task`` makes of every path, in order, in several processes if it is worth it."""
    if jobs == 1 or len(paths) <= FEW:
        yield from task(paths)
        return
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    position = 0
    while position < len(chunks):
        try:
            with ProcessPoolExecutor(jobs, initializer=_start, initargs=(task,)) as pool:
                for results in pool.map(_do, chunks[position:]):
                    yield from results  # type: ignore[misc]
                    position += 1
        except BrokenProcessPool:
            for path in chunks[position]:
                yield _alone(task, path, crashed)
            position += 1


def _alone(
    task: Callable[[Sequence[Path]], Iterable[R]], path: Path, crashed: Callable[[Path], R]
) -> R:
    """Do one file in a process of its own."""
    try:
        with ProcessPoolExecutor(1, initializer=_start, initargs=(task,)) as pool:
            return pool.submit(_do, [path]).result()[0]  # type: ignore[return-value]
    except BrokenProcessPool:
        return crashed(path)
