"""One rule of a site, checked: what both languages of site rules have in common."""

from dataclasses import dataclass

from sendit.deid.attributes import LONGEST
from sendit.deid.known import kind_by_tag
from sendit.deid.private import SafeElement
from sendit.deid.site_fields import Attribute, By, Selector
from sendit.deid.site_rules import (
    BIRTH_DATES,
    GIVEN,
    WRITTEN,
    Do,
    From,
    SiteAction,
    SiteRule,
    Value,
    is_protected,
    value_of,
)
from sendit.deid.site_values import can_stand
from sendit.dictionary import ATTRIBUTES

IDENTITY_REMOVED = 0x00120062
SOP_CLASS = 0x00080016
_DATE_VRS = ("DA", "DT")
_NEED_VALUE = frozenset((Do.ADD, Do.REPLACE, Do.JITTER))
_NO_TEXT = frozenset(("SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"))
_NUMBERS = frozenset(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"))


@dataclass(frozen=True, slots=True)
class Checked:
    """A line that can be carried out; exactly one of these.

    A note tells that what the line asks for is done anyway.
    """

    rule: SiteRule | None = None
    addition: tuple[int, SiteAction] | None = None
    private: SafeElement | None = None
    note: str = ""


def check(do: Do, selector: Selector, text: str, source: str) -> Checked:
    """Check one rule.

    Parameters
    ----------
    text
        Its value, empty if it has none.
    source
        File and line.

    Raises
    ------
    ValueError
        Saying why it cannot be carried out.
    """
    if do in _NEED_VALUE and not text:
        raise ValueError(f"{do.upper()} needs a value")
    if do not in _NEED_VALUE and text:
        takes = "values:NAME or nothing" if do in (Do.REMOVE, Do.BLANK) else "nothing"
        raise ValueError(
            f"{do.upper()} takes no value: behind the attribute stands {takes}; functions that "
            "filter are not supported"
        )
    value = _value(do, text) if text else None
    if selector.is_exact and is_protected(_attribute(selector)):
        return Checked(note=_protected(do, selector, value))
    if selector.is_exact:
        _check_vr(do, selector, value)
    if do is Do.ADD and value is not None and value.source is From.FUNCTION:
        # What is made of the old value can only be put where there is one.
        do = Do.REPLACE
    action = SiteAction(do, value, source)
    if do is Do.KEEP and selector.by is By.PRIVATE:
        group, element = selector.tag >> 16, selector.tag & 0xFF
        return Checked(private=SafeElement(group, selector.creator, element, "", source))
    if do is not Do.ADD:
        return Checked(rule=SiteRule(selector, action))
    if selector.by is not By.TAG or selector.tag not in ATTRIBUTES:
        raise ValueError("ADD takes one public attribute of the outermost level")
    return Checked(addition=(selector.tag, action))


def _value(do: Do, text: str) -> Value:
    if do is not Do.JITTER:
        return value_of(text)
    if text.lstrip("+-").isdigit():
        if int(text) == 0:
            raise ValueError("JITTER by 0 days leaves the date as it is; use KEEP")
        return Value(From.DAYS, str(int(text)))
    value = value_of(text)
    if value not in (Value(From.VARIABLE, "shift_days"), Value(From.FUNCTION, "shift")):
        raise ValueError("JITTER takes a number of days or var:shift_days")
    return Value(From.VARIABLE, "shift_days")


def _protected(do: Do, selector: Selector, value: Value | None) -> str:
    """Return the note that a line asks for what is done anyway."""
    tag = selector.tag
    keyword = ATTRIBUTES[tag][4] if tag in ATTRIBUTES else selector.text
    if do in (Do.ADD, Do.REPLACE) and tag == IDENTITY_REMOVED and value is not None:
        if value.text.upper() == "YES":
            return f"{keyword} is always set to YES"
    elif tag in GIVEN and do in (Do.REMOVE, Do.BLANK) and tag != SOP_CLASS:
        return f"{keyword} gets a new value, the original's does not stay"
    elif tag in GIVEN and do in (Do.ADD, Do.REPLACE) and value is not None:
        given = "func:uid" if ATTRIBUTES[tag][0] == "UI" else "pseudonym"
        if value.source is not From.TEXT and (value.text == "uid") is (given == "func:uid"):
            return f"{keyword} gets its new value in any case"
    elif tag in WRITTEN and do in (Do.REMOVE, Do.BLANK) and tag != 0x00080005:
        return f"{keyword} is written anew"
    raise ValueError(f"{keyword} is not a site's to change: the engine writes it")


def _check_vr(do: Do, selector: Selector, value: Value | None) -> None:
    vr = _vr(selector)
    if do is Do.KEEP and (vr == "PN" or selector.tag in kind_by_tag()):
        raise ValueError(
            f"{selector.text} identifies and cannot be kept by a rule; use an option that keeps "
            "institutions or devices, or leave the line out"
        )
    if selector.by is By.PRIVATE and do in _NEED_VALUE:
        raise ValueError(f"{do.upper()} takes a public attribute")
    if do not in (Do.REMOVE, Do.BLANK) and selector.tag in BIRTH_DATES:
        raise ValueError(
            f"{selector.text} is a date of birth, and none goes on, not even a moved one: it is "
            "emptied whatever a recipe says; leave the line out (for the age in years, add the "
            'option "retain-patient-characteristics", which keeps PatientAge up to 89)'
        )
    if do is Do.JITTER and vr and vr not in _DATE_VRS:
        raise ValueError(f"JITTER moves dates, and {selector.text} is none")
    if do not in (Do.ADD, Do.REPLACE) or value is None or not vr:
        return
    if vr in _NO_TEXT:
        raise ValueError(f"{selector.text} of VR {vr} cannot be given as text")
    if value == Value(From.FUNCTION, "uid") and vr != "UI":
        raise ValueError(f"func:uid makes a UID, and {selector.text} is none")
    if value == Value(From.FUNCTION, "shift") and vr not in _DATE_VRS:
        raise ValueError(f"func:shift moves dates, and {selector.text} is none")
    longest = LONGEST.get(vr.encode("ascii"))
    if value.source is From.TEXT and longest is not None and len(value.text) > longest:
        raise ValueError(f"{selector.text} of VR {vr} takes at most {longest} characters")
    if (vr in _NUMBERS or value.source is From.TEXT) and not can_stand(value, vr.encode("ascii")):
        raise ValueError(f"{selector.text} of VR {vr} takes a value that fits into {vr}")


def _vr(selector: Selector) -> str:
    entry = ATTRIBUTES.get(selector.tag) if selector.by is not By.PRIVATE else None
    return entry[0][:2] if entry else ""


def _attribute(selector: Selector) -> Attribute:
    return Attribute(selector.path or (selector.tag,), _vr(selector), selector.creator)
