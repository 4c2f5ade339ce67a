"""The circuit breaker: after so many failures in a row nobody asks a store that is down, until one try finds it up.

Own code, after Nygard's pattern (*Release It!*). The kept libraries were looked at: pybreaker holds its lock while the
call runs, so threads would queue behind each other's requests; circuitbreaker lets everybody through at once when
the time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sluice.errors import Transient
from sluice.stores.dynamodb.client import DynamoDown

T = TypeVar("T")


class BreakerOpen(Transient):
    """The store failed several times in a row, and is left alone for a while."""


@dataclass(frozen=True)
class _Open:
    """Since when, and whether somebody is trying."""

    since: float
    trying: bool = False


class Breaker:
    """Counts failures in a row, by type. One for each endpoint; threads share it, and it holds no lock while a call runs.

    What is counted has been tried again already: botocore makes three tries with backoff (`client_config`). A table that asks
    for patience (Throttled) is not counted: it answers, and it is one of many behind the endpoint.
    """

    def __init__(
        self,
        counts: tuple[type[Exception], ...] = (DynamoDown,),
        *,
        failures: int = 5,
        reset_after: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts, self._most, self._reset_after, self._clock = counts, failures, reset_after, clock
        self._lock = threading.Lock()
        self._failed = 0
        self._open: _Open | None = None
        self._generation = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused."""
        return self._open is not None

    def call(self, function: Callable[[], T]) -> T:
        """Call `function`, or raise BreakerOpen without calling it."""
        generation = self._enter()
        answered: bool | None = None  # an interruption says nothing of the store
        try:
            result = function()
            answered = True
        except self._counts:
            answered = False
            raise
        except Exception:
            answered = True  # if only with a refusal
            raise
        finally:
            self._leave(generation, answered)
        return result

    def _enter(self) -> int:
        """Give the generation that the call belongs to. Raises BreakerOpen."""
        with self._lock:
            if self._open is not None:
                rest = self._open.since + self._reset_after - self._clock()
                if self._open.trying or rest > 0:
                    raise BreakerOpen(
                        f"The store failed {self._failed} times in a row and is left alone for {max(rest, 0):.0f} s more. "
                        "Nothing was sent: serve what you have, or answer later."
                    )
                self._turn(_Open(self._open.since, trying=True))
            return self._generation

    def _leave(self, generation: int, answered: bool | None) -> None:
        with self._lock:
            if generation != self._generation:
                return  # it began before the breaker opened, closed or let one try: how it ended is old news
            if answered:
                self._failed = 0
                self._turn(None)
            elif answered is None:
                self._turn(self._open and _Open(self._open.since))
            else:
                self._failed += 1
                if self._failed >= self._most:
                    self._turn(_Open(self._clock()))

    def _turn(self, to: _Open | None) -> None:
        if to != self._open:
            self._open, self._generation = to, self._generation + 1
