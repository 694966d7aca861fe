"""The only writer of states: every move of a Batch or an Image is made here.

``status``, ``stage``, ``held``, leases, tries and the error list are written by this
package and nothing else (a test reads the syntax tree of the product to keep it so).
Each change is one conditional ``UPDATE`` whose row count decides who won; a worker that
lost its lease writes nothing.  The table of moves is in ``table.py``.

Why a move happens is the caller's matter; nothing here touches a file or a network.
"""

from sendit.pipeline.machine.claims import (
    claim,
    fail,
    forgive_clock,
    move,
    put_off,
    release_claims,
    renew,
)
from sendit.pipeline.machine.decisions import (
    admit,
    register,
    rerun,
    retry,
    upload_finished,
    wait,
    wait_no_longer,
)
from sendit.pipeline.machine.deliveries import (
    delivery_failed,
    delivery_moved,
    delivery_put_off,
    mark_sent,
    prepared,
)
from sendit.pipeline.machine.findings import ACCEPTED, NewFinding, note
from sendit.pipeline.machine.removals import decide_removals, removals_done
from sendit.pipeline.machine.resolving import accept, go_on, release, set_aside, turn_down
from sendit.pipeline.machine.shared import (
    ImageResult,
    anything_open,
    claim_images,
    finish_images,
    settle,
)
from sendit.pipeline.machine.steps import Claim, count_bytes
from sendit.pipeline.machine.table import BY_EVENT, HELD_PERSON, MOVES, SHARED, Event, Move

__all__ = [
    "ACCEPTED",
    "BY_EVENT",
    "HELD_PERSON",
    "MOVES",
    "SHARED",
    "Claim",
    "Event",
    "ImageResult",
    "Move",
    "NewFinding",
    "accept",
    "admit",
    "anything_open",
    "claim",
    "claim_images",
    "count_bytes",
    "decide_removals",
    "delivery_failed",
    "delivery_moved",
    "delivery_put_off",
    "fail",
    "finish_images",
    "forgive_clock",
    "go_on",
    "mark_sent",
    "move",
    "note",
    "prepared",
    "put_off",
    "register",
    "release",
    "release_claims",
    "removals_done",
    "renew",
    "rerun",
    "retry",
    "set_aside",
    "settle",
    "turn_down",
    "upload_finished",
    "wait",
    "wait_no_longer",
]
