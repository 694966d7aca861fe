"""Content items of reports that are identifiers, by the concept that they answer.

A dose report says in a TEXT item which device observed, a report whom it is about.  Such an
answer names somebody or something whatever it reads like, so it is not searched but replaced,
and a person named in one is looked for in the other texts of the instance.

DICOM: PS3.16 TID 1002 to 1008 (Observation Context), TID 1204.
"""

from collections.abc import Collection
from typing import Final

from sendit.deid import dummies
from sendit.deid.rules import Act, Context, Note, Result, Rule

PERSONS: Final = frozenset((b"121008", b"121029", b"121036", b"121114", b"128774"))
NUMBERS: Final = frozenset((b"121020", b"121021", b"121022", b"121030", b"110190"))
INSTITUTIONS: Final = frozenset((b"121009", b"121017"))
DEVICES: Final = frozenset((b"121013", b"121016"))


def named_by(options: frozenset[str]) -> frozenset[bytes]:
    """Return the concepts whose answers are replaced under some options."""
    concepts = PERSONS | NUMBERS
    if "retain-institution-identity" not in options:
        concepts |= INSTITUTIONS
    if "retain-device-identity" not in options:
        concepts |= DEVICES
    return concepts


def unless_answer(act: Act, *, concepts: Collection[bytes]) -> Act:
    """Return what treats the text of a content item, but replaces one that names somebody."""

    def answer_or(rule: Rule, value: bytes, context: Context) -> Result:
        if context.concept in concepts and value.strip(b" \0"):
            return rule.element(dummies.dummy(rule.vr)), Note(rule.note.path, "D", "answer")
        return act(rule, value, context)

    return answer_or
