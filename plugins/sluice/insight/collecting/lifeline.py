"""What ends a look that hangs: a server that is frozen, or behind a wall, answers nothing, and no timeout of its own runs there.

The socket is shut from outside. Whoever waits for it is told that the server is gone, and says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock, Timer
from typing import Any

import psycopg


@dataclass
class Lifeline:
    """The open sessions of one look."""

    held: set[int] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)
    is_cut: bool = False

    @contextmanager
    def holding(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Let a session be cut for as long as the block lasts; at once, where the line was cut before."""
        descriptor = connection.fileno()
        with self.lock:
            self.held.add(descriptor)
            if self.is_cut:
                _shut(descriptor)
        try:
            yield
        finally:
            with self.lock:  # the number may be another's from now on
                self.held.discard(descriptor)

    def cut(self) -> None:
        """Shut every session that is open, and each that is opened later."""
        with self.lock:
            self.is_cut = True
            for descriptor in self.held:
                _shut(descriptor)


@contextmanager
def cut_after(patience: timedelta) -> Iterator[Lifeline]:
    """Cut whatever is held when the block takes longer than that."""
    line = Lifeline()
    timer = Timer(patience.total_seconds(), line.cut)
    timer.daemon = True  # whoever ends early waits for no timer
    timer.start()
    try:
        yield line
    finally:
        timer.cancel()


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as session:
        session.shutdown(socket.SHUT_RDWR)
