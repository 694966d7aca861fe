"""Workers and nudges over Celery and Redis: one task, one integer, two queues.

A message holds a batch's number and nothing else.  It is acknowledged when it is taken up, has
no result, and may be lost, late or repeated: the task asks the database.  Each process takes
one message at a time (solo); who starts and watches it is ``pool.py``'s supervisor, so an
image that hangs is ended here as it is there.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery import Celery, Task
from celery.worker import WorkController
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError, ResponseError

from sendit.config import Configuration
from sendit.errors import BrokerUnavailable, SchemaMismatch
from sendit.pipeline.liveness import own_name
from sendit.pipeline.machine import SHARED
from sendit.pipeline.preparation import prepare_worker
from sendit.pipeline.runner import Runner, Step, utc_now
from sendit.pipeline.zones import zone_of
from sendit.records.models import Batch, Image
from sendit.records.refusals import cause_of
from sendit.records.schema import require_same_schema
from sendit.terms import Zone
from sendit.workers.entry import Signs
from sendit.workers.pool import Life

logger = logging.getLogger(__name__)

TASK = "sendit.advance"
HELPERS = 15
"""At most so many further workers are called to one batch: its messages stay under 20."""
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
QUIET_SECONDS = 5.0
"""So long a broker is left alone that did not answer, lest everybody waits for it each time."""
AWAY = (BrokerError, OSError, RedisError)


def make_app(configuration: Configuration) -> Celery:
    """Return the Celery application of an installation."""
    broker = configuration.settings.broker.url
    # Without Celery's own part for Django, which looks through every page's code when a worker
    # starts and makes a new connection to the database for each message.
    app = Celery("sendit", set_as_current=False, fixups=[])
    app.conf.update(
        broker_url=broker.get_secret_value() if broker else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
            # A message is gone once it is taken: nobody puts back one that ended its worker.
            "ack_emulation": False,
        },
        # Through the default exchange a message goes by the queue's name: nothing that a
        # FLUSHALL could take away has to stand in Redis.
        task_queues=[Queue(zone.value, Exchange(""), routing_key=zone.value) for zone in Zone],
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


class CeleryNudger:
    """Sends nudges; a broker that is away costs a line in the log, since the bell rings again."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._told: str | None = None
        self._quiet_until = 0.0
        # Not Celery's pool: a connection that has met an error stays in it, and is of no use.
        self._open: Connection | None = None

    def nudge(self, batch_id: int, zone: Zone) -> bool:
        """Send one message; False when the broker did not take it."""
        if time.monotonic() < self._quiet_until:
            return False
        was_open = self._open is not None
        try:
            self._send(batch_id, zone)
        except AWAY as error:
            self._hang_up()
            if was_open:  # and may have been dead since Redis was restarted
                return self.nudge(batch_id, zone)
            self._tell(error)
            return False
        self._told = None
        return True

    def waiting(self, zone: Zone) -> int | None:
        """Return the length of a zone's queue; None when the broker does not tell."""
        if time.monotonic() < self._quiet_until:
            return None
        try:
            with self._connection() as broker:
                return int(broker.default_channel.client.llen(zone.value))
        except AWAY as error:
            self._tell(error)
        return None

    def require(self) -> None:
        """Return if the broker answers.

        Raises
        ------
        sendit.errors.BrokerUnavailable
            When it does not.
        """
        try:
            with self._connection():
                pass
        except AWAY:
            raise BrokerUnavailable(
                "The broker does not answer at broker.url; start Redis, or mend the address, its "
                "password and the network between."
            ) from None

    def require_room(self) -> None:
        """Return if the broker would take a message for each zone.

        Raises
        ------
        sendit.errors.BrokerUnavailable
            With what it says when it refuses.
        """
        self.require()
        try:
            with self._connection() as broker:
                for zone in Zone:
                    # A write that changes nothing: no message is empty.
                    broker.default_channel.client.linsert(zone.value, "BEFORE", "", "")
        except AWAY as error:
            raise BrokerUnavailable(
                f'The broker answers and takes no message ("{_words(error)}"): mend that in Redis '
                "(its memory, its disk, its role, who may write), or name another in broker.url."
            ) from None

    def _send(self, batch_id: int, zone: Zone) -> None:
        if self._open is None:
            self._open = self._app.connection_for_write()
            self._open.ensure_connection(timeout=CONNECT_SECONDS, max_retries=1)
        self._app.send_task(
            TASK,
            (batch_id,),
            queue=zone.value,
            connection=self._open,
            retry=False,
            ignore_result=True,
        )

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open.release()
        self._open = None

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self._app.connection_for_write() as broker:
            broker.ensure_connection(timeout=CONNECT_SECONDS, max_retries=1)
            yield broker

    def _tell(self, error: Exception) -> None:
        words = _words(error)
        if words != self._told:
            does = f'refuses messages ("{words}")' if words else "does not answer"
            logger.warning("the broker %s; batches go on when that has ended", does)
        self._told = words
        if not words:
            self._quiet_until = time.monotonic() + QUIET_SECONDS


