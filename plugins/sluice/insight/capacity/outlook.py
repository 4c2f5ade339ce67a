"""When a store comes to its limits: what is forecast of what it holds, of its sessions, of its tables' units. Pure.

How a line is forecast is `insight.forecast`'s; here it is told what is known of drops, and its curve is held against the limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sluice.estate.insight import Disk
from sluice.insight.capacity.changed import Before
from sluice.insight.capacity.drops import dropped_since
from sluice.insight.capacity.foreseeing import Foreseen, foresee
from sluice.insight.capacity.growth import MONTH, SIZES, Growth, StoreGrowth, grown_in_a_month
from sluice.insight.capacity.measure import Ceiling, Outlook, Reached, ahead
from sluice.insight.capacity.report import TableGrowth
from sluice.insight.capacity.words import amount, day
from sluice.insight.forecast.arrival import arrival, severity
from sluice.ledger.forecasts import Made
from sluice.ledger.samples import Series

YEAR, QUARTER = 365, 90
"""Days that a store's limits are looked for in, and that a table is foreseen."""
SESSIONS_FULL = 80.0
"""Percent of the sessions that a server takes."""
KEPT = (7, 30, 90)
"""Days ahead of which a forecast is kept, to be scored when they have come."""
STALE = 7
"""Days without a number after which that is said."""
FAR = "Beyond "
"""How the forecast's note on far days begins."""
MOST_UNITS = 6
"""So many tables' units are shown, those nearest to what is provisioned."""


@dataclass(frozen=True)
class Measured:
    """One measure with what is forecast of it: to be shown, and to be kept."""

    outlook: Outlook
    made: Made | None


def look_at_store(grown: StoreGrowth, disk: Disk, until: date, before: Before | None) -> tuple[Measured, ...]:
    """Foresee what a store holds, its sessions, and its tables' units: those of its measures that there are."""
    found = list[Measured]()
    if grown.size:
        found.append(_look(grown.size, "What it holds", "bytes", disk_limits(grown, disk), until, before))
    if grown.sessions:
        limit = Ceiling("sessions", SESSIONS_FULL, f"has {SESSIONS_FULL:.0f} % of its sessions in use")
        found.append(_look(grown.sessions, "Sessions, the most of each day", "percent", (limit,), until, before))
    bound = sorted((one for one in grown.units if one.bound), key=lambda one: -one.line.values[-1] / (one.bound or 1))
    for one in bound[:MOST_UNITS]:
        units = f"{one.series.metric.partition('_')[0]} units"
        limit = Ceiling("provisioned", one.bound or 0, f"uses all of its provisioned {units}")
        title = f"{one.series.subject}: {units} a second, the most of each day"
        found.append(_look(one, title, "rate", (limit,), until, before))
    return tuple(found)


def look_at_table(grown: Growth, until: date) -> tuple[TableGrowth, Made | None]:
    """Foresee a table for 90 days."""
    seen = foresee(grown, QUARTER)
    return told_table(grown, ahead(seen.curve, QUARTER), seen.reason), made_of(grown, seen, until)


def told_table(grown: Growth, in_90_days: tuple[float, float, float] | None, reason: str) -> TableGrowth:
    """Say of a table what was measured, with what is foreseen of it, or why nothing is."""
    month = date.fromordinal(grown.line.days[-1] - MONTH)
    return TableGrowth(
        name=grown.series.subject,
        now=grown.line.values[-1],
        a_month=grown_in_a_month(grown),
        dropped=dropped_since(grown.drops, month),
        in_90_days=in_90_days,
        reason=reason,
        days=tuple(map(date.fromordinal, grown.line.days)),
        values=grown.line.values,
    )


def disk_limits(grown: StoreGrowth, disk: Disk) -> tuple[Ceiling, ...]:
    """Say where a store's disk ends: at so many percent of what it holds, and at the most that it may be extended to.

    None where nobody says how much it holds.
    """
    size = disk_size(grown, disk)
    if size is None:
        return ()
    full = Ceiling("full", size * disk.full_at / 100, f"is {disk.full_at} % full")
    return full, Ceiling("most", float(disk.most.count), f"holds {disk.most}, the most that it may")


