"""Make ready: the folders, tables and keys of this installation; to work, its targets, too."""

import logging
from pathlib import Path

from sendit.config import Configuration, make_default_folders
from sendit.errors import AuditBroken, DatabaseLost, SchemaMismatch, TargetUnavailable
from sendit.pipeline.workspace import Workspace
from sendit.pipeline.zones import zone_of_targets
from sendit.records.installation import Keys, is_known, load_keys, one_at_a_time
from sendit.records.models import Delivery, Installation
from sendit.records.schema import (
    make_database_file,
    migrate,
    require_same_schema,
    require_writable,
)
from sendit.storage import PreparableTarget
from sendit.terms import DeliveryState, Zone

logger = logging.getLogger(__name__)


def prepare(configuration: Configuration) -> Keys:
    """Make a new installation, or see that an older one is whole, and return its keys.

    Raises
    ------
    sendit.errors.DatabaseLost
        When the database knows nothing of what was done here.
    sendit.errors.DatabaseReadOnly
        When the database takes no changes.
    sendit.errors.VolumeMissing
        When a working volume is not mounted.
    sendit.errors.KeyProblem
        When a key is missing or another one than this database knows.
    """
    workspace = Workspace(configuration.settings.work_dir)
    with one_at_a_time(workspace.work_dir):
        require_database_of_work(configuration)
        make_database_file(configuration)
        require_writable()
        migrate()
        if Installation.objects.exists():
            workspace.check()
        else:
            workspace.create()
        keys = load_keys(configuration)  # first: where they are away, their folder is not made
        _make_audit_folder(configuration.settings.audit.folder)
        return keys


def require_database_of_work(configuration: Configuration) -> None:
    """Return unless work was done here and the database knows no installation.

    It is another one then, or was lost.  Names that were drawn, and what was delivered, stood in
    the one that is gone; a new one would name patients a second time and send everything again.

    Raises
    ------
    sendit.errors.DatabaseLost
        When it is so.
    """
    workspace = Workspace(configuration.settings.work_dir)
    if not is_known(configuration.settings) and workspace.was_worked_in():
        raise DatabaseLost(
            f"Work was done in {workspace.work_dir}, and the database knows of none: database.url "
            "names another one, or it was lost. With a new one, patients could get second names, "
            "and what comes again would be sent again. Name the right one, or put your backup in "
            'place with "sendit restore"; to begin anew all the same, move the folders phi, clean '
            "and previews of the working folder away first."
        )


def prepare_here(configuration: Configuration) -> Keys | None:
    """Make ready as ``prepare`` does; where results alone are, see that they are.

    Raises
    ------
    sendit.errors.SenditError
        As ``prepare`` and ``prepare_worker`` do.
    """
    if zone_here(configuration) is Zone.PHI:
        return prepare(configuration)
    prepare_worker(configuration, zone=Zone.OUT)
    return None


def prepare_to_try(configuration: Configuration) -> Keys | None:
    """Make ready as ``prepare_here`` does, for who tries targets: places that are new, too.

    That a place is new is no fault of its target.
    """
    keys = prepare_here(configuration)
    if keys is not None:
        make_default_folders(configuration)
        make_all_new_targets_ready(configuration)
    return keys


def zone_here(configuration: Configuration) -> Zone:
    """Return the zone of this place, as far as a site keeps them apart."""
    settings = configuration.settings
    apart = settings.mode == "celery" and Workspace(settings.work_dir).holds_results_alone()
    return Zone.OUT if apart else Zone.PHI


def prepare_worker(configuration: Configuration, *, zone: Zone) -> bytes:
    """See that a worker of one zone finds what it needs, and make nothing; return the site key.

    The zone with the way out needs none, and is given none.

    Raises
    ------
    sendit.errors.SchemaMismatch
        When the tables are those of another version, or not there yet.
    sendit.errors.DatabaseReadOnly
        When the database takes no changes.
    sendit.errors.VolumeMissing
        When a working volume of the zone is not mounted.
    sendit.errors.KeyProblem
        When a key is missing or another one than this database knows.
    """
    require_writable()
    require_same_schema()
    Workspace(configuration.settings.work_dir).check(zone)
    if not Installation.objects.exists():
        raise SchemaMismatch("The installation is not set up yet: start the watcher first.")
    return b"" if zone is Zone.OUT else load_keys(configuration, history=True).site


def _make_audit_folder(folder: Path) -> None:
    """Make the folder of the log's end; the pages, elsewhere, are given it and cannot make it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AuditBroken(
            f"audit.folder, {folder}, cannot be made ({error.strerror}). Make it, or name another."
        ) from None


def make_all_new_targets_ready(configuration: Configuration) -> None:
    """Let the targets of every zone make their place, as ``make_new_targets_ready`` does.

    Where others reach the targets, these make them ready, too, and say it if they cannot.
    """
    level = logging.DEBUG if configuration.settings.mode == "celery" else logging.WARNING
    for zone in Zone:
        make_new_targets_ready(configuration, zone=zone, level=level)


def make_new_targets_ready(
    configuration: Configuration, *, zone: Zone, level: int = logging.WARNING
) -> None:
    """Let the targets that a zone reaches make their place, unless something was delivered there.

    A place that was used and is missing now is not mounted; making it anew would hide that.
    ``level`` is how loudly the log says which could not.
    """
    received = (DeliveryState.SENT, DeliveryState.VERIFIED)
    used = set(
        Delivery.objects.filter(state__in=received)
        .values_list("batch__project", "target")
        .distinct()
    )
    for project in configuration.projects.values():
        for settings in project.targets if zone_of_targets(project) is zone else ():
            target = settings.build()
            if (project.name, settings.name) in used or not isinstance(target, PreparableTarget):
                continue
            try:
                settings.reach()
                target.make_ready()
            except TargetUnavailable as error:
                logger.log(level, "target %s of project %s: %s", settings.name, project.name, error)
