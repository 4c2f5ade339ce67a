"""Many lanes at one queue of chunks, some of them dying: a simulation by events. Pure and seeded: the same numbers each time.

A claim takes the queue for a moment, one lane at a time; then the lane copies, beside all others. Whoever dies loses the
chunk it was at, which is free again as soon as the server knows; the lane comes back later.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lanes:
    """What is simulated. Seconds, except `deaths`: per lane and hour."""

    lanes: int
    chunks: int
    copying: Sequence[float]
    """Seconds of chunks, as measured: each copy takes one of them."""
    claim: float
    deaths: float = 0.0
    back_after: float = 30.0
    known_after: float = 0.0
    """How long the server takes a dead lane for alive: nothing where its process ends, long where its machine is lost."""


@dataclass(frozen=True)
class Outcome:
    """What came of it. `done` counts each time that a chunk was checked off: it must be the number of chunks."""

    seconds: float
    done: int
    deaths: int
    lost_seconds: float
    """Of copying, by lanes that died."""
    queued_seconds: float
    """Of lanes that waited for their turn to claim."""
    tail_seconds: float
    """From when the first lane found nothing pending until the end."""

    def share_lost(self, lanes: int) -> float:
        """Of all lanes' time."""
        return self.lost_seconds / (self.seconds * lanes)


def simulate(what: Lanes, seed: int = 1) -> Outcome:
    """Play it to the end."""
    chance = random.Random(seed)
    pending, done, deaths = what.chunks, 0, 0
    lost = queued = free_at = now = 0.0
    first_idle: float | None = None
    # (when, what, seconds of work at stake); a lane is nobody in particular.
    events: list[tuple[float, str, float]] = [(0.0, "ready", 0.0)] * what.lanes
    idle = 0
    while done < what.chunks:
        now, event, stake = heapq.heappop(events)
        if event == "checked off":
            done += 1
            event = "ready"
        elif event == "died":
            deaths, lost = deaths + 1, lost + stake
            heapq.heappush(events, (now + what.known_after, "given back", 0.0))
            heapq.heappush(events, (now + what.back_after, "ready", 0.0))
        elif event == "given back":
            pending += 1
            if idle:
                idle -= 1
                event = "ready"
        if event != "ready":
            continue
        if not pending:
            first_idle, idle = now if first_idle is None else first_idle, idle + 1
            continue
        pending -= 1
        begun = max(now, free_at) + what.claim
        queued, free_at = queued + max(0.0, free_at - now), begun
        takes = chance.choice(what.copying)
        lives = chance.expovariate(what.deaths / 3600) if what.deaths else float("inf")
        died = lives < takes
        heapq.heappush(events, (begun + min(takes, lives), "died" if died else "checked off", min(takes, lives)))
    return Outcome(now, done, deaths, lost, queued, now - (now if first_idle is None else first_idle))