def disk_size(grown: StoreGrowth, disk: Disk) -> float | None:
    """Say how much a store's disk holds: as a person wrote it, else as it was measured; None where neither says it."""
    if grown.size is None or grown.size.series.metric not in SIZES:
        return None
    return float(disk.size.count) if disk.size else grown.disk


def arrival_at(limit: Ceiling, seen: Foreseen, series: Series, until: date, before: Before | None) -> Reached:
    """Hold a forecast against a limit, and against what the report before has said of it."""
    found, last = arrival(seen.found, limit.value), seen.found.last or until
    earliest, likely, latest = (
        last + timedelta(days=days) if days is not None else None for days in (found.p10, found.p50, found.p90)
    )
    left = max(0, (earliest - until).days) if earliest else None
    then = before.days.get((series.store, series.metric, series.subject, limit.name)) if before else None
    return Reached(limit, earliest, likely, latest, days=left, severity=severity(left, then))


def made_of(grown: Growth, seen: Foreseen, until: date) -> Made | None:
    """Give what is kept of a forecast: some days ahead, with what is dropped until then counted as there.

    None of one that is not to be trusted by its own word: it claims nothing that could be scored.
    """
    curve = seen.curve
    if curve is None or not seen.found.confident:
        return None
    first = curve.days[0].toordinal()
    places = [until.toordinal() + days - 1 - first for days in KEPT]
    if places[-1] >= len(curve.days):
        return None
    added = [sum(one.bytes for one in grown.coming if one.day <= curve.days[at]) for at in places]
    p10, p50, p90 = (
        tuple(line[at] + more for at, more in zip(places, added, strict=True))
        for line in (curve.p10, curve.p50, curve.p90)
    )
    return Made(grown.series, until, grown.line.values[-1], KEPT, p10, p50, p90)


def _look(
    grown: Growth, title: str, unit: str, limits: tuple[Ceiling, ...], until: date, before: Before | None
) -> Measured:
    seen, series = foresee(grown, YEAR, unit), grown.series
    found = tuple(arrival_at(limit, seen, series, until, before) for limit in limits if seen.curve)
    outlook = Outlook(
        store=series.store,
        metric=series.metric,
        subject=series.subject,
        title=title,
        unit=unit,
        days=tuple(map(date.fromordinal, grown.line.days)),
        values=grown.line.values,
        drops=grown.drops,
        steps=seen.steps,
        a_month=grown_in_a_month(grown),
        curve=seen.curve,
        reason=seen.reason,
        notes=(*_worth_saying(seen, found, grown.last), *_counted_on(grown, unit), *_stale(grown, until)),
        limits=limits,
        arrivals=found,
    )
    return Measured(outlook, made_of(grown, seen, until))


def _worth_saying(seen: Foreseen, found: Sequence[Reached], last: date) -> Iterator[str]:
    """Leave out how sure the far days are where none of them is told."""
    told = [day for at in found for day in (at.earliest, at.likely, at.latest) if day]
    far = any((day - last).days > QUARTER for day in told)
    yield from (note for note in seen.notes if far or not note.startswith(FAR))


def _counted_on(grown: Growth, unit: str) -> tuple[str, ...]:
    if not grown.coming:
        return ()
    dropped = sum(one.bytes for one in grown.coming if one.day.toordinal() - grown.line.days[-1] <= QUARTER)
    return (
        (f"Counted on: {amount(dropped, unit)} archived and dropped in 90 days, as in the months before.",)
        if dropped
        else ()
    )


def _stale(grown: Growth, until: date) -> tuple[str, ...]:
    late = (until - grown.last).days - 1
    return (
        (f"Last measured on {day(grown.last, until)}, {late} days before the end of this report.",)
        if late >= STALE
        else ()
    )
