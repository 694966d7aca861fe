"""What a target is given, what it answers, and what it must do.

A ``Package`` is de-identified by construction: it is built only from the results of a batch
and carries no path, id or name of an original.  Identified images travel as another type,
which only a target with ``send_identified`` takes.  Where a target keeps things is its own
matter; whether a batch may go on is the pipeline's.

A plug-in is one class and one model of its options (``extra="forbid"``, ``frozen=True``)::

    class Shelf:
        options_model = ShelfOptions

        def __init__(self, options: ShelfOptions) -> None: ...
        def send(self, package, /, *, progress=no_progress) -> Receipt: ...
        def verify(self, package, receipt, /, *, progress=no_progress) -> None: ...
        def probe(self) -> None: ...
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol, Self, runtime_checkable

from pydantic import AfterValidator, ValidationInfo

Progress = Callable[[], None]
"""Called after each instance or block, so that whoever sends can renew a lease."""


def no_progress() -> None:
    """Do nothing, for callers that hold no lease."""


def _absolute(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path.cwd())
    return Path(os.path.normpath(base / path.expanduser()))


LocalPath = Annotated[Path, AfterValidator(_absolute)]
"""A path in a configuration file; a relative one counts from the folder of that file."""


@dataclass(frozen=True, slots=True)
class PackagedInstance:
    """One de-identified instance."""

    sop_instance_uid: str
    file: str
    """Relative to the package's root: ``<PatientID>/<Study>/<Series>/<SOP>.dcm``, new values."""
    sha256: str
    """Of the whole file, in hexadecimal, as computed when it was written."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class PackagedStudy:
    """The instances of one Study under its new names."""

    patient_id: str
    study_instance_uid: str
    study_pseudonym: str
    study_date: str
    """Shifted, ``YYYYMMDD``; empty when the Study has none."""
    instances: tuple[PackagedInstance, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """What one batch hands to a target."""

    root: Path
    batch: int
    studies: tuple[PackagedStudy, ...]

    @property
    def instances(self) -> tuple[PackagedInstance, ...]:
        """Every instance, in the order of the studies."""
        return tuple(instance for study in self.studies for instance in study.instances)


@dataclass(frozen=True, slots=True)
class IdentifiedInstance:
    """One instance that was not de-identified."""

    number: int
    """Order of import; what messages call it."""
    file: str = field(repr=False)
    """Relative to the package's root."""
    path: str = field(repr=False)
    """Where it goes, relative to the target's own root."""
    sha256: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class IdentifiedPackage:
    """Originals of a project that does not anonymize."""

    root: Path
    batch: int
    instances: tuple[IdentifiedInstance, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a target told us when it took the package; kept to verify against later."""

    location: str
    """Where it is, in the target's own words."""
    n_instances: int
    digests: Mapping[str, str] = field(repr=False)
    """SHA-256 by new SOP Instance UID (by number when identified), as computed before sending."""
    volume: str = ""
    """Which volume it lay on, if the target is a place that can be mounted."""

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` takes."""
        return {
            "location": self.location,
            "n_instances": self.n_instances,
            "digests": dict(self.digests),
            "volume": self.volume,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Self:
        """Read what ``as_json`` wrote.

        Raises
        ------
        ValueError
            When the document is not a receipt.
        """
        match document:
            case {"location": str(location), "n_instances": int(count), "digests": dict(digests)}:
                sums = {str(uid): str(sha) for uid, sha in digests.items()}
                return cls(location, count, sums, str(document.get("volume", "")))
        raise ValueError("This is not a receipt: location, n_instances and digests are needed.")


class Target(Protocol):
    """A place where de-identified studies go."""

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package; called again after a crash, it must end in the same state.

        Raises
        ------
        sendit.errors.TargetConflict
            When other content stands under a name that the package needs.
        sendit.errors.TargetFull, sendit.errors.TargetUnavailable
            When trying again later can help.
        """

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Return if the target holds exactly this package.

        Raises
        ------
        sendit.errors.VerificationFailed
            When it does not.
        sendit.errors.NotYetProven
            When it cannot say yet.
        """

    def probe(self) -> None:
        """Write something small, prove that it is there, and remove it again."""


@runtime_checkable
class IdentifiedTarget(Protocol):
    """A target that also takes images that were not de-identified."""

    def send_identified(
        self, package: IdentifiedPackage, /, *, progress: Progress = no_progress
    ) -> Receipt:
        """Store the originals, as ``Target.send`` does results."""

    def verify_identified(
        self, package: IdentifiedPackage, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Return if the target holds exactly these originals, as ``Target.verify`` does."""


@runtime_checkable
class MountedTarget(Protocol):
    """A target on a volume, which may be away while the folder that it is mounted on is there."""

    def require_volume(self, earlier: Receipt, /) -> None:
        """Return unless the volume that took an earlier package is not mounted now.

        Raises
        ------
        sendit.errors.TargetUnavailable
            When it is not; what is written now would be hidden when it is mounted again.
        """


@runtime_checkable
class PreparableTarget(Protocol):
    """A target that can make its place the first time it is used."""

    def make_ready(self) -> None:
        """Make what is missing of a place where nothing was ever delivered to.

        Raises
        ------
        sendit.errors.TargetUnavailable
            When it cannot be made.
        """
