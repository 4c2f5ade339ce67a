"""A ledger as it is after a year: so many stores, migrations, partitions and drills, and what gates have judged each day.

What only looks leave is written as they write it, by the same functions; the rest by the ledger's own verbs, or in bulk.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import sin
from typing import Any

from sluice.estate.models import Estate
from sluice.insight.capacity.measure import Ceiling, Curve, Outlook, Reached
from sluice.insight.capacity.report import Report, StoreReport, TableGrowth, to_json
from sluice.ledger.control import Control
from sluice.ledger.samples import Samples, Series
from sluice.ledger.seen import Kind, SeenThings
from sluice.migration.engine.contract import Phase
from sluice.overview.capacity.shortened import shortened
from sluice.overview.drills.year import year_told
from sluice.overview.estate.safety import facts_told
from sluice.overview.estate.watchers import HEALTH
from sluice.overview.looked import REFRESHES
from sluice.overview.migrations.seen import File, Stood, found
from sluice.safety.drill.certificate import Certificate, Compared, Goals
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import Facts
from sluice.stores.postgres import Connection
from sluice.stores.statements import statement

GOALS = Goals(300, 30)
DAY = timedelta(days=1)
PHASES = tuple(Phase)
GATES = ("expanded", "capturing", "backfilled", "verified", "shadowing", "cut_over")


@dataclass(frozen=True)
class Size:
    """How much there is."""

    stores: int
    migrations: int
    tables: int
    months: int
    """Partitions of each table."""
    days: int


def fill(c: Connection, size: Size) -> Estate:
    """Fill an empty ledger; give the estate that it is of."""
    Control(c, "", "").prepare()
    samples, seen = Samples(c).prepare(), SeenThings(c).prepare()
    now = seen.now()
    estate = _estate(size)
    with c.transaction():
        for watcher in (REFRESHES, HEALTH):
            seen.note_looked(watcher)
        for number in range(size.migrations):
            _migrate(c, seen, number, now)
        for number in range(size.tables):
            seen.record(Kind.MONTHS, f"table_{number:02}", now, _months(number, size.months, now))
        for name in estate.stores:
            _keep(seen, name, size.days, now)
        _judge(c, size, now)
        _report(seen, estate, size.days, now.date())
    samples.record(
        now, {Series(name, metric): 1.0 for name in estate.stores for metric in ("up_count", "collection_seconds")}
    )
    return estate


def _estate(size: Size) -> Estate:
    told = {"vault": {"connection": "s3_vault", "bucket": "vault"}, "ledger": {"connection": "sluice_ledger"}}
    store = {"engine": "postgres", "connection": "pg", "rto": timedelta(minutes=5), "rpo": timedelta(seconds=30)}
    backed_up = {**store, "backup": {"by": "physical", "connection": "pg"}}
    return Estate.model_validate(
        {"estate": "a_year", **told, "stores": {f"store_{n:02}": backed_up for n in range(size.stores)}}
    )


def _migrate(c: Connection, seen: SeenThings, number: int, now: datetime) -> None:
    name, phase = f"move_{number:02}", PHASES[number % len(PHASES)]
    control = Control(c, name, f"manual__2026-03-01T00:00:00+00:00_{number}")
    for before, after in pairwise(PHASES[: PHASES.index(phase) + 1]):
        control.record_transition("step", before, after, 1)
    for gate in GATES:
        control.record_facts(
            gate, {"rows_compared": 1_000_000, "rows_missing": 0, "rows_extra": 0, "rows_different": 0}, 1
        )
        control.record_evidence(
            gate, 1, passed=True, compared=1_000_000, key=f"evidence/migrate__{name}/r/{gate}.json", sha256="ab"
        )
    file = File(
        "same_cluster",
        "store_00",
        f"app.{name}",
        f"app.{name}_by_month",
        False,
        True,
        timedelta(days=7),
        None,
        None,
        "",
    )
    stood = Stood(phase, 1, chunks=4000, done=1500 + number, rows=30_000_000, rows_estimated=80_000_000)
    seen.record(Kind.MIGRATION, name, now, found(file, stood, {}, now))


def _months(number: int, count: int, now: datetime) -> dict[str, Any]:
    """A table of which a third is in the vault alone, with three months ahead."""
    last = now.year * 12 + now.month + 2
    states = ["gone"] * (count // 3) + ["cooling"] * 2 + ["live"] * (count - count // 3 - 5) + ["ahead"] * 3
    months = [f"{(last - n) // 12:04}-{(last - n) % 12 + 1:02}" for n in reversed(range(count))]
    table = f"app.table_{number:02}"
    return {
        "store": "store_00", "table": table, "policy": "a partition a month", "archives": True, "caught": False, "drops": None,
        "until": (now + 90 * DAY).isoformat(), "wanted": (now + 90 * DAY).isoformat(), "leaves": None, "wrong": [],
        "months": [[month, state, "", ""] for month, state in zip(months, states, strict=True)],
    }  # fmt: skip


def _keep(seen: SeenThings, store: str, days: int, now: datetime) -> None:
    drills = [_drill(store, now - number * DAY) for number in reversed(range(days))]
    taken = Taken("full", now - timedelta(hours=9), 1_000)
    facts = Facts(store, GOALS, Window(taken.whole_at, now), (taken,), drills[-5:], time(4), timedelta(seconds=10))
    seen.record(Kind.SAFETY, store, now, facts_told(facts))
    year = year_told(store, drills, {"full": 1_000}, GOALS, now)
    seen.record(Kind.DRILLS, store, now, {"year": year, "failovers": [], "unread": []})


def _drill(store: str, at: datetime) -> Certificate:
    took = 38 + 3 * sin(at.toordinal())
    phases = {"fetched": took * 0.6, "replayed": took * 0.9, "available": took, "verified": took * 2}
    return Certificate(
        store, f"drill-{at:%Y%m%d}", "the latest moment", at.isoformat(), ("full",), at.isoformat(), None, phases, GOALS,
        (2.0, 12.0), "0", Compared("census", 3, 100, ()), (),
    )  # fmt: skip


def _judge(c: Connection, size: Size, now: datetime) -> None:
    """Two gates a table, each day: what a year of nights leaves."""
    c.execute(statement("bench.judge_each_night"), {"tables": size.tables, "days": size.days, "now": now})


def _report(seen: SeenThings, estate: Estate, days: int, today: date) -> None:
    stores = tuple(_reported(name, days, today) for name in estate.stores)
    made = Report("a_year", today - 7 * DAY, today, False, stores, None, "", (), None, None, cost_reason="No prices.")
    told = shortened(json.loads(to_json(made)), "docs/capacity_report/r/make_report/ab/report.html")
    seen.record(Kind.CAPACITY, "last", datetime.combine(today, time(), UTC), told)


def _reported(name: str, days: int, today: date) -> StoreReport:
    ahead = tuple(today + n * DAY for n in range(365))
    curve = Curve(ahead, *(tuple(450e9 + share * 1e9 * n for n in range(365)) for share in (0.6, 1.0, 1.5)))
    limit = Ceiling("full", 510e9, "is 85 % full")
    reached = Reached(limit, ahead[40], ahead[60], ahead[100], 40, "P2")
    was = tuple(today - n * DAY for n in range(1, days + 1))[::-1]
    line = tuple(450e9 - 0.9e9 * n for n in range(days))[::-1]
    disk = Outlook(
        name,
        "disk_used_bytes",
        "",
        "What it holds",
        "bytes",
        was,
        line,
        (),
        (),
        27e9,
        curve,
        "",
        (),
        (limit,),
        (reached,),
    )
    tables = tuple(
        TableGrowth(f"app.table_{n:02}", 1e10, 1e9, 0.0, (1e10, 2e10, 3e10), "", was, line) for n in range(8)
    )
    return StoreReport(name, "postgres", 600e9, (disk,), tables, None, None, None, None)
