"""One study protocol: ``projects/NAME.toml`` as a type, and its snapshot.

A Batch keeps the snapshot of the project that it was registered under, so editing the file
changes nothing that is on its way.  The snapshot has the shape of the file and a digest; it
holds no secrets, and the text of site rules instead of their path.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr
from pydantic_core import PydanticCustomError

from sendit.config.plugins import (
    IDENTITY,
    STORAGE,
    NoOptions,
    Secret,
    read_plugin,
    secret_keys,
    without_secrets,
)
from sendit.config.problems import Problem, problems_of, read_partly, refuse
from sendit.config.project_sections import (
    Accept,
    DeidSettings,
    DeliverySettings,
    IdentitySettings,
    RetentionSettings,
    TargetSettings,
)
from sendit.config.quantities import Duration
from sendit.config.section import Flag, Name, Section, Text, Whole
from sendit.config.windows import parse_window
from sendit.deid import Recipe
from sendit.identity import IdentityContext, IdentityService, LedgerStore, no_progress
from sendit.identity import registry as identity_registry

Secrets = Mapping[str, Mapping[str, Secret]]
"""By the name of the target, or ``identity``; then by option."""


def _window(text: str) -> str:
    try:
        parse_window(text)
    except ValueError:
        raise PydanticCustomError(
            "window", 'is no time of day; allowed: "HH:MM-HH:MM", which may go over midnight'
        ) from None
    return text


class Project(Section):
    """`projects/NAME.toml`."""

    name: Name
    title: Text
    """A line that says what it is; the project's name unless given."""
    send: Literal["auto", "manual"] = "auto"
    """`manual`: wait at `DONEPROCESSING` for `sendit upload_finished`."""
    send_window: Annotated[str, AfterValidator(_window)] = ""
    """When images may be sent: `"20:00-06:00"`, by this machine's clock (`TZ`); empty: always."""
    priority: Whole = 0
    """Higher goes first."""
    anonymize: Flag = True
    """`false`: images go to the targets as they are."""
    hold_releases: Duration | None = None
    """Results wait a random time, up to this long after their folder came, before they are sent:
    the day of arrival then does not give the shift of dates away."""
    accept: Accept = Field(default_factory=Accept)
    identity: IdentitySettings
    deid: DeidSettings = Field(default_factory=DeidSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    targets: tuple[TargetSettings, ...] = ()
    retention: RetentionSettings = Field(default_factory=RetentionSettings)

    def identity_service(
        self,
        site_key: bytes,
        *,
        own_key: bytes | None,
        ledger: LedgerStore | None = None,
        progress: Callable[[], None] = no_progress,
    ) -> IdentityService:
        """Make the service that names the patients of this project.

        Parameters
        ----------
        site_key
            The installation's key.
        own_key
            The namespace's own key; None when it has none.
        ledger
            Where allocated names are kept; None where there is no database.
        progress
            Called between two steps that take time.
        """
        context = IdentityContext(
            site_key=site_key,
            namespace=self.identity.namespace,
            project=self.name,
            own_key=own_key,
            entity_field=self.identity.entity_field,
            matching=self.identity.matching(),
            ledger=ledger,
            progress=progress,
        )
        return identity_registry.create(self.identity.kind, self.identity.options, context=context)

    def recipe(self) -> Recipe:
        """Return how the engine de-identifies the images of this project."""
        return self.deid.resolve()

    def snapshot(self) -> dict[str, Any]:  # a JSON document, whose values are of many types
        """Return the project as JSON, in the shape of its file and without secrets."""
        document = self.model_dump(
            mode="json",
            exclude={"identity": {"options"}, "targets": {"__all__": {"options"}}},
        )
        document["identity"] |= without_secrets(self.identity.options)
        for table, target in zip(document["targets"], self.targets, strict=True):
            table |= without_secrets(target.options)
        return document

    @property
    def digest(self) -> str:
        """SHA-256 of the snapshot."""
        text = json.dumps(self.snapshot(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_snapshot(
        cls, snapshot: Mapping[str, Any], *, secrets_from: Self | None = None
    ) -> "Project":
        """Return the project that a snapshot was made of.

        Parameters
        ----------
        snapshot
            What ``snapshot`` returned.
        secrets_from
            The project as it is configured today, whose secrets are used where target (or
            service), kind and option are the same.

        Raises
        ------
        sendit.errors.ConfigurationInvalid
            When today's code or plug-ins cannot read it.
        """
        name = str(snapshot["name"])
        project, problems = read_project(
            snapshot,
            name=name,
            file=f"kept project {name}",
            base=Path("/"),
            secrets={} if secrets_from is None else _secrets_of(secrets_from, snapshot),
        )
        refuse(problems)
        return project


def read_project(
    document: Mapping[str, object],
    *,
    name: str,
    file: str,
    base: Path,
    secrets: Secrets,
) -> tuple[Project, Sequence[Problem]]:
    """Read the document of one project, and find its problems.

    With problems, the project is only what could be read.

    Parameters
    ----------
    document
        As it stands in the file.
    name
        The project's name.
    file
        What to call the file in a message.
    base
        Relative paths count from here.
    secrets
        Options of plug-ins that come from the environment.
    """
    identity, problems = _read_identity(
        document.get("identity", {}), name=name, file=file, base=base, secrets=secrets
    )
    targets, more = _read_targets(
        document.get("targets", []), file=file, base=base, secrets=secrets
    )
    found = [*problems, *more]
    if document.get("name", name) != name:
        found.append(Problem(file, "name", "is the name of the file; leave it out"))
    whole = {"title": name, **document, "name": name, "identity": identity, "targets": targets}
    project, error = read_partly(Project, whole, base=base, instead=_UNREAD)
    if error is not None:
        found += problems_of(error, Project, file=file)
    return project, found


_UNREAD: Mapping[str, object] = {
    "name": "unread",
    "title": "unread",
    "identity": {"kind": "keyed", "namespace": "unread", "options": NoOptions()},
}


def _read_identity(
    table: object, *, name: str, file: str, base: Path, secrets: Secrets
) -> tuple[object, Sequence[Problem]]:
    if not isinstance(table, Mapping):
        return table, ()
    return read_plugin(
        {"kind": "keyed", "namespace": name, **table},
        ours=IdentitySettings.model_fields,
        registry=IDENTITY,
        base=base,
        secrets=secrets.get("identity", {}),
        file=file,
        at=("identity",),
    )


def _read_targets(
    tables: object, *, file: str, base: Path, secrets: Secrets
) -> tuple[object, Sequence[Problem]]:
    if not isinstance(tables, list | tuple):
        return tables, ()
    targets: list[object] = []
    problems: list[Problem] = []
    for number, table in enumerate(tables):
        if not isinstance(table, Mapping):
            targets.append(table)
            continue
        named = {"name": table["kind"], **table} if "kind" in table else table
        target, found = read_plugin(
            named,
            ours=TargetSettings.model_fields,
            registry=STORAGE,
            base=base,
            secrets=secrets.get(str(named.get("name")), {}),
            file=file,
            at=("targets", number),
        )
        targets.append(target)
        problems += found
    return targets, problems


def _secrets_of(project: Project, snapshot: Mapping[str, Any]) -> Secrets:
    """Collect the secrets of those plug-ins that are the same in project and snapshot."""
    found: dict[str, Mapping[str, Secret]] = {}
    if snapshot["identity"]["kind"] == project.identity.kind:
        found["identity"] = _secrets_in(project.identity.options)
    kinds = {target["name"]: target["kind"] for target in snapshot["targets"]}
    for target in project.targets:
        if kinds.get(target.name) == target.kind:
            found[target.name] = _secrets_in(target.options)
    return found


def _secrets_in(options: BaseModel) -> Mapping[str, Secret]:
    values = {key: getattr(options, key) for key in secret_keys(type(options))}
    return {
        key: Secret(value.get_secret_value(), source="")
        for key, value in values.items()
        if isinstance(value, SecretStr)
    }
