"""A relay before a real DICOM server that can be away, slow, full, or refuse a SOP Class.

Without a trouble every byte goes through.  "full" and "refuses class" are other peers that
take the server's place for the time: pynetdicom's, since no server from Debian can be brought
to either on request.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt

DROP_AFTER = 5000
"""Bytes: more than a negotiation, less than an instance with it."""


class TroubledTcp:
    """The relay; ``port`` takes the place of the server's."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._route = upstream
        self.trouble = ""
        self._listen(0)

    @contextmanager
    def troubled(self, trouble: str) -> Iterator[None]:
        self.trouble = trouble
        if trouble == "away":
            self.close()
            yield
            self._listen(self.port)
        elif trouble in ("full", "refuses class"):
            with other_peer(trouble) as port:
                self._route = port
                yield
            self._route = self._upstream
        else:
            yield
        self.trouble = ""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join()

    def _listen(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._server,), daemon=True)
        self._accepting.start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                ours, _ = server.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._route))
            for one in (ours, theirs):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        moved = 0
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                moved += len(block)
                if self.trouble == "slow":
                    continue
                if self.trouble == "drops connections" and moved > DROP_AFTER:
                    break
                sink.sendall(block)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def other_peer(trouble: str) -> Iterator[int]:
    """Run a peer that is full, or takes CT only."""
    ae = AE("ORTHANC")
    if trouble == "full":
        ae.supported_contexts = AllStoragePresentationContexts
    else:
        ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    status = 0xA700 if trouble == "full" else 0x0000
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: status)]
    )
    assert server is not None
    yield server.server_address[1]
    server.shutdown()
