"""Which instances a person has to look at before they may leave, and why.

What can show or tell more than its header says is held: photographs, video and audio, label
and overview images of slides, documents, raw data, classes nobody here knows, and pictures in
which text may be burned in, as long as nothing reads it.  Each reason is one word that a
recipe can release (``releases``); text in pictures is released by ``pixels = "off"``, which
needs a reason of its own.

Which classes these are is written in ``data/holds.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from sendit.deid.recipe import Recipe
from sendit.dictionary import UIDS
from sendit.errors import Held
from sendit.terms import Reason

WHOLE_SLIDES: Final = frozenset(
    ("1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.5.1.4.1.1.77.1.9")
)
LABELS: Final = frozenset(("LABEL", "OVERVIEW"))
NOT_PHOTOGRAPHED: Final = frozenset(
    (
        *("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"),  # Segmentation
        *("1.2.840.10008.5.1.4.1.1.66.8", "1.2.840.10008.5.1.4.1.1.30"),  # maps
        *("1.2.840.10008.5.1.4.1.1.481.2", *WHOLE_SLIDES),  # RT Dose
    )
)
"""Always derived, but computed: nobody writes text into them."""
VIDEO_SYNTAXES: Final = frozenset(
    uid
    for uid, entry in UIDS.items()
    if entry[1] == "Transfer Syntax" and ("MPEG" in entry[0] or "HEVC" in entry[0])
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What of an instance decides whether it is held."""

    sop_class_uid: str
    modality: str
    transfer_syntax_uid: str
    image_type: tuple[str, ...]
    burned_in: str
    has_pixels: bool
    known_class: bool


@lru_cache(maxsize=1)
def held_classes() -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the SOP Classes and modalities that are held, by reason."""
    text = (files("sendit.deid") / "data" / "holds.toml").read_text("utf-8")
    return {
        reason: (frozenset(row["classes"]), frozenset(row["modalities"]))
        for reason, row in tomllib.loads(text).items()
    }


def hold(traits: Traits, recipe: Recipe) -> None:
    """Return if the instance may go on.

    Raises
    ------
    sendit.errors.Held
        With the first reason that the recipe does not release.
    """
    for reason, detail in reasons(traits, recipe):
        if reason not in recipe.releases:
            raise Held(reason, detail)


def reasons(traits: Traits, recipe: Recipe) -> list[tuple[Reason, str]]:
    """Return every reason to hold an instance, with the tag that shows it."""
    found: list[tuple[Reason, str]] = []
    if not traits.known_class:
        found.append((Reason.UNKNOWN_SOP_CLASS, "(0008,0016)"))
    table = held_classes()
    for reason in (Reason.PHOTO, Reason.VIDEO, Reason.DOCUMENT, Reason.RAW_DATA):
        classes, modalities = table[reason]
        if traits.sop_class_uid in classes:
            found.append((reason, "(0008,0016)"))
        elif traits.modality in modalities:
            found.append((reason, "(0008,0060)"))
    if traits.transfer_syntax_uid in VIDEO_SYNTAXES:
        found.append((Reason.VIDEO, "(0002,0010)"))
    if traits.sop_class_uid in WHOLE_SLIDES and LABELS & set(traits.image_type):
        found.append((Reason.SLIDE_LABEL, "(0008,0008)"))
    if traits.has_pixels and recipe.pixel_policy(traits.modality) != "off":
        found += [(Reason.PIXELS_UNREAD, tag) for tag in _text_may_stand_in(traits)]
    return found


def _text_may_stand_in(traits: Traits) -> list[str]:
    """Return the tag that says that text may be burned in, if one does."""
    classes, modalities = held_classes()[Reason.PIXELS_UNREAD]
    if traits.sop_class_uid in classes:
        return ["(0008,0016)"]
    if traits.modality in modalities:
        return ["(0008,0060)"]
    if traits.burned_in not in ("", "NO"):
        return ["(0028,0301)"]
    if traits.sop_class_uid in NOT_PHOTOGRAPHED:
        return []
    first, second, *_ = (*traits.image_type, "", "")
    return ["(0008,0008)"] if first == "DERIVED" or second == "SECONDARY" else []
