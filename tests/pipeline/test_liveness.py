import os
import subprocess
import sys

import pytest

from sendit.pipeline.liveness import is_known_dead, name_of, own_name


def test_own_process_is_alive() -> None:
    assert not is_known_dead(own_name())
    assert own_name() == name_of(os.getpid())


def test_process_that_ended_is_dead_also_while_nobody_has_buried_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        name = name_of(process.pid)
        assert not is_known_dead(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert is_known_dead(name)
    assert is_known_dead(name)


def test_process_that_took_over_a_number_is_another() -> None:
    machine, pid, _ = own_name().split(":")

    assert is_known_dead(f"{machine}:{pid}:1")


@pytest.mark.parametrize("name", ["elsewhere/1:1:1", "x", "", "a:b:c"])
def test_nobody_is_declared_dead_who_cannot_be_seen(name: str) -> None:
    assert not is_known_dead(name)


def test_name_fits_its_columns() -> None:
    assert len(own_name()) <= 80
    assert len(own_name()) + 33 <= 120