def _words(error: Exception) -> str:
    """Return what a broker said that answered and refused; empty of one that did not answer."""
    cause = error.__cause__ or error
    # What comes before names the command, which is another one each time.
    return str(cause).rpartition("caused error: ")[2] if isinstance(cause, ResponseError) else ""


def nudger(configuration: Configuration) -> CeleryNudger:
    """Return what sends nudges."""
    return CeleryNudger(make_app(configuration))


def work(parent: int, signs: Signs, zone: str) -> None:
    """Be one worker process of a zone until told to stop."""
    life = Life(parent, signs)
    configuration = django_settings.SENDIT
    app = make_app(configuration)
    # Celery finds a task by the application that is current, which may be that of our parent.
    app.set_current()
    here = Zone(zone)
    runner = Runner(
        configuration,
        site_key=prepare_worker(configuration, zone=here),
        worker=own_name(),
        watch=life.watch,
        stopping=lambda: life.stopping,
        zone=here,
    )
    advance = Advance(runner, CeleryNudger(app), here, chunk=configuration.settings.workers.chunk)
    ending = _Ending()
    app.register_task(_task(advance, life, ending))
    controller = WorkController(
        app=app,
        hostname=f"{zone}@{own_name()}",
        pool_cls="solo",
        concurrency=1,
        queues=[zone],
        loglevel="WARNING",
        use_eventloop=False,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    life.on_stop = ending.told
    life.began()
    try:
        # Not controller.start(), which would put a message back that cannot be understood, for
        # the next process to end by it.
        controller.blueprint.start(controller)
    except Exception as error:  # noqa: BLE001 - a boundary: another process takes this one's place
        logger.error("what the broker sent was not understood (%s)", type(error).__name__)
        ending.leave(1)


class Advance:
    """What the task does: step after step of one batch, then a nudge to whoever is next."""

    def __init__(self, runner: Runner, nudger: CeleryNudger, zone: Zone, *, chunk: int) -> None:
        self._runner = runner
        self._nudger = nudger
        self._zone = zone
        self._chunk = chunk

    def __call__(self, batch_id: int, *, stopping: Callable[[], bool]) -> None:
        """Go on with a batch while it is ours."""
        require_same_schema()
        while not stopping():
            step = self._runner.advance(batch_id)
            if step is Step.IDLE:
                return
            if step is Step.MOVED and not self._hand_on(batch_id):
                return

    def _hand_on(self, batch_id: int) -> bool:
        """Nudge the other zone, or helpers; True when the batch goes on here."""
        now = utc_now()
        batch = (
            Batch.objects.due(now)
            .filter(pk=batch_id)
            .select_related("profile")
            .defer("uid", "folder")
            .first()
        )
        if batch is None:
            return False
        zone = zone_of(batch, now=now)
        if zone is not self._zone:
            self._nudger.nudge(batch_id, zone)
            return False
        if batch.stage == SHARED:
            chunks = Image.objects.open().filter(batch=batch_id).count() // self._chunk
            for _ in range(min(chunks, HELPERS)):
                self._nudger.nudge(batch_id, zone)
        return True


def _leave_a_dead_connection() -> None:
    """Let the next statement make a new one if the database was restarted since the last."""
    if connection.connection is not None and not connection.is_usable():
        connection.close()


class _Ending:
    """Leaves at once when told to stop, or when the step at hand has let go.

    Celery's own way out takes seconds, and there is nothing to clean up: a message that was
    taken and not begun is rung for again.
    """

    def __init__(self) -> None:
        self.busy = False

    def told(self) -> None:
        """Leave, unless a step is being done; it hears that it is to stop."""
        if not self.busy:
            self.leave(0)

    def leave(self, code: int) -> None:
        """End this process."""
        logging.shutdown()
        os._exit(code)


def _task(advance: Advance, life: Life, ending: _Ending) -> Task:
    class AdvanceTask(Task):  # type: ignore[misc]  # Celery has no types
        name = TASK
        ignore_result = True

        def run(self, batch_id: object) -> None:
            if not isinstance(batch_id, int):
                logger.warning("a message without a batch's number was thrown away")
                return
            ending.busy = True
            try:
                _leave_a_dead_connection()
                advance(batch_id, stopping=life.ended)
            except SchemaMismatch as error:
                logger.error("%s", error)
                life.stopping = True
            except DatabaseError as error:
                logger.error("the database did not answer (%s)", cause_of(error))
                connection.close()
            finally:
                ending.busy = False
                if life.ended():  # also without a parent: it would take messages, and do nothing
                    ending.told()

    return AdvanceTask()
