"""Quality: every gate of everything under care, day by day, each leading to the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from sluice.overview.asked import Asked
from sluice.overview.links import evidence_path, origin_of
from sluice.stores.postgres import Row, rows, translated
from sluice.stores.statements import statement

DAYS = 28
"""So many days are shown, today the last of them."""
SHOWN = 40
"""So many gates are shown day by day, all that are red now among them: a browser has no time for every day of a thousand."""


@dataclass(frozen=True)
class Judged:
    """What a gate found of a thing on one day."""

    day: date
    green: int
    red: int
    last: str
    """The path of the evidence that was kept last: of a red one where there was one."""

    @property
    def is_red(self) -> bool:
        """Whether one of them was red."""
        return self.red > 0

    @property
    def words(self) -> str:
        """Say it in a line: for who points at it, and for who cannot see it."""
        return f"{self.day.day} {self.day:%b}: {self.green} green, {self.red} red"


@dataclass(frozen=True)
class GateDays:
    """A gate of one thing, over the days."""

    gate: str
    whose: str
    days: tuple[Judged | None, ...]
    """As many as `Quality.days`; None where nothing was judged."""
    last: Judged
    """The day on which something was judged last."""
    passed: bool
    """Whether the last verdict of all was green."""
    at: datetime
    """When that was."""
    compared: int
    """How much it has compared."""
    evidence: str
    """The path of its record."""

    @property
    def red_days(self) -> int:
        """On how many of these days one was red."""
        return sum(day is not None and day.is_red for day in self.days)


@dataclass(frozen=True)
class Quality:
    """All gates that judged something in these days; those that are red now first, then those that were."""

    at: datetime
    days: tuple[date, ...]
    gates: tuple[GateDays, ...]

    @property
    def red(self) -> int:
        """How many of them are red by their last verdict."""
        return sum(not one.passed for one in self.gates)

    def foremost(self) -> tuple[GateDays, ...]:
        """Give those that are shown day by day."""
        return self.gates[: max(SHOWN, self.red)]

    def others(self) -> tuple[GateDays, ...]:
        """Give those of which only the last verdict is shown."""
        return self.gates[max(SHOWN, self.red) :]


def quality(asked: Asked) -> Quality:
    """Answer. Raises StoreDown."""
    since = (asked.now - timedelta(days=DAYS - 1)).date()
    with translated("reading what gates have found"):
        found = rows(asked.ledger, statement("overview.list_verdicts"), since=since)
    readable = [row for row in found if asked.may_read(origin_of(row["key"])[0])]
    days = tuple(since + timedelta(days=number) for number in range(DAYS))
    gates = sorted(_gates(readable, days), key=lambda one: (one.passed, not one.red_days, one.whose, one.gate))
    return Quality(asked.now, days, tuple(gates))


def _gates(found: Sequence[Row], days: Sequence[date]) -> Iterator[GateDays]:
    """Put the days of each gate together; they come sorted, and within a day the one that is shown is the last."""
    for (whose, gate), judged in groupby(found, key=lambda row: (row["whose"], row["gate"])):
        together = list(judged)
        by_day = {
            row["day"]: Judged(row["day"], row["green"], row["red"], _evidence(row["key"], row["sha256"]))
            for row in together
        }
        last = together[-1]
        yield GateDays(
            gate=gate,
            whose=whose,
            days=tuple(map(by_day.get, days)),
            last=by_day[last["day"]],
            passed=last["last_passed"],
            at=last["last_at"],
            compared=last["last_compared"],
            evidence=_evidence(last["last_key"], last["last_sha256"]),
        )


def _evidence(key: str, seal: str) -> str:
    return evidence_path(key, seal)
