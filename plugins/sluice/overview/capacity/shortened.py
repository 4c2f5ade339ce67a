"""The last report, as a look writes it down: its numbers and words, by weeks, so that a page of fifty stores is light. Pure.

A point stands for a week: its last day of what only grows, its busiest of what rises and falls with the week.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sluice.insight.capacity.compared import TrackRecord
from sluice.insight.capacity.frame import is_near, shown_curve
from sluice.insight.capacity.measure import Ceiling, Curve, Drop, Outlook, Reached
from sluice.insight.capacity.report import CHARTED, SCHEMA
from sluice.insight.capacity.telling import arrival_told, grown_told, score_told
from sluice.overview.capacity.stores import Arrival

LAST = "last"
"""The name under which it is kept: there is one."""
WEEK = 7
MOST_PARTS = 12
"""So many parts of the bill are kept, the dearest."""


def shortened(told: Mapping[str, Any], page: str) -> dict[str, Any]:
    """Shorten a report's JSON; `page` is the key of its page. One of another form gives only where it is."""
    if told.get("schema") != SCHEMA:
        return {"page": page, "until": None}
    until = date.fromisoformat(told["until"])
    outlooks = {store["name"]: [outlook_of(one) for one in store["measures"]] for store in told["stores"]}
    coming = sorted(
        ((at, one) for found in outlooks.values() for one in found for at in one.arrivals if at.earliest),
        key=lambda pair: comes_first(pair[0]),
    )
    return {
        "page": page,
        "since": told["since"],
        "until": told["until"],
        "first": arrival_told(coming[0][1], coming[0][0], until) if coming else "",
        "stores": [_store(store, outlooks[store["name"]], until) for store in told["stores"]],
        "scores": [{"told": score_told(TrackRecord(**one)), "good": one["good"]} for one in told["scores"]],
        "cost": _cost(told["cost"]),
        "cost_reason": told["cost_reason"],
    }


def comes_first(at: Arrival | Reached) -> tuple[date, date]:
    """Give by what limits are ordered: the one that is likely first comes first."""
    return at.likely or date.max, at.earliest or date.max


def outlook_of(told: Mapping[str, Any]) -> Outlook:
    """Read a measure of a report again."""
    curve = told["curve"]
    return Outlook(
        **{name: told[name] for name in ("store", "metric", "subject", "title", "unit", "a_month", "reason")},
        days=_days(told["days"]),
        values=tuple(told["values"]),
        drops=tuple(Drop(date.fromisoformat(one["day"]), one["bytes"]) for one in told["drops"]),
        steps=_days(told["steps"]),
        curve=Curve(_days(curve["days"]), *(tuple(curve[line]) for line in ("p10", "p50", "p90"))) if curve else None,
        notes=tuple(told["notes"]),
        limits=tuple(Ceiling(**one) for one in told["limits"]),
        arrivals=tuple(map(_reached, told["arrivals"])),
    )


def weekly(days: Sequence[date], values: Sequence[float], busiest: bool) -> Iterator[tuple[date, float]]:
    """Give a point a week, counted back from the last day, oldest first. A week without a day has none."""
    weeks: dict[int, list[tuple[date, float]]] = {}
    for day, value in zip(days, values, strict=True):
        weeks.setdefault((days[-1] - day).days // WEEK, []).append((day, value))
    for number in sorted(weeks, reverse=True):
        yield max(weeks[number], key=lambda pair: pair[1]) if busiest else weeks[number][-1]


def ahead_weekly(curve: Curve, busiest: bool) -> Iterator[tuple[date, float, float, float]]:
    """Give each seventh day to come, or the busiest of its week, and the last."""
    days = list(zip(curve.days, curve.p10, curve.p50, curve.p90, strict=True))
    for number in range(0, len(days), WEEK):
        week = days[number : number + WEEK]
        yield max(week, key=lambda one: one[2]) if busiest else week[-1]


def _store(store: Mapping[str, Any], outlooks: Sequence[Outlook], until: date) -> dict[str, Any]:
    named = [*store["tables"][:CHARTED], *([store["rest"]] if store["rest"] else ())]
    return {
        "name": store["name"],
        "engine": store["engine"],
        "disk": store["disk"],
        "measures": [_measure(one, until) for one in outlooks],
        "tables": [_table(one) for one in named],
        "count": len(store["tables"]),
    }


def _measure(one: Outlook, until: date) -> dict[str, Any]:
    seen = shown_curve(one) if one.days else None
    first = one.days[0] if one.days else until
    return {
        "subject": one.subject,
        "title": one.title,
        "unit": one.unit,
        "busy": one.is_busy,
        "now": one.now,
        "told": grown_told(one),
        "reason": one.reason,
        "notes": list(one.notes),
        "was": [[str(day), _short(value)] for day, value in weekly(one.days, one.values, one.is_busy)],
        "will": [[str(day), *map(_short, line)] for day, *line in ahead_weekly(seen, one.is_busy)] if seen else [],
        "limits": [{"told": limit.told, "value": limit.value, "near": is_near(one, limit)} for limit in one.limits],
        "arrivals": [_arrival(one, at, until) for at in one.arrivals],
        "steps": [str(day) for day in one.steps],
        "drops": [[str(drop.day), _short(drop.bytes)] for drop in one.drops if drop.day >= first],
    }


def _arrival(one: Outlook, at: Reached, until: date) -> dict[str, Any]:
    days = {
        name: str(day) if day else None
        for name, day in (("earliest", at.earliest), ("likely", at.likely), ("latest", at.latest))
    }
    return {"told": arrival_told(one, at, until), "severity": at.severity, "value": at.limit.value, **days}


def _table(told: Mapping[str, Any]) -> dict[str, Any]:
    days = _days(told["days"])
    return {
        **{name: told[name] for name in ("name", "now", "a_month", "dropped", "in_90_days", "reason")},
        "was": [[str(day), _short(value)] for day, value in weekly(days, told["values"], busiest=False)],
    }


def _cost(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    kept = {name: told[name] for name in ("currency", "priced", "now", "later", "savings", "notes")}
    return {**kept, "components": told["components"][:MOST_PARTS], "count": len(told["components"])}


def _reached(told: Mapping[str, Any]) -> Reached:
    earliest, likely, latest = (_day(told[name]) for name in ("earliest", "likely", "latest"))
    return Reached(Ceiling(**told["limit"]), earliest, likely, latest, told["days"], told["severity"])


def _day(told: str | None) -> date | None:
    return date.fromisoformat(told) if told else None


def _days(told: Sequence[str]) -> tuple[date, ...]:
    return tuple(map(date.fromisoformat, told))


def _short(value: float) -> float:
    """Six digits: more than any picture shows."""
    return float(f"{value:.6g}")
