"""Waiting and trying again: exponential, with full jitter, so that many who were refused do not come back together.

From M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sluice.errors import Transient

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often to try again, and how long to wait in between, in seconds."""

    again: int = 8
    first: float = 0.05
    longest: float = 5.0
    within: float = math.inf
    """After so long no other try is begun."""
    beyond_botocore: bool = True
    """Whether a request is tried again that was throttled as a whole: botocore has tried it three times by then."""

    def until(self) -> float:
        """Give when patience ends that begins now, by the monotonic clock."""
        return time.monotonic() + self.within

    def waits(self, until: float = math.inf) -> Iterator[float]:
        """Give the length of each wait, drawn anew; none more after `until`."""
        for turn in range(self.again):
            if time.monotonic() >= until:
                return
            yield random.uniform(0, min(self.longest, self.first * 2**turn))


PATIENT = Patience()


def patiently(act: Callable[[], T], passes: type[Transient], patience: Patience = PATIENT) -> T:
    """Do `act`, again and again while it raises what `passes`. Raises the last of it, and everything else at once."""
    for wait in patience.waits():
        try:
            return act()
        except passes:
            time.sleep(wait)
    return act()
