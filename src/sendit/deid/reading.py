"""Read a data set strictly, and if that fails, once more from a mended copy."""

from collections.abc import Callable
from typing import Any

from sendit.deid.part10 import Frame
from sendit.deid.repair import mended
from sendit.deid.segments import Scan, scan
from sendit.deid.syntax import Syntax
from sendit.deid.walk_plan import Plan
from sendit.errors import Unreadable
from sendit.terms import Reason


def read_data_set(
    frame: Frame,
    plan_for: Callable[[Syntax], Plan],
    *,
    drops: Callable[[Any], bool] = lambda _: False,
    in_order: bool = True,
) -> tuple[Frame, Scan]:
    """Walk a data set, mended if need be; return the frame that was walked and what was found.

    Parameters
    ----------
    plan_for
        Returns the plan of the outermost level for an encoding.
    drops
        See ``segments.scan``.
    in_order
        Whether attributes out of order are a reason to mend.

    Raises
    ------
    sendit.errors.Unreadable
        When it cannot be read, nor mended.
    """
    try:
        found = scan(frame.source, frame.start, plan_for(frame.syntax), drops=drops)
        if not (in_order and found.disorder):
            return frame, found
    except Unreadable as error:
        # In implicit VR the header of an element in explicit VR reads as a length beyond the file.
        if error.reason is not Reason.MALFORMED and (
            error.reason is not Reason.TRUNCATED or frame.syntax.explicit
        ):
            raise
    frame = mended(frame)
    found = scan(frame.source, frame.start, plan_for(frame.syntax), drops=drops)
    if found.disorder:
        raise Unreadable(Reason.MALFORMED, "attributes are out of order")
    return frame, found
