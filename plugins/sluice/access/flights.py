"""One load for all who want the same thing at the same time: the first one loads, the others wait for what it finds."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

LONGEST_WAIT = 30.0
"""Seconds: whoever waited so long loads by himself. Two who wait for each other come apart by it, too."""


@dataclass(eq=False)
class Flight:
    """A load that is under way."""

    found: Future[Mapping[str, Any]] = field(default_factory=Future)
    """What was found under the key, as a mapping of it; nothing where there is nothing."""
    thread: int = field(default_factory=threading.get_ident)

    def wait(self) -> Mapping[str, Any] | None:
        """Give what it finds; None when it came to nothing. Raises what the loading raised."""
        try:
            return self.found.result(LONGEST_WAIT)
        except (CancelledError, TimeoutError):
            return None


class Flights:
    """Those under way. Whoever calls holds the lock that guards what is loaded, so that nothing slips in between."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Flight] = {}

    def board(self, kind: str, keys: Iterable[str]) -> tuple[dict[str, Flight], dict[str, Flight]]:
        """Give the flights that are ours to make, and those of others, which may be waited for."""
        ours: dict[str, Flight] = {}
        theirs: dict[str, Flight] = {}
        for key in keys:
            other = self._under_way.get((kind, key))
            if other is None:
                self._under_way[kind, key] = ours[key] = Flight()
            elif other.thread == threading.get_ident():
                ours[key] = Flight()  # its own loading asks for it again: that must not wait for itself
            else:
                theirs[key] = other
        return ours, theirs

    def leave(self, kind: str, key: str, flight: Flight | None = None) -> None:
        """Let newcomers begin anew: it is over, or it was invalidated."""
        if flight is None or self._under_way.get((kind, key)) is flight:
            self._under_way.pop((kind, key), None)


def land(flights: Mapping[str, Flight], values: Mapping[str, Any]) -> None:
    """Give those who wait what was found."""
    for key, flight in flights.items():
        flight.found.set_result({key: values[key]} if key in values else {})


def fail(flights: Mapping[str, Flight], error: BaseException) -> None:
    """Tell those who wait. They load by themselves where it was an interruption, this thread's own, or a load of several keys:
    nobody knows which of them it failed for.
    """
    for flight in flights.values():
        if isinstance(error, Exception) and len(flights) == 1:
            flight.found.set_exception(error)
        else:
            flight.found.cancel()
