"""Calls that are made later, one after the other, in a thread that keeps no process from ending."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Later:
    """A thread of its own, begun with the first call. What is not due when the process ends is never called."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Have something called at a moment of `time.monotonic`, or as soon after as those before it are over."""
        with self._changed:
            heapq.heappush(self._due, (moment, next(self._number), call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._due or (rest := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(rest if self._due else None)
                _, _, call = heapq.heappop(self._due)
            try:
                call()
            except Exception:
                log.exception("%s: a call failed; those after it are made", self._name)
