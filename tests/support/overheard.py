"""Everything that is said to a Redis while a block runs."""

import base64
import json
import threading
from types import TracebackType
from typing import Any, Self

from tests.support.stores import Redis

QUEUES = ("phi", "out")


class Overheard:
    """Listens by ``MONITOR``, in a thread."""

    def __init__(self, server: Redis) -> None:
        self._client = server.client()
        self._server = server
        self._commands: list[str] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.client().echo("the end")
        self._thread.join(10)

    def _listen(self) -> None:
        with self._client.monitor() as monitor:
            self._ready.set()
            for command in monitor.listen():
                self._commands.append(command["command"])
                if "the end" in command["command"]:
                    return

    def everything(self) -> str:
        return "\n".join(self._commands) + "".join(str(body) for _, body in self.messages())

    def messages(self) -> list[tuple[str, Any]]:
        """Return queue and decoded body of each message that was sent."""
        found = []
        for command in self._commands:
            word, _, rest = command.partition(" ")
            queue, _, content = rest.partition(" ")
            if word.upper() == "LPUSH" and queue in QUEUES:
                message = json.loads(content)
                found.append((queue, json.loads(base64.b64decode(message["body"]))))
        return found

    def keys(self) -> list[str]:
        """Return what stands in Redis now, apart from messages that are just being taken."""
        with self._server.client() as client:
            return [key.decode() for key in client.scan_iter() if not key.startswith(b"unacked")]
