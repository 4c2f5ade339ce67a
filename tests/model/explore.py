"""Breadth first through every state: so the first counterexample is a shortest one."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.model import copier, phases, writers
from tests.model.invariants import has_arrived, violated
from tests.model.state import Bounds, State, first
from tests.model.writers import Label


@dataclass(frozen=True)
class Found:
    """What an exploration found. `path` leads to the state in which the invariant `broken` does not hold."""

    bounds: Bounds
    without: frozenset[str]
    states: int
    steps: int
    depth: int
    seconds: float
    broken: str = ""
    path: tuple[Label, ...] = ()


def successors(state: State, bounds: Bounds, without: frozenset[str]) -> Iterator[tuple[Label, State]]:
    """Every next step of anybody."""
    yield from writers.steps(state, bounds, without)
    yield from copier.steps(state, bounds, without)
    yield from phases.steps(state, bounds, without)


def explore(
    bounds: Bounds,
    without: frozenset[str] = frozenset(),
    *,
    overlook: frozenset[str] = frozenset(),
    most: int = 5_000_000,
) -> Found:
    """Visit every state within the bounds, or stop at the first in which an invariant, not overlooked, does not hold.

    Raises OverflowError beyond `most` states: a bound that is not reached proves nothing.
    """
    began = time.monotonic()
    graph = Graph()
    graph.add(first(bounds), -1, ())
    at = 0
    while at < len(graph.states):
        state = graph.states[at]
        graph.states[at] = None
        broken = violated(state, overlook)
        if broken:
            return graph.told(bounds, without, at, began, broken)
        if has_arrived(state):
            graph.ends.append(at)
        for label, after in successors(state, bounds, without):
            graph.add(after, at, label)
        at += 1
        if len(graph.states) > most:
            raise OverflowError(f"{bounds.name}: more than {most:,} states")
    stuck = graph.stuck()
    return graph.told(bounds, without, stuck if stuck >= 0 else at - 1, began, "I6" if stuck >= 0 else "")


class Graph:
    """The states by number, whence each was first reached, and every step between two of them."""

    def __init__(self) -> None:
        self.number: dict[Any, int] = {}
        self.states: list[Any] = []
        self.whence = array("l")
        self.labels: list[Label] = []
        self.sources, self.arrivals = array("l"), array("l")
        self.ends: list[int] = []

    def add(self, state: State, whence: int, label: Label) -> None:
        """A step to a state, perhaps a new one. Writers are alike: which of them stands first is no difference."""
        number = self.number.setdefault(_canonical(state), len(self.states))
        if number == len(self.states):
            self.states.append(state)
            self.whence.append(whence)
            self.labels.append(label)
        if whence >= 0:
            self.sources.append(whence)
            self.arrivals.append(number)

    def stuck(self) -> int:
        """The first state from which no way leads to an end, or -1. Walks all steps backwards."""
        before: list[list[int]] = [[] for _ in self.states]
        for source, arrival in zip(self.sources, self.arrivals, strict=True):
            before[arrival].append(source)
        seen, waiting = bytearray(len(self.states)), list(self.ends)
        while waiting:
            number = waiting.pop()
            if not seen[number]:
                seen[number] = 1
                waiting += before[number]
        return seen.find(0)

    def told(self, bounds: Bounds, without: frozenset[str], at: int, began: float, broken: str) -> Found:
        """What was found, and the way to state `at`."""
        path, number = [], at
        while number > 0:
            path.append(self.labels[number])
            number = self.whence[number]
        way = tuple(reversed(path))
        seconds = time.monotonic() - began
        return Found(
            bounds, without, len(self.states), len(self.arrivals), len(way), seconds, broken, way if broken else ()
        )


def _canonical(state: State) -> Any:
    one, *others = state.writers
    if others and hash(others[0]) < hash(one):
        return state._replace(writers=(others[0], one, *others[1:]))
    return state
