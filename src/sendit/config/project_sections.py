"""The tables of a project file as types, one class a table.

What they mean together is in ``rules``; the project that they make up is in ``project``.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    InstanceOf,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from sendit import deid
from sendit.config.mounts import hangs, silent_mounts
from sendit.config.plugins import paths_of
from sendit.config.quantities import Retention
from sendit.config.section import Flag, Name, Section, Text
from sendit.deid.files import absolute
from sendit.dictionary import TAGS
from sendit.errors import TargetUnavailable
from sendit.identity.derived import ShiftOptions
from sendit.identity.ledger import LedgerOptions
from sendit.identity.matching import Ignored, Matching
from sendit.storage import Target
from sendit.storage import registry as storage_registry

Option = Literal[
    "retain-safe-private",
    "retain-uids",
    "retain-device-identity",
    "retain-institution-identity",
    "retain-patient-characteristics",
    "retain-longitudinal-full-dates",
    "retain-longitudinal-modified-dates",
    "clean-descriptors",
    "clean-structured-content",
    "clean-graphics",
    "clean-pixel-data",
    "clean-recognizable-visual-features",
]
_MODALITY = re.compile(r"[A-Z0-9_]{1,16}")
_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")

PixelPolicy = Literal["reject", "clean", "clean-all-text", "off"]


def _dicom_keyword(name: str) -> str:
    if name not in TAGS:
        near = get_close_matches(name, TAGS, n=1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        raise PydanticCustomError("keyword", "is not a DICOM keyword{meant}", {"meant": meant})
    return name


def _read_recipe_file(value: object, info: ValidationInfo) -> object:
    """Read the file that ``recipe`` names."""
    if not isinstance(value, str):
        return value
    try:
        path = absolute(Path(value), base=(info.context or {}).get("base", Path.cwd()))
    except ValueError as error:
        raise PydanticCustomError("path", "{text}", {"text": str(error)}) from None
    try:
        return {"name": path.name, "text": path.read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PydanticCustomError(
            "site_rules", "cannot be read: {path} ({why})", {"path": str(path), "why": why}
        ) from None


def _modality(code: str) -> str:
    if not _MODALITY.fullmatch(code):
        raise PydanticCustomError(
            "modality", "is not a modality; allowed: codes such as CT, MR, US"
        )
    return code


def _uid(uid: str) -> str:
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise PydanticCustomError("uid", "is not a UID; allowed: numbers with points in between")
    return uid


def _pixel_policies(value: object) -> object:
    table = value if isinstance(value, dict) else {"ALL": value}
    for modality, policy in table.items():
        known = policy is None or policy in get_args(PixelPolicy)
        if not known or not _MODALITY.fullmatch(modality):
            allowed = ", ".join(get_args(PixelPolicy))
            raise PydanticCustomError(
                "pixels",
                "is not a policy; allowed: {allowed}, or a table of these by modality",
                {"allowed": allowed},
            )
    return value


Keyword = Annotated[str, AfterValidator(_dicom_keyword)]
Modality = Annotated[str, AfterValidator(_modality)]
Uid = Annotated[str, AfterValidator(_uid)]


class Accept(Section):
    """`[accept]`: which images go on."""

    modalities: tuple[Modality, ...] = ()
    """Other modalities are excluded; none listed: all are accepted."""
    sop_classes: tuple[Uid, ...] = ()
    """Other SOP Classes are excluded; none listed: all are accepted."""
    burned_in: Literal["reject", "clean"] = "reject"
    """Burned In Annotation present and not `NO`: exclude; `clean` is not possible yet."""
    on_bad_image: Literal["reject", "stop"] = "reject"
    """An image that may not leave is left out, or stops its batch."""

    def rules(self) -> deid.Accept:
        """Return what the engine's ``screen`` needs of it."""
        return deid.Accept(self.modalities, self.sop_classes, self.burned_in)


