"""Targets are served at once; rows are the worker's own thread's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sendit.errors import Interrupted, TargetUnavailable
from sendit.pipeline.stages.side_by_side import Talk, one_after_another, side_by_side
from sendit.records.models import Delivery
from sendit.storage import Progress, no_progress
from sendit.terms import DeliveryState
from tests.pipeline.line import NO_TARGET, Line

SECONDS = 20.0


class Silent(ThreadingHTTPServer):
    """Takes every request and answers none until something has happened, or time is over."""

    daemon_threads = True

    def __init__(self, happened: threading.Event) -> None:
        super().__init__(("127.0.0.1", 0), _Unanswered)
        self.happened = happened
        self.in_time: list[bool] = []


class _Unanswered(BaseHTTPRequestHandler):
    server: Silent

    def do_GET(self) -> None:
        self.server.in_time.append(self.server.happened.wait(SECONDS))
        self.close_connection = True

    do_POST = do_GET


@contextmanager
def silent_until(happened: threading.Event) -> Iterator[Silent]:
    with Silent(happened) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def watch(folder: Path, happened: threading.Event, over: threading.Event) -> None:
    while not over.wait(0.02):
        if len(list(folder.rglob("*.dcm"))) == 3:
            happened.set()
            return


@pytest.mark.parametrize("first", ["required", "optional"])
def test_a_target_that_is_silent_does_not_hold_back_the_others(line: Line, first: str) -> None:
    happened, over = threading.Event(), threading.Event()
    out = line.installation.out
    with silent_until(happened) as server:
        line.set_project(
            f'{NO_TARGET}[[targets]]\nname = "silent"\nkind = "orthanc"\n'
            f'url = "http://127.0.0.1:{server.server_port}"\n'
            f"required = {str(first == 'required').lower()}\n"
            f'[[targets]]\nname = "out"\nkind = "folder"\npath = "{out}"\n'
        )
        line.installation.add_study("ACC1", n_series=1)
        watcher = threading.Thread(target=watch, args=(out, happened, over))
        watcher.start()

        line.run("ACC1")

        over.set()
        watcher.join()

    assert server.in_time
    assert all(server.in_time)
    states = dict(Delivery.objects.values_list("target", "state"))
    assert states == {"silent": DeliveryState.PENDING, "out": DeliveryState.VERIFIED}


def asking(told: list[object], *calls: object) -> Talk[None]:
    """Ask, note each answer or error with whose thread noted it, and go on."""
    for call in calls:
        try:
            answer: object = yield call  # type: ignore[misc]
        except TargetUnavailable as error:
            answer = str(error)
        told.append((answer, threading.current_thread() is threading.main_thread()))


def whose_thread(progress: Progress) -> bool:
    progress()
    return threading.current_thread() is threading.main_thread()


def away(progress: Progress) -> None:
    raise TargetUnavailable("away")


@pytest.mark.parametrize("count", [1, 3])
def test_a_talk_gets_its_answers_and_its_errors_in_the_workers_thread(count: int) -> None:
    told: list[list[object]] = [[] for _ in range(count)]

    side_by_side(
        [asking(one, whose_thread, away, whose_thread) for one in told],
        progress=no_progress,
        waiting=no_progress,
    )

    assert told == [[(False, True), ("away", True), (False, True)]] * count


def test_two_of_one_receiver_are_never_asked_at_once() -> None:
    told: list[object] = []
    inside = threading.Lock()

    def alone(progress: Progress) -> bool:
        got = inside.acquire(blocking=False)
        progress()
        inside.release()
        return got

    pair = one_after_another([asking(told, alone, alone), asking(told, alone, alone)])
    side_by_side([pair, asking([], whose_thread)], progress=no_progress, waiting=no_progress)

    assert told == [(True, True)] * 4


def test_a_worker_that_is_told_to_stop_ends_every_talk() -> None:
    ended: list[str] = []

    def endless(progress: Progress) -> None:
        try:
            while True:
                progress()
        except Interrupted:
            ended.append("it")
            raise

    def stop() -> None:
        raise Interrupted("told to stop")

    with pytest.raises(Interrupted, match="told to stop"):
        side_by_side([asking([], endless), asking([], endless)], progress=stop, waiting=no_progress)

    assert ended == ["it", "it"]


def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_silent_target() -> None:
    told_to_stop = threading.Event()

    def silent(_progress: Progress) -> None:
        told_to_stop.wait(SECONDS)

    def stop() -> None:
        raise Interrupted("told to stop")

    with pytest.raises(Interrupted, match="told to stop"):
        side_by_side([asking([], silent)], progress=no_progress, waiting=stop)

    assert not told_to_stop.is_set()
    told_to_stop.set()


def test_an_error_that_a_talk_does_not_know_is_raised() -> None:
    def broken(progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side(
            [asking([], broken), asking([], whose_thread)],
            progress=no_progress,
            waiting=no_progress,
        )


def test_nobody_to_serve_is_nothing_to_do() -> None:
    side_by_side([], progress=no_progress, waiting=no_progress)
