"""What the log says of a stage, as an operator searches it."""

import re

from tests.support.installation import Installation


def test_every_line_of_a_stage_says_batch_and_stage(installation: Installation) -> None:
    installation.add_study("ACC1", n_series=1, n_images=1)

    done = installation.run("run", "--once")

    ends = [
        line for line in done.stderr.splitlines() if re.search(r" of batch 1 (done|goes)", line)
    ]
    told = {re.search(r"INFO batch=1 stage=(\w+) (\w+) of batch 1 ", line) for line in ends}
    stages = {found and found[1] == found[2] and found[1] for found in told}
    assert stages == {"import", "identify", "deidentify", "send", "verify", "clean_up"}
