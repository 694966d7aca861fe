"""Write ``docs/conformance.md`` from the tables and presets that the engine works with.

::

    python scripts/build_conformance.py
"""

import sys
from collections import Counter
from pathlib import Path

from sendit.deid.holds import held_classes
from sendit.deid.private import shipped_elements
from sendit.deid.profile import BASIC_CODE, OPTION_CODES, Profile, edition, listed, table
from sendit.deid.recipe import PRESETS, WITHOUT_ENGINE_PART, Recipe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"

KEEPS = {
    "basic": "The Basic Profile and, unless the project says otherwise, dates moved by one number "
    "of days per patient. Descriptions, private elements, device and patient data go.",
    "research": "For quantitative work: what the patient was like (sex, size, weight, age up to "
    "89), which device, diffusion and PET elements of the large vendors, descriptions cleaned.",
    "tcia": "As research, and reports, presentation states and graphics cleaned item by item "
    "instead of being replaced; what public archives ask for.",
    "keep-everything-safe": "As tcia, and the institution: the most that can be kept while nobody "
    "is identified. Choose it where the receiver may know where images come from.",
}

HEAD = """\
# De-identification conformance statement

This page is written by `scripts/build_conformance.py` from the tables that the engine works
with; a test keeps it true.

sendit de-identifies composite instances by the **Basic Application Confidentiality Profile**
({code}) of DICOM PS3.15 Annex E, edition **{edition}**, and the options below. Every result says
so itself: Patient Identity Removed (0012,0062) is YES, De-identification Method (0012,0063)
and its Code Sequence (0012,0064) name the profile and the options, Longitudinal Temporal
Information Modified (0028,0303) says what became of dates.

Sources: {attributes}; {types}; {private}.
"""

NOT_DONE = """\
## What is not done

- Text in pictures is not read. Instances of classes that often carry it, derived and secondary
  images, and those whose Burned In Annotation is not NO, are held (`PIXELS_UNREAD`) unless the
  project states `pixels = "off"` with a reason.
- Faces are not recognised; the Clean Recognizable Visual Features Option is an error if asked for,
  as is the Clean Pixel Data Option.
- Photographs, video, audio, labels and overviews of slides, documents, models and raw data are not
  cleaned but held, each under a reason of its own that a recipe can release. A released document
  keeps its body (Encapsulated Document, for which Table E.1-1 asks action D) as it is, since a
  person has looked at it; its header is cleaned like any other, and its bytes are searched for
  what identifies the patient as far as they can be read.
- Digital signatures are removed, not made anew.
- Numbers, codes and the terms of published coding schemes (PS3.16 Table 8-1) are searched for
  known identifiers but never rewritten; an instance in which one stands is held (`NUMBER_HIT`).
  One with letters of an identifier in the bytes of a binary number is rejected.
  The meaning of a site's own code is cleaned like a text.

## Beyond the profile

- Beyond Table E.1-1, removed or emptied under every preset, unless an option keeps the device:
{beyond}
- Every attribute that Table E.1-1 does not list is searched for identifiers known from the
  instance, its folder and file names and the identity service; dates, names and UIDs are treated
  by their VR; attributes that are in no dictionary are removed.
- Every UID that the standard does not register is replaced, consistently, by a keyed one-to-one
  map (`2.25.` and 128 bits).
- Curve and overlay groups, group lengths, digital signatures and trailing padding are removed at
  every depth. Preamble and File Meta Information are written anew.
- Pixel data is cut to its length; bits that are not stored are cleared; application segments and
  comments in JPEG streams lose their content. Pixels are otherwise untouched, bit by bit.
- Calibration, manufacture and installation dates of devices go even where the device is kept.
- An age without a unit is taken to be in years and written as PS3.5 wants it (`repair:age`).
- Ages over 89 become 90, in reports too; a date of birth is never moved but goes.
- What stands as a number or a time, is none and identifies (a name, a day, a telephone number) is
  emptied; a code string in which something identifies becomes REMOVED; what identifies among bytes
  (the description of an ICC profile) becomes blanks.
- A Specific Character Set that is misspelt or is not that of the texts is set right
  (`repair:character-set`); text in a set that nobody knows is refused.
- An option that keeps the device keeps none of its dates: they move with the others.
- No result is released before an independent check has read it afresh.
"""


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the page."""
    head = HEAD.format(
        code=BASIC_CODE[0],
        edition=edition(),
        attributes=table("attributes")["source"],
        types=table("iod_types")["source"],
        private=table("safe_private")["source"],
    )
    return "\n".join(
        [head, _options(), _presets(), _held(), _private(), NOT_DONE.format(beyond=_beyond())]
    )


def _beyond() -> str:
    rows = table("beyond_table")["attributes"]
    assert isinstance(rows, dict)  # noqa: S101 - our own file
    return "\n".join(f"  - {row['name']}: {row['why']}." for row in rows.values())


def _options() -> str:
    lines = ["## Options", "", "| option | code | |", "|---|---|---|"]
    for name, (code, meaning) in OPTION_CODES.items():
        state = "not available" if name in WITHOUT_ENGINE_PART else "supported"
        lines.append(f"| `{name}` {meaning} | {code} | {state} |")
    return "\n".join([*lines, ""])


def _presets() -> str:
    lines = ["## Presets", ""]
    for name, added in PRESETS.items():
        recipe = Recipe.resolve(preset=name)
        profile = Profile(recipe.options)
        counts: Counter[str] = Counter()
        for tag in listed():
            decision = profile.decide(tag, required=0, known_iod=True)
            counts["K" if decision is None else decision.action] += 1
        lines += [
            f"### `{name}`",
            "",
            KEEPS[name],
            "",
            f"Adds: {', '.join(f'`{option}`' for option in added) or 'nothing'}. Of the "
            f"{len(listed())} attributes listed, where an object does not require them: "
            f"{counts['X']} removed, {counts['Z']} emptied, {counts['D']} replaced by dummies, "
            f"{counts['U']} by new UIDs, {counts['C']} cleaned or moved, {counts['K']} kept.",
            "",
        ]
    return "\n".join(lines)


def _held() -> str:
    lines = ["## Held for a person to decide", "", "| reason | SOP Classes | modalities |"]
    lines.append("|---|---|---|")
    for reason, (classes, modalities) in held_classes().items():
        lines.append(f"| `{reason}` | {len(classes)} | {', '.join(sorted(modalities)) or '–'} |")
    lines += [
        "| `SLIDE_LABEL` | whole-slide images of type LABEL or OVERVIEW | – |",
        "| `UNKNOWN_SOP_CLASS` | classes that are not in PS3.4 | – |",
        "| `OPAQUE_PRIVATE` | private elements said to be safe that nobody can look into | – |",
    ]
    return "\n".join([*lines, ""])


def _private() -> str:
    elements = shipped_elements()
    creators = {one.creator for one in elements}
    return (
        "## Safe private elements\n\n"
        f"`retain-safe-private` keeps {len(elements)} elements of {len(creators)} private creators "
        "(Table E.3.10-1 and the diffusion, timing and PET elements of large vendors, each "
        "with its source in `src/sendit/deid/data/`). What is kept is cleaned like any other "
        "element of its VR; opaque vendor blobs are rebuilt from an allow-list of numeric fields.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
