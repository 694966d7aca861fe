"""Pieces of a text that are to go or to change, and putting the text together again.

Finders (``patterns``, ``dates_in_text``, ``text``) each return spans; they may overlap.  Where
they do, removal wins over change, and what is left of an overlap goes as one piece.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sendit.deid.folding import REMOVED

_NEIGHBOURS = re.compile(rf"{re.escape(REMOVED)}(?:[ ^,;.:_'’/=-]*{re.escape(REMOVED)})+")


class Span(NamedTuple):
    """A piece of text, from ``start`` up to ``end``, and what takes its place."""

    start: int
    end: int
    rule: str
    replacement: str = REMOVED


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, overlapping ones joined."""
    merged: list[Span] = []
    for span in sorted(spans):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
        elif span != merged[-1]:
            merged[-1] = _join(merged[-1], span)
    return merged


def apply(text: str, spans: Iterable[Span]) -> str:
    """Return the text with each of the merged spans replaced.

    Removed neighbours become one mark, and a value of which nothing but marks and signs is
    left becomes empty.
    """
    pieces: list[str] = []
    last = 0
    for span in spans:
        pieces += (text[last : span.start], span.replacement)
        last = span.end
    cleaned = "".join((*pieces, text[last:]))
    cleaned = _NEIGHBOURS.sub(REMOVED, cleaned)
    return "\\".join(_emptied(value) for value in cleaned.split("\\"))


def _join(one: Span, other: Span) -> Span:
    winner = other if one.replacement != REMOVED and other.replacement == REMOVED else one
    return Span(one.start, max(one.end, other.end), winner.rule, REMOVED)


def _emptied(value: str) -> str:
    if REMOVED in value and not any(char.isalnum() for char in value):
        return ""
    return value
