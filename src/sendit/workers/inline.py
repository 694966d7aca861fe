"""Work in this process, here and now, until everything rests."""

from collections.abc import Callable, Collection

from sendit.config import Configuration
from sendit.pipeline.liveness import own_name
from sendit.pipeline.runner import Runner, Step


def work_until_idle(
    configuration: Configuration,
    *,
    site_key: bytes,
    only: Collection[int] | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Advance batches until none can be claimed; what is put off is not waited for.

    Parameters
    ----------
    configuration
        The installation and its projects.
    site_key
        As ``prepare`` returned it.
    only
        Numbers of the batches to work on; None: all.
    after_step
        Called after each step, for a progress display.
    """
    runner = Runner(configuration, site_key=site_key, worker=own_name())
    while (batch_id := runner.next_batch(only=only)) is not None:
        while runner.advance(batch_id) is not Step.IDLE:
            after_step()
        after_step()
