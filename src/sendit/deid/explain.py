"""Say in words what a recipe does, to everything or to one attribute, and why.

Nothing is decided here: the answers come from the same tables and plans that the engine
works with.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from sendit.deid.attributes import (
    CLASS_UIDS,
    CODE_MEANING,
    CODES,
    PATIENT_NAMES,
    STAMPS,
    STUDY_NAMES,
    TEXT_VRS,
)
from sendit.deid.passing_plans import CHARSET_TAG, vr_of
from sendit.deid.places import safe_private_of
from sendit.deid.private import shipped_elements
from sendit.deid.profile import (
    FULL_DATES,
    MODIFIED_DATES,
    Profile,
    beyond,
    listed,
    row_of,
)
from sendit.deid.recipe import Recipe
from sendit.deid.site_rules import SiteAction
from sendit.deid.syntax import tag_text
from sendit.dictionary import TAGS, entry_of
from sendit.errors import UsageError

MEANINGS: Final = {
    "X": "removed",
    "Z": "emptied",
    "D": "replaced by a dummy value",
    "U": "replaced by a new UID",
    "C": "cleaned: what identifies is taken out of the text",
    "K": "kept",
    "shift": "moved by the patient's number of days",
}
TYPES: Final = ((0, "optional"), (1, "required, may be empty (type 2)"), (2, "required (type 1)"))
TAG: Final = re.compile(r"\(?\s*([0-9A-Fa-f]{4})\s*,?\s*([0-9A-Fa-f]{4})\s*\)?")


def parse_tag(text: str) -> int:
    """Return the tag that a person wrote: a keyword, ``0010,0010`` or ``(0010,0010)``.

    Raises
    ------
    sendit.errors.UsageError
        When it is none of these.
    """
    if found := TAG.fullmatch(text.strip()):
        return int(found[1] + found[2], 16)
    tag = TAGS.get(text.strip())
    if tag is None:
        raise UsageError(f'"{text}" is no attribute; write 0010,0010 or a keyword.')
    return tag


def explain_recipe(recipe: Recipe) -> str:
    """Return what a recipe does on the whole."""
    profile = Profile(recipe.options)
    counts: Counter[str] = Counter()
    for tag in listed():
        decision = profile.decide(tag, required=0, known_iod=True)
        counts[decision.action if decision else "K"] += 1
    lines = [
        f"preset    {recipe.preset}",
        f"edition   PS3.15 {recipe.edition}",
        f"digest    {recipe.digest}",
        *(f"option    {option}" for option in recipe.options),
        *(f"pixels    {modality}: {policy}" for modality, policy in recipe.pixels),
        *(f"releases  {reason}" for reason in sorted(recipe.releases)),
        "",
        "what becomes of the attributes that PS3.15 lists, where an object does not require them:",
        *(f"  {counts[action]:4}  {MEANINGS[action]}" for action in "XZDUCK" if counts[action]),
        "",
        "and of those that it does not list:",
        *(f"  {line}" for line in _unlisted_lines(recipe)),
    ]
    return "\n".join(lines) + "\n"


def explain_tag(recipe: Recipe, tag: int) -> str:
    """Return what a recipe does to one attribute, and which rule says so."""
    lines = [*_site_lines(recipe, tag), *_tag_lines(recipe, tag)]
    return "\n".join([f"{tag_text(tag)}  {_name(tag)}", *lines]) + "\n"


def _name(tag: int) -> str:
    try:
        entry = entry_of(tag)
    except KeyError:
        return "private" if tag >> 16 & 1 else "not in the dictionary"
    return f"{entry[2]}, VR {entry[0]}"


def _site_lines(recipe: Recipe, tag: int) -> Iterator[str]:
    """Yield what rules of the site do with a public attribute, before all else."""
    if recipe.site is None or tag >> 16 & 1:
        return
    vr = vr_of(tag, b"").decode("ascii")
    for one in recipe.site.conditions_for((tag,), vr):
        yield f'  {_wish(one.action)} where it contains a value of "{one.holding}"'
    action = recipe.site.added.get(tag) or recipe.site.action_for((tag,), vr)
    if action is not None:
        yield f"  {_wish(action)}, before what follows"


def _wish(action: SiteAction) -> str:
    value = "" if action.value is None else f" ({action.value.source}: {action.value.text})"
    return f"{action.do.upper()}{value} by a rule of the site ({action.source})"


def _tag_lines(recipe: Recipe, tag: int) -> Iterator[str]:
    vr = vr_of(tag, b"")
    if tag >> 16 & 1:
        yield from _private_lines(recipe, tag)
    elif tag in STAMPS:
        yield "  written anew: it says what was done"
    elif tag == CHARSET_TAG:
        yield "  kept; one that is misspelt or wrong is set right (rule repair:character-set)"
    elif tag in PATIENT_NAMES:
        yield "  replaced by the patient's pseudonym"
    elif tag in STUDY_NAMES:
        yield "  replaced by the Study's pseudonym"
    elif row_of(tag) is not None:
        yield from _listed_lines(recipe, tag, vr)
    elif not vr:
        yield "  removed: nobody knows what it holds (rule unknown-attribute)"
    else:
        yield f"  {_unlisted(recipe, tag, vr)}"


def _listed_lines(recipe: Recipe, tag: int, vr: bytes) -> Iterator[str]:
    row = row_of(tag)
    assert row is not None  # noqa: S101 - the caller looked
    profile = Profile(recipe.options)
    seen: dict[str, str] = {}
    for required, words in TYPES:
        decision = profile.decide(tag, required=required, known_iod=True)
        if decision is None:
            continue
        action = decision.action
        if action == "C" and vr in (b"DA", b"DT"):
            action = "shift"
        if action == "C" and vr == b"TM":
            action = "K"
        if vr == b"SQ" and action not in ("X", "Z"):
            what = "its items are cleaned one by one"
        else:
            what = MEANINGS[action]
        seen.setdefault(f"{what} (rule {decision.rule})", words)
    where = "beyond PS3.15 Table E.1-1" if tag in beyond() else "PS3.15 Table E.1-1"
    yield f"  {where}: {row.basic}"
    for option, code in sorted(row.options.items()):
        state = "in force" if option in recipe.options else "not asked for"
        yield f"  option {option}: {code}, {state}"
    for what, words in seen.items():
        yield f"  {words + ': ' if len(seen) > 1 else ''}{what}"


def _private_lines(recipe: Recipe, tag: int) -> Iterator[str]:
    safe = safe_private_of(recipe)
    if safe is None:
        yield "  removed: private elements go (rule private)"
        return
    known = [
        one
        for one in (*shipped_elements(), *recipe.safe_private)
        if one.group == tag >> 16 and one.element == tag & 0xFF
    ]
    for one in known:
        decision = safe.decide(tag, one.vr, one.creator)
        yield f"  by {one.creator}: {decision.fate} ({one.source})"
    yield "  by anybody else: removed (rule private)"


def _unlisted(recipe: Recipe, tag: int, vr: bytes) -> str:
    if vr == b"SQ":
        return "kept; its items are cleaned one by one"
    if vr == b"UI":
        if tag in CLASS_UIDS or "retain-uids" in recipe.options:
            return "kept"
        return "replaced by a new UID unless the standard registers it (rule unlisted-uid)"
    if vr in (b"DA", b"DT"):
        if FULL_DATES in recipe.options:
            return "kept"
        if MODIFIED_DATES in recipe.options:
            return f"{MEANINGS['shift']} (rule unlisted-date)"
        return "removed, emptied or replaced, as the object requires (rule unlisted-date)"
    if vr == b"PN":
        return "emptied or replaced, as the object requires (rule unlisted-name)"
    if tag == CODE_MEANING:
        return (
            "kept; what a site's own code means is cleaned of identifiers (rule known-identifier), "
            "and an identifier in a published term holds the image (NUMBER_HIT)"
        )
    if tag in CODES:
        return "kept; an identifier in it holds the image (NUMBER_HIT)"
    if vr in TEXT_VRS or vr == b"CS":
        return "kept, but for identifiers that stand in it (rule known-identifier)"
    return "kept"


def _unlisted_lines(recipe: Recipe) -> Iterator[str]:
    for vr, what in ((b"UI", "UIDs"), (b"DA", "dates"), (b"PN", "names"), (b"LO", "texts")):
        yield f"{what}: {_unlisted(recipe, 0, vr)}"
    yield "numbers and codes: kept; an identifier in one holds the image (NUMBER_HIT)"
    kept = safe_private_of(recipe) is not None
    yield f"private elements: {'removed, but for those known to be safe' if kept else 'removed'}"
