"""Deliver a migration's changes for a while: the same loop for Airflow's tasks and for a process that never ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sluice.errors import Terminal
from sluice.estate.models import Migration
from sluice.estate.single_table import Replication
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Fenced, Kind, Lag

log = logging.getLogger(__name__)

ROUND_SECONDS = 5.0
MEASURE_EVERY = 60.0
"""Seconds between two flights of canaries, which say how long a change takes from end to end."""
SEVERAL = 3
"""So many flights in a row that do not come home are no slow moment."""
REST, LONGEST_REST = 0.05, 0.5
"""Seconds between two rounds that delivered all there was."""


class TooFarBehind(Terminal):
    """The reader is so far behind that the stream may be trimmed before it is read."""


@dataclass
class Flights:
    """Flights of canaries in a row that did not come home: a shard that tells nothing is behind by nothing, and they show it."""

    out: int = 0
    since: float = 0.0
    """When the first of them was let go, by the monotonic clock."""
    held_by: str = ""

    def note(self, lag: Lag, begun: float) -> None:
        """Count one more, or begin anew where it came home."""
        if not lag.pending:
            self.out, self.held_by = 0, ""
            return
        self.since = self.since if self.out else begun
        self.out, self.held_by = self.out + 1, lag.held_by

    def check(self, m: Migration) -> None:
        """Raise TooFarBehind where several are out for longer than the migration may be behind."""
        seconds = time.monotonic() - self.since
        if self.out >= SEVERAL and timedelta(seconds=seconds) > _limits(m).stop_behind:
            raise TooFarBehind(
                f"{m.name}: no canary has come home for {seconds / 3600:.1f} h, of {self.out} flights in a row: {self.held_by}."
                " What applications wrote since may be unread, and it is kept for 24 h. See that the stream is on and that"
                f" replicate_changes runs: each run opens it anew, and goes on. `./sluice abort {m.name}` gives it up."
            )

    def __str__(self) -> str:
        return f"{self.out} flights of canaries are out: {self.held_by}" if self.out else ""


@dataclass(frozen=True)
class Followed:
    """What a while of following came to. `behind` and `delay` (of the slowest canary) are seconds, `out` is what is not home."""

    rounds: int
    behind: float
    delay: float | None
    out: str = ""

    def __str__(self) -> str:
        delay = "not measured" if self.delay is None else f"{self.delay:.2f} s"
        told = f"{self.rounds} rounds, {self.behind:.0f} s behind at the end, from end to end {delay}"
        return "; ".join(filter(None, (told, self.out)))


def follow(
    kind: Kind,
    m: Migration,
    seconds: float,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    measure: bool = True,
    flights: Flights | None = None,
) -> Followed:
    """Deliver until `seconds` are over or `goes_on` says no. Raises TooFarBehind at the end, and whatever the kind raises.

    At the end and not before: a reader that stopped as soon as it saw that it is late would never catch up. Who follows in turns
    hands on the same `flights`.
    """
    started, measured, flights = time.monotonic(), float("-inf"), flights or Flights()
    rounds, behind, delay = 0, 0.0, None
    while goes_on() and time.monotonic() - started < seconds:
        asked = time.monotonic()
        try:
            if measure and asked - measured > MEASURE_EVERY:
                measured = asked
                flights.note(kind.drain(min(30.0, seconds)), measured)
                if flights.out:
                    log.warning("%s: %s", m.name, flights)
                else:
                    delay = time.monotonic() - asked
                asked = time.monotonic()
            behind = kind.replicate(ROUND_SECONDS).behind
        except Fenced as moved_on:
            log.info(
                "%s: %s The next round looks where it stands", m.name, moved_on
            )  # a phase or a switch came between
        failpoint("changes.followed")
        rounds += 1
        time.sleep(rest_after(time.monotonic() - asked))
    check_behind(behind, m)
    flights.check(m)
    return Followed(rounds, behind, delay, str(flights))


def rest_after(worked: float) -> float:
    """Seconds to rest behind a round of so many: as long again, so that a slow store has a pause; none while more waits."""
    return 0.0 if worked >= ROUND_SECONDS else min(max(REST, worked), LONGEST_REST)


def check_behind(behind: float, m: Migration) -> None:
    """Warn, or raise TooFarBehind: a stream keeps a day. `behind` is seconds. Who copies asks too, and then stops."""
    limits = _limits(m)
    if behind > limits.stop_behind.total_seconds():
        raise TooFarBehind(
            f"{m.name} is {behind / 3600:.1f} h behind the changes of {m.source.table}, and they are kept for 24 h:"
            " copying stops, delivering goes on. To resume: let replicate_changes run (it delivers in each run, red or not), or"
            f" `./sluice replicate {m.name}`; give the target more capacity; when it is less than"
            f" {limits.stop_behind.total_seconds() / 3600:g} h behind, clear this task. `./sluice abort {m.name}` gives it up."
        )
    if behind > limits.warn_behind.total_seconds():
        log.warning("%s is %.1f h behind the changes of %s", m.name, behind / 3600, m.source.table)


def _limits(m: Migration) -> Replication:
    limits: Replication = getattr(m, "replication", Replication())
    return limits
