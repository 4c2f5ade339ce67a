"""The page: of each store that is backed up how its drills went over a year, against what was promised; what is wrong first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sluice.estate.models import Store
from sluice.ledger.seen import Kind, Seen, SeenThings
from sluice.overview.asked import Asked
from sluice.overview.drills.year import Drill, Year, year_read
from sluice.overview.links import dag_path, evidence_path, run_path
from sluice.overview.looked import is_old
from sluice.overview.states import ORDER, State
from sluice.safety.drill.certificate import folder_of
from sluice.safety.replicas.certificate import folder_of as failovers_of
from sluice.stores.postgres import rows, translated
from sluice.stores.statements import statement

DRILLED, FAILED_OVER = "restore_drill", "failover_drill"
"""The gates over drills, and the DAG of the second."""
LATELY = timedelta(days=28)
"""So far back runs are looked for: a drill that is older leads to its certificate alone."""
LATE = timedelta(days=2)
"""How old the last drill may be: there is one each day."""
SOON = timedelta(days=90)
"""A breach that may come within so many days is to be looked at."""
AHEAD, MARGIN = 90, 7
"""So many days to come are drawn, at most, with these behind the one that matters."""


@dataclass(frozen=True)
class Made:
    """A drill with where it came from."""

    drill: Drill
    run: str | None
    """The path of its run; None where it is of long ago, or was stopped before it left a fact."""
    evidence: str | None
    """The path of its gate's record."""


@dataclass(frozen=True)
class Week:
    """Seven days of drills, in numbers: what the charts draw, for who reads."""

    first: date
    drills: int
    """Days with one."""
    slowest: float | None
    """Seconds."""
    failed: int
    lost: Sequence[float] | None
    """The most, at least and at most."""


@dataclass(frozen=True)
class Failover:
    """A failover drill: the server that leads was killed under load."""

    at: datetime
    longest: float
    """Seconds until writes were acknowledged again, at most."""
    within: float
    """What was promised."""
    rounds: int
    lost: int
    """Writes that were acknowledged and lost, without synchronous commit too."""
    wrong: tuple[str, ...]
    certificate: str
    run: str | None


@dataclass(frozen=True)
class StoreDrills:
    """One store."""

    name: str
    rto: float
    rpo: float
    year: Year | None
    last: tuple[Made, ...]
    """Newest first."""
    failovers: tuple[Failover, ...]
    """Newest first."""
    looked: datetime | None
    failed: str
    """Why the last look found nothing; empty where it did."""
    unread: tuple[str, ...]
    """Certificates that cannot be read."""
    now: datetime

    @property
    def newest(self) -> Drill | None:
        """The last drill."""
        return self.last[0].drill if self.last else None

    @property
    def is_unseen(self) -> bool:
        """Whether nobody has looked of late: whether there was a drill since then nobody knows."""
        return is_old(self.looked, self.now)

    @property
    def is_overdue(self) -> bool:
        """Whether there was none for too long."""
        return not self.is_unseen and (self.newest is None or self.now - self.newest.at > LATE)

    @property
    def is_near(self) -> bool:
        """Whether the RTO may be passed soon, by its last months."""
        breach = self.year.breach if self.year else None
        return breach is not None and breach.earliest <= (self.now + SOON).date()

    @property
    def state(self) -> State:
        """Bad where the last drill was no proof; warn where none is known of late, or the promise ends soon."""
        if self.newest and not self.newest.passed:
            return "bad"
        if self.failovers and self.failovers[0].wrong:
            return "bad"
        return "warn" if self.is_unseen or self.is_overdue or self.is_near or self.unread else "good"

    @property
    def dag(self) -> str:
        """The path of the DAG that drills it."""
        return dag_path(f"restore_drill__{self.name}")

    @property
    def weeks(self) -> tuple[Week, ...]:
        """The year by weeks, the last first."""
        return tuple(_weeks(self.year)) if self.year else ()

    @property
    def times(self) -> Mapping[str, Any]:
        """What the chart of times draws."""
        return _times(self.year, self.rto) if self.year else {}

    @property
    def losses(self) -> Mapping[str, Any]:
        """What the chart of losses draws."""
        return _losses(self.year, self.rpo) if self.year else {}


@dataclass(frozen=True)
class Drills:
    """All of them."""

    at: datetime
    stores: tuple[StoreDrills, ...]
    unprotected: tuple[str, ...]
    """The stores without a `backup`: nobody drills them."""

    @property
    def headline(self) -> str:
        """The sum, in words."""
        if not self.stores:
            return "No store is drilled"
        red = sum(one.state == "bad" for one in self.stores)
        unseen = sum(one.is_unseen for one in self.stores)
        overdue = sum(one.is_overdue for one in self.stores)
        near = sum(one.is_near for one in self.stores)
        counted = (
            (red, "red at the last drill"),
            (unseen, "not looked at of late"),
            (overdue, "without a drill for two days"),
            (near, "may pass the RTO soon"),
        )
        said = [f"{count} {what}" for count, what in counted if count]
        count = len(self.stores)
        if said:
            return f"{count} store{'s are' if count > 1 else ' is'} drilled: {', '.join(said)}"
        return f"All {count} stores came back in time" if count > 1 else f"{self.stores[0].name} came back in time"


