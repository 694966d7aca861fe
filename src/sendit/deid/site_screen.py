"""Ask the site's filters about one instance.

A white label lets it through; any other that fits excludes it (``LISTED``), also one with
rectangles, since nothing here blanks pixels yet.
"""

from collections.abc import Sequence

from sendit.deid.element_values import texts_of
from sendit.deid.instance import Instance
from sendit.deid.passing_plans import vr_of
from sendit.deid.recipe import Recipe
from sendit.deid.site_filters import Shade, judge
from sendit.deid.syntax import LONG_VRS, UNDEFINED
from sendit.errors import Excluded
from sendit.terms import Reason


def screen_by_site(instance: Instance, recipe: Recipe) -> None:
    """Return, or exclude an instance that a filter of the site flags.

    Raises
    ------
    sendit.errors.Excluded
        With ``LISTED`` and the file and line of the label.
    """
    if recipe.site is None or not recipe.site.filters:
        return
    values = _top_values(instance)
    label = judge(recipe.site.filters, values.get)
    if label is not None and label.shade is not Shade.WHITE:
        raise Excluded(Reason.LISTED, f"site:{label.source}")


def _top_values(instance: Instance) -> dict[int, Sequence[str]]:
    """Return the values of the outermost level as text, by tag."""
    found: dict[int, Sequence[str]] = {}
    syntax = instance.frame.syntax
    for segment in instance.scan.segments:
        data = segment.data
        for position in segment.found.tops:
            tag = syntax.tag_at(data, position)
            vr = data[position + 4 : position + 6] if syntax.explicit else b""
            if syntax.explicit and vr not in LONG_VRS:
                start = position + 8
                (length,) = syntax.u16(data, position + 6)
            else:
                start = position + (12 if syntax.explicit else 8)
                (length,) = syntax.u32(data, start - 4)
            meant = vr_of(tag, vr) or vr
            if length == UNDEFINED or start + length > len(data):
                found[tag] = ()
            else:
                value = data[start : start + length]
                found[tag] = texts_of(value, meant, syntax, instance.charset)
    return found
