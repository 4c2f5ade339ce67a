"""Deliver a migration's changes for a while: the same loop for Airflow's tasks and for a process that never ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sluice.errors import Terminal
from sluice.estate.models import Migration
from sluice.estate.single_table import Replication
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Kind

log = logging.getLogger(__name__)

ROUND_SECONDS = 5.0
MEASURE_EVERY = 60.0
"""Seconds between two flights of canaries, which say how long a change takes from end to end."""
REST = 0.05
"""Seconds between two rounds that found nothing much."""


class TooFarBehind(Terminal):
    """The reader is so far behind that the stream may be trimmed before it is read."""


@dataclass(frozen=True)
class Followed:
    """What a while of following came to. `behind` and `delay` (of the slowest canary) are seconds."""

    rounds: int
    behind: float
    delay: float | None

    def __str__(self) -> str:
        delay = "not measured" if self.delay is None else f"{self.delay:.2f} s"
        return f"{self.rounds} rounds, {self.behind:.0f} s behind at the end, from end to end {delay}"


def follow(
    kind: Kind, m: Migration, seconds: float, *, goes_on: Callable[[], bool] = lambda: True, measure: bool = True
) -> Followed:
    """Deliver until `seconds` are over or `goes_on` says no. Raises TooFarBehind, and whatever the kind raises."""
    started, measured = time.monotonic(), float("-inf")
    rounds, behind, delay = 0, 0.0, None
    while goes_on() and time.monotonic() - started < seconds:
        if measure and time.monotonic() - measured > MEASURE_EVERY:
            begun = measured = time.monotonic()
            if not kind.drain(min(30.0, seconds)).pending:
                delay = time.monotonic() - begun
        behind = kind.replicate(ROUND_SECONDS).behind
        failpoint("changes.followed")
        _check(behind, m)
        rounds += 1
        time.sleep(REST)
    return Followed(rounds, behind, delay)


def _check(behind: float, m: Migration) -> None:
    """Warn, or raise TooFarBehind: a stream keeps a day."""
    limits: Replication = getattr(m, "replication", Replication())
    if behind > limits.stop_behind.total_seconds():
        raise TooFarBehind(
            f"{m.name} is {behind / 3600:.1f} h behind the changes of {m.source.table}, and they are kept for 24 h. Give the"
            f" target more capacity or let fewer lanes copy; then clear this task. `./sluice abort {m.name}` gives it up."
        )
    if behind > limits.warn_behind.total_seconds():
        log.warning("%s is %.1f h behind the changes of %s", m.name, behind / 3600, m.source.table)