def drills(asked: Asked) -> Drills:
    """Answer. Raises StoreDown."""
    seen, runs = SeenThings(asked.ledger).all_of(Kind.DRILLS), _runs(asked)
    stores = {name: store for name, store in asked.estate.stores.items() if store.backup}
    found = [
        store_drills(name, store, seen.get(name), runs, asked)
        for name, store in stores.items()
        if asked.may_read(f"restore_drill__{name}")
    ]
    found.sort(key=lambda one: (ORDER.index(one.state), one.name))
    return Drills(asked.now, tuple(found), tuple(name for name in asked.estate.stores if name not in stores))


def store_drills(
    name: str, store: Store, seen: Seen | None, runs: Mapping[str, tuple[str, str]], asked: Asked
) -> StoreDrills:
    """Put together what is known of a store."""
    found = seen.found if seen else {}
    year = year_read(name, found.get("year", {}))
    if year and seen and seen.at:
        year = year.until(seen.at.date())  # what came since nobody has seen
    return StoreDrills(
        name=name,
        rto=store.rto.total_seconds(),
        rpo=store.rpo.total_seconds(),
        year=year,
        last=tuple(_made(name, one, runs) for one in (year.drills if year else ())),
        failovers=tuple(_failover(name, one, runs) for one in reversed(found.get("failovers", ())))
        if asked.may_read(FAILED_OVER)
        else (),
        looked=seen.at if seen else None,
        failed=seen.failed if seen else "",
        unread=tuple(found.get("unread", ())),
        now=asked.now,
    )


def _runs(asked: Asked) -> dict[str, tuple[str, str]]:
    """Give run and gate's record of each certificate of the last weeks, by its key."""
    told = {"since": asked.now - LATELY, "gates": [DRILLED, FAILED_OVER]}
    with translated("asking which runs drilled"):
        found = rows(asked.ledger, statement("overview.list_drill_runs"), **told)
    return {row["certificate"]: (row["run"], evidence_path(row["key"], row["sha256"])) for row in found}


def _made(store: str, one: Drill, runs: Mapping[str, tuple[str, str]]) -> Made:
    run, evidence = runs.get(f"{folder_of(store)}{one.name}.json", (None, None))
    return Made(one, run_path(f"restore_drill__{store}", run) if run else None, evidence)


def _failover(store: str, told: Mapping[str, Any], runs: Mapping[str, tuple[str, str]]) -> Failover:
    key = f"{failovers_of(store)}{told['name']}.json"
    run = runs.get(key, (None, ""))[0]
    return Failover(
        at=datetime.fromisoformat(told["asked_at"]),
        wrong=tuple(told["wrong"]),
        certificate=evidence_path(key),
        run=run_path(FAILED_OVER, run) if run else None,
        **{name: told[name] for name in ("longest", "within", "rounds", "lost")},
    )


def _weeks(year: Year) -> Iterator[Week]:
    every = year.days
    for start in range(max(0, len(every) - 7), -7, -7):
        days = [one for one in every[max(0, start) : start + 7] if one]
        times = [one.available for one in days if one.available is not None]
        lost = [one.lost for one in days if one.lost]
        first = year.first + timedelta(days=max(0, start))
        failed = sum(one.failed for one in days)
        yield Week(first, len(days), max(times, default=None), failed, max(lost, key=lambda one: one[1], default=None))


def _times(year: Year, goal: float) -> Mapping[str, Any]:
    """Give columns: the seconds of each phase of each day, None where none came back whole."""
    counts, failed, late, _, _, *times = year.columns
    return {
        "first": year.first.isoformat(),
        "drilled": year.length,
        "ahead": _ahead(year),
        "phases": [[name, column] for name, column in zip(year.phases, times, strict=True)],
        "failed": [number for number, count in enumerate(failed) if count],
        "late": [number for number, count in enumerate(late) if count],
        "missing": [number for number, count in enumerate(counts) if not count],
        "recoveries": [[(one.at.date() - year.first).days, one.available, bool(one.failed)] for one in year.recoveries],
        "goal": goal,
        "breach": year.breach.likely.isoformat() if year.breach else None,
    }


def _losses(year: Year, goal: float) -> Mapping[str, Any]:
    _, _, _, low, high, *_ = year.columns
    told = {"first": year.first.isoformat(), "drilled": year.length, "low": low, "high": high, "goal": goal}
    return told if any(one is not None for one in high) else {}


def _ahead(year: Year) -> int:
    """Give how many days to come are drawn: up to that on which the promise is passed, where it is near enough."""
    left = (year.breach.likely - year.first).days - year.length + 1 if year.breach else AHEAD + 1
    return left + MARGIN if 0 < left <= AHEAD else 0
