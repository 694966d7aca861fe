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

What more a target can do it says by having it: ``remove`` (``RemovableTarget``),
``send_identified``, ``require_volume``, ``make_ready``; and by four attributes, which
``location_of``, ``proves_content``, ``keeps_generations`` and ``packs_archives`` read:

``location``
    Which receiver it is, in a line without secrets; two targets with the same location share
    what was delivered.
``proves_content`` (True)
    False: the receiver only says *that* it has a UID, not what is under it.  The pipeline then
    never sends other content under a UID that was used, unless its absence was proven first;
    so ``send`` and ``verify`` may take a UID that is there for the instance that was sent.
``keeps_generations`` (False)
    True: changed content of a UID can be kept beside the older one, under the study's
    ``generation``.
``packs_archives`` (False)
    True: a Study becomes one file, named after its pseudonyms and not after its UID, so Studies
    that share a name are numbered together.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, Self, runtime_checkable

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from sendit.deid.files import absolute

Progress = Callable[[], None]
"""Called after each instance or block, so that whoever sends can renew a lease."""


def no_progress() -> None:
    """Do nothing, for callers that hold no lease."""


def _absolute(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path.cwd())
    try:
        return absolute(path, base=base)
    except ValueError as error:
        raise PydanticCustomError("path", "{text}", {"text": str(error)}) from None


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
    generation: int = 1
    """Counts changed content of the same UIDs; above 1 it goes beside the older content."""
    supplement: int = 0
    """Counts what came of a Study after its first part; 0 is the first part."""
    documents: tuple["PackagedDocument", ...] = ()


@dataclass(frozen=True, slots=True)
class PackagedDocument:
    """A file that goes with a Study and is no instance: its manifest.

    A target that keeps files keeps it beside the instances; one that cannot leaves it out.
    """

    name: str
    """``manifest.csv``, ``manifest.parquet`` or ``SHA256SUMS``; ``_s<n>`` for a supplement."""
    file: str
    """Relative to the package's root."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """What one batch hands to a target.

    A Study may stand in it twice: once for each generation and supplement.
    """

    root: Path
    batch: int
    studies: tuple[PackagedStudy, ...]
    proven: frozenset[str] = frozenset()
    """New SOP Instance UIDs of the package that this target has proven; not to be sent again."""
    given_away: bool = False
    """Whether its files go to no other target and are removed once this one has proven them.

    It may then keep the files themselves instead of copies.
    """
    is_copy: bool = False
    """Whether it is an earlier delivery that is only asked about.

    Its files and manifests may be gone, and its receipt knows no versions.
    """

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
class Stored:
    """One instance at a target."""

    place: str = ""
    """Where it is, in the target's own words (path, object key, Orthanc id)."""
    digest: str = ""
    """Digest that the target itself gave, as ``md5:…`` or ``crc32c:…``."""
    warning: str = ""
    """What the target said although it took it (a status of C-STORE, a coerced attribute)."""
    version: str = ""
    """Its version or generation, where the target counts those."""
    size: int = 0
    """Bytes of what is kept there (of the whole archive), as the target says; 0: it does not."""


NOT_TOLD = (
    "Its delivery did not end, so nobody says whether it is there, nor where; "
    "have it looked for there, by its keeper."
)
"""Why an instance without a place in the receipt cannot be said to be gone."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of the instances of a receipt."""

    removed: tuple[str, ...]
    """New SOP Instance UIDs whose absence was proven, those that were gone before included."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Why each of the others is still there, or cannot be said to be gone; by UID."""


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
    stored: Mapping[str, Stored] = field(default_factory=dict, repr=False)
    """What is known of each instance at the target, by the keys of ``digests``."""
    documents: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of the files that went with it, by place."""

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` takes."""
        return {
            "location": self.location,
            "n_instances": self.n_instances,
            "digests": dict(self.digests),
            "volume": self.volume,
            "stored": {
                key: [one.place, one.digest, one.warning, one.version, one.size]
                for key, one in self.stored.items()
            },
            "documents": dict(self.documents),
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
                return cls(
                    location,
                    count,
                    _words(digests),
                    str(document.get("volume", "")),
                    {key: _stored(*one) for key, one in _table(document, "stored")},
                    dict(_table(document, "documents")),
                )
        raise ValueError("This is not a receipt: location, n_instances and digests are needed.")


class Target(Protocol):
    """A place where de-identified studies go."""

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package; called again after a crash, it must end in the same state.

        What is in ``package.proven``, or what the receiver shows to have, is not sent again;
        the receipt lists it all the same.

        Raises
        ------
        sendit.errors.TargetConflict
            When other content stands under a name that the package needs.
        sendit.errors.TargetRefused
            When it does not take it: credentials, rights, a SOP Class; ``failures`` says which.
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
            When it does not; ``failures`` names the instances that are not as they should be.
        sendit.errors.NotYetProven
            When it cannot say yet.
        """

    def probe(self) -> None:
        """Write something small, prove that it is there, and remove it again."""


@runtime_checkable
class RemovableTarget(Protocol):
    """A target that can take back what it was given."""

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove what a receipt lists, and ask the receiver whether it is gone.

        Called again after a crash; what is gone already counts as removed.  What stands there
        with other content than was sent is not touched, and is ``left``.

        Raises
        ------
        sendit.errors.TargetError
            When the target cannot be asked at all.
        """


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


def location_of(target: Target, *, name: str) -> str:
    """Return which receiver a target is; ``name`` stands in where it does not say."""
    return str(getattr(target, "location", "")) or name


def proves_content(target: Target) -> bool:
    """Say whether a target proves content, and not only that a UID is there."""
    return bool(getattr(target, "proves_content", True))


def keeps_generations(target: Target) -> bool:
    """Say whether a target can keep changed content beside the older one."""
    return bool(getattr(target, "keeps_generations", False))


def _stored(
    place: str, digest: str, warning: str, version: str = "", size: int | str = 0
) -> Stored:
    return Stored(str(place), str(digest), str(warning), str(version), int(size))


def packs_archives(target: Target) -> bool:
    """Say whether a target makes one file of a Study, named after its pseudonyms."""
    return bool(getattr(target, "packs_archives", False))


def _words(table: Mapping[object, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in table.items()}


def _table(document: Mapping[str, object], key: str) -> Iterable[tuple[str, Any]]:
    table = document.get(key, {})
    return table.items() if isinstance(table, dict) else ()
