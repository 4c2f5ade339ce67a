"""Capacity reports made by hand, for tests of how they are told."""

from __future__ import annotations

from datetime import date, timedelta

from sluice.estate.severity import Severity
from sluice.insight.capacity.bill import Advice, Bill, BillLine, Reservation
from sluice.insight.capacity.compared import Changed, Faster, Moved, TrackRecord
from sluice.insight.capacity.measure import Ceiling, Curve, Drop, Outlook, Reached
from sluice.insight.capacity.report import Report, StoreReport, TableGrowth
from sluice.insight.capacity.standing import Backup, Headroom, Lag, Proposal

UNTIL = date(2026, 3, 2)
LAST = UNTIL - timedelta(days=1)
HOSTILE = "<script>alert('x')</script>|`*_"
FULL = Ceiling("full", 510e9, "is 85 % full")
MOST = Ceiling("most", 10e12, "holds 10 TB, the most that it may")


def curve(now: float, a_day: float, days: int = 365) -> Curve:
    """A forecast whose interval widens."""
    ahead = tuple(LAST + timedelta(days=n) for n in range(1, days + 1))
    lines = (tuple(now + a_day * share * n for n in range(1, days + 1)) for share in (0.6, 1.0, 1.5))
    return Curve(ahead, *lines)


def passes(line: tuple[float, ...], limit: float) -> date | None:
    """The first day on which a line is at its limit."""
    return next((LAST + timedelta(days=n + 1) for n, value in enumerate(line) if value >= limit), None)


def outlook(store: str = "shop", a_day: float = 1e9, count: int = 200, seen: bool = True, **other: object) -> Outlook:
    """A store's disk, at 450 GB by now."""
    days = tuple(LAST - timedelta(days=n) for n in range(count))[::-1]
    values = tuple(450e9 - a_day * 0.9 * n for n in range(count))[::-1]
    foreseen = curve(values[-1], a_day) if seen else None
    limits = (FULL, MOST)
    told = {
        "store": store, "metric": "disk_used_bytes", "subject": "", "title": "What it holds", "unit": "bytes", "days": days,
        "values": values, "drops": (Drop(LAST - timedelta(days=20), 12e9),), "steps": (LAST - timedelta(days=60),),
        "a_month": a_day * 27, "curve": foreseen, "reason": "" if seen else "3 days were measured.", "notes": ("A note.",),
        "limits": limits, "arrivals": tuple(arrival(foreseen, one) for one in limits) if foreseen else (),
    }  # fmt: skip
    return Outlook(**{**told, **other})  # type: ignore[arg-type]


def arrival(seen: Curve, limit: Ceiling, severity: Severity | None = "P2") -> Reached:
    """When a forecast passes a limit."""
    found = [passes(line, limit.value) for line in (seen.p90, seen.p50, seen.p10)]
    return Reached(
        limit, *found, days=(found[0] - UNTIL).days if found[0] else None, severity=severity if found[0] else None
    )


def table(name: str = "app.orders", now: float = 100e9, a_day: float = 0.5e9, spark: bool = True) -> TableGrowth:
    """A table."""
    seen = curve(now, a_day, 90)
    days = tuple(LAST - timedelta(days=n) for n in range(30))[::-1] if spark else ()
    values = tuple(now - a_day * n for n in range(30))[::-1] if spark else ()
    return TableGrowth(name, now, a_day * 30, 5e9, (seen.p10[-1], seen.p50[-1], seen.p90[-1]), "", days, values)


def store(name: str = "shop", **other: object) -> StoreReport:
    """A store of which everything is known."""
    told = {
        "name": name, "engine": "postgres", "disk": 600e9, "measures": (outlook(name),), "tables": (table(),),
        "lag": (Lag("shop-b", 0.021, 0.4, 0.957, 0.05),), "cache_hit": 99.12, "headroom": (Headroom("app.orders", 92.0),),
        "backup": Backup("4 min", "38 min", LAST, LAST, ("The last drill was red.",)),
    }  # fmt: skip
    return StoreReport(**{**told, **other})  # type: ignore[arg-type]


def report(*stores: StoreReport, **other: object) -> Report:
    """A report in which nothing is missing."""
    told = {
        "estate": "sample", "since": date(2026, 2, 23), "until": UNTIL, "monthly": False, "stores": stores or (store(),),
        "changed": Changed(date(2026, 2, 23), (Moved("shop", FULL.told, date(2026, 5, 20), date(2026, 5, 1)),),
                           ("shop: app.new",), ("shop: app.old",), (Faster("shop", "app.orders", 3.5e9, 3.6),)),
        "changed_reason": "", "scores": (TrackRecord(7, 120, 0.78, 0.70, 0.85, 0.01, True),),
        "cost": Bill("$", "List prices of March 2026.", (750, 1070), (800, 1200),
                     (BillLine("shop: server", (10, 20), "730 × rds.db.r6g.large, per hour"),),
                     (Reservation("db.r6g", (91.0, 95.0), True),),
                     (Advice("A smaller instance", (40, 60), "its processors are idle", "it restarts"),), ("A note.",)),
        "proposals": (Proposal("shop", "extend the disk to 800 GB", "It is 85 % full in May."),),
        "troubles": (),
    }  # fmt: skip
    return Report(**{**told, **other})  # type: ignore[arg-type]


def empty(**other: object) -> Report:
    """A report of an estate in which nothing was ever measured."""
    bare = store(measures=(), tables=(), disk=None, lag=None, cache_hit=None, headroom=None, backup=None)
    told = {
        "changed": None,
        "changed_reason": "This is the first report.",
        "scores": (),
        "cost": None,
        "cost_reason": "No price table.",
        "proposals": None,
        "troubles": None,
    }
    return report(bare, **{**told, **other})