class IdentitySettings(Section):
    """`[identity]`: under which names patients go on."""

    kind: Text = "keyed"
    """Which service answers."""
    namespace: Text
    """Same namespace, same site key: same pseudonyms, UIDs and shift."""
    own_key: Flag = False
    """Derive these from a random key of the namespace, too, which `project close` destroys."""
    entity_field: Keyword = "PatientID"
    """Attribute that tells patients apart."""
    item_field: Keyword = "AccessionNumber"
    """Attribute that tells the studies of a patient apart."""
    on_missing: Literal["stop", "derive"] = "stop"
    """No item: stop the batch, or use the Study Instance UID instead; never for the patient."""
    same_patient: tuple[Ignored, ...] = ("case",)
    """In what two spellings of one patient's id may differ, besides blanks around them."""
    by_issuer: Flag = False
    """The same id of another Issuer of Patient ID is another patient."""
    keep_uids: Flag = False
    """Keep which new UIDs stand for which old ones, encrypted, so that a broker can go back."""
    options: InstanceOf[BaseModel]

    def matching(self) -> Matching:
        """Return when two spellings are one patient."""
        return Matching(frozenset(self.same_patient), self.by_issuer)

    def rules(self) -> str:
        """Return what a patient's names and days depend on besides keys, as the file says it.

        Empty where a service elsewhere decides.  A ledger draws days once, so its range is free.
        """
        options = self.options
        if not isinstance(options, ShiftOptions):
            return ""
        rules = {"same_patient": sorted(self.same_patient), "by_issuer": self.by_issuer}
        if isinstance(options, LedgerOptions):
            rules |= {"entity_source": options.entity_source, "item_source": options.item_source}
        else:
            rules |= {"shift_days": options.shift_days, "whole_weeks": options.whole_weeks}
        return ", ".join(f"{key} = {json.dumps(value)}" for key, value in rules.items())


class RecipeFile(Section):
    """A file of site rules, ``.deid`` or ``.toml``, as it was when it was read."""

    name: Text
    text: str


class DeidSettings(Section):
    """`[deid]`: how images are de-identified."""

    preset: Literal["basic", "research", "tcia", "keep-everything-safe"] = "basic"
    """Named set of options."""
    options: tuple[Option, ...] = ("retain-longitudinal-modified-dates",)
    """Options of PS3.15, added to the preset's."""
    recipe: Annotated[RecipeFile | None, BeforeValidator(_read_recipe_file)] = None
    """File of site rules, `.deid` or `.toml`."""
    pixels: Annotated[
        PixelPolicy | Mapping[str, PixelPolicy] | None, PlainValidator(_pixel_policies)
    ] = None
    """What is done about text in pictures; none but `off` (nothing) is possible yet."""
    pixels_off_reason: Text | None = None
    """Why nothing is done about it; needed with `off`."""
    defacing: Literal["off", "hold"] | None = None
    """What is done about faces in CT, MR and PT; none but `off` (nothing) is possible yet."""

    def resolve(self) -> deid.Recipe:
        """Return the engine's recipe.

        Raises
        ------
        sendit.errors.ConfigurationInvalid
            With every part that does not go together, one a line.
        """
        return deid.Recipe.resolve(
            preset=self.preset,
            options=self.options,
            pixels=self.pixels,
            pixels_off_reason=self.pixels_off_reason,
            site_rules=self.site_rules(),
        )

    def site_rules(self) -> deid.SiteRules | None:
        """Return what the file of site rules says, None without one.

        Raises
        ------
        sendit.errors.ConfigurationInvalid
            With every line that cannot be carried out.
        """
        if self.recipe is None:
            return None
        return deid.read_site_rules(self.recipe.text, name=self.recipe.name)


class TargetSettings(Section):
    """`[[targets]]`: where results go."""

    name: Name
    """What messages and receipts call it; its kind unless given."""
    kind: Text
    """Which plug-in delivers."""
    required: Flag = True
    """A batch is done only when this target holds it."""
    accepts_identified: Flag = False
    """This target may get images that were not de-identified."""
    options: InstanceOf[BaseModel]

    def build(self) -> Target:
        """Make the target."""
        return storage_registry.create(self.kind, self.options)

    def reach(self) -> Target:
        """Make the target, to be asked for something now.

        Raises
        ------
        sendit.errors.TargetUnavailable
            When it lies on a file system that does not answer.
        """
        hung = silent_mounts([path for _, path in paths_of(self.options)])
        for path, mount in hung.items():
            raise TargetUnavailable(hangs(f"folder of target {self.name}", path, mount))
        return self.build()


class DeliverySettings(Section):
    """`[delivery]`: what is done about content that changed, and series that are not whole."""

    supersede: Literal["hold", "replace", "new-generation"] = "hold"
    """Changed content of what a target holds: wait for a person, replace it, or keep both."""
    incomplete_series: Literal["hold", "drop-series", "send-marked"] = "hold"
    """A series of which an instance is missing: wait, leave it out, or send it marked."""


class RetentionSettings(Section):
    """`[retention]`: how long things stay after `DONE`."""

    originals: Retention = "remove"
    """Original images, and pictures that show what they show."""
    excluded: Retention = timedelta(days=30)
    """Originals of excluded images and of `EMPTY` batches."""
    results: Retention = "remove"
    """De-identified files."""
    identifiers: Retention = "remove"
    """What links old and new names."""
    rows: Retention = "keep"
    """What the database says about batches and images; they go when their files are gone."""
    previews: Retention = "keep"
    """Pictures of results."""
