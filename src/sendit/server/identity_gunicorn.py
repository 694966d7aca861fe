"""How gunicorn serves the identity service; read by gunicorn itself (``--config python:…``)."""

from sendit.web.gunicorn_config import errorlog, on_starting

__all__ = ["errorlog", "on_starting"]

workers = 1
"""One process: its threads share the count of requests that the rate limit goes by."""
threads = 8
preload_app = True
"""What is wrong shows at the start."""
control_socket_disable = True
loglevel = "warning"
graceful_timeout = 3
timeout = 60
