"""A network that fails: everything between a worker and its server passes through here, until it is cut.

A cut is a reset, as from a dead firewall. After `lose_the_answer_to_commit` the next COMMIT arrives and no answer ever comes:
it happens, and whoever sent it never learns.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo

A_MOMENT = 0.4
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, not FIN."""


@dataclass
class Proxy:
    """Connections on their way to a server on 127.0.0.1."""

    port: int
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    watching: threading.Event = field(default_factory=threading.Event)
    deaf: threading.Event = field(default_factory=threading.Event)
    open: list[socket.socket] = field(default_factory=list)
    cuts: int = 0
    swallowed: int = 0

    def dsn(self, dsn: str) -> str:
        """The same server, by way of this network."""
        return make_conninfo(**{**conninfo_to_dict(dsn), "port": self.listening.getsockname()[1]})

    def lose_the_answer_to_commit(self) -> None:
        """Be deaf to the server from the next COMMIT on, and reset everything a moment later."""
        self.watching.set()

    def cut(self) -> None:
        """Reset every connection; new ones may come."""
        self.watching.clear()
        self.deaf.clear()
        while self.open:
            end = self.open.pop()
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes whoever reads from it
            end.close()
        self.cuts += 1

    def serve(self) -> None:
        """Take connections until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                self.open += [client, server]
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._carry, args=(source, sink, answers), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.deaf.is_set():
                    self.swallowed += len(data)
                    continue
                if not answers and self.watching.is_set() and b"COMMIT" in data:
                    self.deaf.set()
                    threading.Timer(A_MOMENT, self.cut).start()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def network(port: int) -> Iterator[Proxy]:
    """A network to the server on `port`; cut and closed at the end."""
    proxy = Proxy(port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.cut()
        with suppress(OSError):
            proxy.listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        proxy.listening.close()
