"""The data flow: which function runs at which stage, and for how long it may."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from sendit.pipeline.stages import clean_up, identify, import_files, send, verify
from sendit.pipeline.work import Outcome, Work
from sendit.terms import Stage

StageFunction = Callable[[Work], Outcome]

STAGES: Mapping[Stage, StageFunction] = {
    Stage.IMPORT: import_files.run,
    Stage.IDENTIFY: identify.run,
    # Stage.DEIDENTIFY is shared: the runner claims images and calls deidentify.run_chunk.
    Stage.SEND: send.run,
    Stage.VERIFY: verify.run,
    Stage.CLEAN_UP: clean_up.run,
}

LONGEST: Mapping[Stage, timedelta] = {
    Stage.IMPORT: timedelta(hours=2),
    Stage.IDENTIFY: timedelta(hours=1),
    Stage.SEND: timedelta(hours=12),
    Stage.VERIFY: timedelta(hours=6),
    Stage.CLEAN_UP: timedelta(hours=1),
}
"""After this a stage is ended from outside; an image has ``limits.instance_timeout``."""
LONGEST_SILENCE = timedelta(hours=1)
"""So is one that has not got on for so long: by no image, no block and no answer."""
