"""How gunicorn serves the pages; read by gunicorn itself (``--config python:…``)."""

import contextlib
import ctypes
import logging
import signal

from sendit.web.room import AT_ONCE, FOR_HEALTH, WAITING

_PR_SET_PDEATHSIG = 1

workers = 1
threads = AT_ONCE + WAITING + FOR_HEALTH
preload_app = True
"""One secret for all workers when the configuration names none; and errors show at the start."""
control_socket_disable = True
loglevel = "warning"
errorlog = None
"""No log of its own, which would quote requests; ``on_starting`` hands its messages to ours."""
graceful_timeout = 3
timeout = 60
forwarded_allow_ips = "127.0.0.1,::1"


def on_starting(_server: object) -> None:
    """Speak through our log, and ask Linux to end the server when its parent dies."""
    logging.getLogger("gunicorn.error").propagate = True
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
