"""Work over a few connections: its order, its end, and who renews the claim."""

import gc
import socket
import threading
import weakref
from collections.abc import Iterator

import pytest

from sendit.storage.together import Stopped, Traffic, together


def test_results_come_in_the_order_of_the_items() -> None:
    told: list[int] = []

    results = together(
        range(50),
        lambda item, _: item * 2,
        at_once=4,
        progress=lambda: told.append(threading.get_ident()),
    )

    assert results == [2 * item for item in range(50)]
    assert set(told) == {threading.get_ident()}
    assert len(told) == 50


class Large:
    """An item of which few can be in memory."""


def test_an_item_is_forgotten_when_its_work_is_done() -> None:
    known: weakref.WeakSet[Large] = weakref.WeakSet()
    most = 0

    def items() -> Iterator[Large]:
        nonlocal most
        for _ in range(20):
            gc.collect()
            most = max(most, len(known))
            item = Large()
            known.add(item)
            yield item
            del item

    together(items(), lambda *_: None, at_once=2, ahead=1, progress=lambda: None)

    assert most <= 3


def test_the_first_failure_wakes_and_ends_the_others() -> None:
    ours, theirs = socket.socketpair()
    waiting = threading.Event()
    ended: list[str] = []

    def work(item: int, traffic: Traffic) -> None:
        if item == 1:
            waiting.wait(10)
            raise ValueError("the first failure")
        with traffic.using(ours):
            waiting.set()
            ours.recv(1)  # for ever, unless it is woken
            ended.append("woken")
            traffic.tell(1)

    with ours, theirs, pytest.raises(ValueError, match="the first failure"):
        together(range(2), work, at_once=2, progress=lambda: None)

    assert ended == ["woken"]


def test_what_was_stopped_moves_nothing_more() -> None:
    traffic = Traffic()
    traffic.stop()

    with pytest.raises(Stopped):
        traffic.tell(1)
