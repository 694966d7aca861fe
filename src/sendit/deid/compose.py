"""The bytes of a result: our own frame, the rewritten header, the pixels, the markers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from sendit.deid.actions import CHARACTER_SET
from sendit.deid.charset_names import UTF_8
from sendit.deid.files import Piece
from sendit.deid.instance import Instance
from sendit.deid.part10 import build_meta
from sendit.deid.passing_plans import CHARSET_TAG, PIXEL_TAGS
from sendit.deid.pixels.pass_through import pass_through
from sendit.deid.recipe import Recipe
from sendit.deid.rewrite import Edit, assemble, edits_of, insertion, top_position
from sendit.deid.rules import Context, Note, Rule
from sendit.deid.segments import Segment
from sendit.deid.site_rules import SiteRules
from sendit.deid.site_values import encoded, text_of
from sendit.deid.stamp import stamps
from sendit.deid.syntax import Syntax
from sendit.dictionary import listed_vr

PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
ACCESSION_NUMBER: Final = 0x00080050


@dataclass(slots=True)
class Composed:
    """What is to be written, and what was done."""

    header: list[bytes | memoryview] = field(repr=False)
    bodies: list[Piece] = field(repr=False)
    notes: list[Note]


def compose(
    instance: Instance, context: Context, *, recipe: Recipe, sop_instance_uid: str
) -> Composed:
    """Return the result for one instance; ``sop_instance_uid`` is its new one."""
    context.begin()
    syntax = instance.frame.syntax
    meta = build_meta(
        sop_class_uid=instance.text("sop_class"),
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=instance.frame.output_transfer_syntax_uid,
    )
    result = Composed([meta], [], [Note("", "", f"repair:{name}") for name in instance.repairs])
    if instance.as_utf8 and "charset" not in instance.values:
        result.notes.append(Note("", "", CHARACTER_SET))
    additions = _additions(instance, context, recipe)
    segments = instance.scan.segments
    for segment in segments:
        edits, notes = edits_of(
            segment.data, segment.found.events, instance.plans.rules, syntax, context
        )
        result.notes += notes
        additions = _insert(edits, additions, segment, syntax, is_last=segment is segments[-1])
        bodies = _bodies(instance, segment, edits, result.notes)
        header = assemble(segment.data, edits)
        if result.bodies:
            result.bodies.append(b"".join(header))
        else:
            result.header += header
        result.bodies += bodies
    return result


def _additions(instance: Instance, context: Context, recipe: Recipe) -> list[tuple[int, bytes]]:
    """Return the elements that every result has, whether the original had them or not."""
    syntax = instance.frame.syntax
    additions = list(stamps(recipe, syntax))
    identity = context.identity
    for role, tag, vr, name in (
        ("accession_number", ACCESSION_NUMBER, b"SH", identity.study_pseudonym),
        ("patient_name", PATIENT_NAME, b"PN", identity.patient_pseudonym),
        ("patient_id", PATIENT_ID, b"LO", identity.patient_pseudonym),
    ):
        if role not in instance.values:
            value = name.encode("ascii", "replace")
            additions.append((tag, syntax.element(tag, vr, value + b" " * (len(value) & 1))))
            additions.sort()
    if instance.as_utf8 and "charset" not in instance.values:
        additions.append((CHARSET_TAG, syntax.element(CHARSET_TAG, b"CS", UTF_8.encode("ascii"))))
        additions.sort()
    if recipe.site is not None and recipe.site.additions:
        additions += _site_additions(instance, context, recipe.site)
        additions.sort()
    return additions


def _site_additions(
    instance: Instance, context: Context, site: SiteRules
) -> Iterator[tuple[int, bytes]]:
    """Yield the elements that a rule of the site adds where the original has none."""
    syntax = instance.frame.syntax
    present = {
        syntax.tag_at(segment.data, top)
        for segment in instance.scan.segments
        for top in segment.found.tops
    }
    for tag, action in site.additions:
        if tag not in present and action.value is not None:
            vr = listed_vr(tag)[:2].encode("ascii")
            data = encoded(text_of(action.value, context), vr, order=syntax.order)
            yield tag, syntax.element(tag, vr, data)


def _insert(
    edits: list[Edit],
    additions: Sequence[tuple[int, bytes]],
    segment: Segment,
    syntax: Syntax,
    *,
    is_last: bool,
) -> list[tuple[int, bytes]]:
    """Add what belongs into this segment to its edits; return what belongs further behind."""
    left = []
    for tag, content in additions:
        position = top_position(segment, tag, syntax)
        if position < 0 and is_last and segment.bulk is None:
            position = len(segment.data)
        if position < 0:
            left.append((tag, content))
        else:
            edits.append(insertion(position, content))
    edits.sort(key=itemgetter(0, 1))
    return left


def _bodies(
    instance: Instance, segment: Segment, edits: list[Edit], notes: list[Note]
) -> Sequence[Piece]:
    """Return what stands behind a segment, and correct its length in the header."""
    bulk = segment.bulk
    if bulk is None or (type(bulk.slot.rule) is Rule and bulk.slot.rule.drops):
        return ()
    little = instance.frame.syntax.little
    passed = pass_through(
        bulk,
        instance.shape() if bulk.slot.tag in PIXEL_TAGS else None,
        transfer_syntax_uid=instance.frame.transfer_syntax_uid,
        little=little,
        words=segment.data[bulk.position + 4 : bulk.position + 6] == b"OW",
    )
    if passed.length is not None:
        end = len(segment.data)
        new = passed.length.to_bytes(4, "little" if little else "big")
        edits.append((end - 4, end, new))
    notes += [Note("", "", repair) for repair in passed.repairs]
    return passed.pieces
