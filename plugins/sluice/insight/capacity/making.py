"""The report of one window, made: read from the ledger, foreseen, scored, compared with the one before. It sends nothing.

What other rooms know (backups, cost, scaling) is brought by who calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from sluice.estate.models import Estate, Store
from sluice.insight.capacity.bill import Bill
from sluice.insight.capacity.changed import Before, changed
from sluice.insight.capacity.growth import Growth, StoreGrowth, read_store
from sluice.insight.capacity.load import loads_ahead
from sluice.insight.capacity.outlook import QUARTER, YEAR, disk_size, look_at_store, look_at_table, told_table
from sluice.insight.capacity.report import CHARTED, Report, StoreReport, TableGrowth
from sluice.insight.capacity.scoring import SCORED, pairs, scored
from sluice.insight.capacity.standing import Backup, Headroom, Lag, Proposal, SmallTrouble
from sluice.insight.capacity.together import choose, together
from sluice.insight.forecast.scoring import Kept
from sluice.ledger.forecasts import Forecasts, Made
from sluice.ledger.samples import Samples, Series, Span

WITH_OTHERS = "Foreseen with the others, as one sum."
LAG_TARGET = timedelta(milliseconds=50)
"""Of a store whose `replicas` say none."""


Foretold: TypeAlias = Mapping[Series, tuple[float, float, float]]
"""What each series is now, and P10 and P90 of what it is in 90 days."""


@dataclass(frozen=True)
class Period:
    """What a report is about: whole days from `since` to `until`, itself not included."""

    since: date
    until: date
    monthly: bool = False


@dataclass(frozen=True)
class FromOthers:
    """What other rooms know; what nobody knows is missing, or None."""

    backups: Mapping[str, Backup] = field(default_factory=dict)
    cost: Callable[[Foretold], tuple[Bill | None, str]] = lambda ahead: (None, "")
    """Reckons what the estate costs, by what is foreseen; or says why nobody knows."""
    proposals: tuple[Proposal, ...] | None = None
    troubles: tuple[SmallTrouble, ...] | None = None


def make_report(
    samples: Samples,
    estate: Estate,
    period: Period,
    known: FromOthers,
    before: Before | None,
    why_none: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Make it, and keep its forecasts in the ledger. Safe to repeat. Raises StoreDown."""
    kept, stores, found = Forecasts(samples.connection), list[StoreReport](), list[tuple[int, Kept]]()
    loads = dict[Series, tuple[float, float, float]]()
    for name, store in estate.stores.items():
        grown = read_store(kept, name, period.until, YEAR)
        told, made = _look(name, store, grown, samples, period, known, before)
        earlier = kept.made(name, period.until - SCORED, period.until)
        found += pairs(earlier, {one.series: one for one in _lines(grown)})
        kept.keep(name, period.until, made)
        stores.append(told)
        loads |= loads_ahead(kept, name, period.until, QUARTER)
        say(f"{name}: {len(told.measures)} measures and {len(told.tables)} tables, {len(made)} forecasts kept")
    cost, why_no_cost = known.cost({**dict(_sizes(stores)), **loads})
    return Report(
        estate=estate.estate,
        since=period.since,
        until=period.until,
        monthly=period.monthly,
        stores=tuple(sorted(stores, key=lambda one: one.soonest)),
        changed=changed(before, stores) if before else None,
        changed_reason=why_none,
        scores=scored(found),
        cost=cost,
        proposals=known.proposals,
        troubles=known.troubles,
        cost_reason=why_no_cost,
    )


def _sizes(stores: Sequence[StoreReport]) -> Iterator[tuple[Series, tuple[float, float, float]]]:
    for store in stores:
        if (one := store.size) and (found := one.in_90_days) and one.now is not None:
            yield Series(store.name, one.metric, one.subject), (one.now, found[0], found[2])
        metric = "table_bytes" if store.engine == "postgres" else "items_bytes"
        for table in store.tables:
            if found := table.in_90_days or _as_rest(table, store.rest):
                yield Series(store.name, metric, table.name), (table.now, found[0], found[2])


def _as_rest(table: TableGrowth, rest: TableGrowth | None) -> tuple[float, float, float] | None:
    """Have a table grow as all do that are foreseen together."""
    if table.reason != WITH_OTHERS or not rest or not rest.in_90_days or not rest.now:
        return None
    p10, p50, p90 = (table.now * one / rest.now for one in rest.in_90_days)
    return p10, p50, p90


def _look(
    name: str,
    store: Store,
    grown: StoreGrowth,
    samples: Samples,
    period: Period,
    known: FromOthers,
    before: Before | None,
) -> tuple[StoreReport, list[Made]]:
    measures = look_at_store(grown, store.watch.disk, period.until, before)
    tables, rest, kept = _tables(grown.tables, period.until)
    target = (store.replicas.target if store.replicas else LAG_TARGET).total_seconds()
    hours = samples.spans("hour", ("replica_lag_seconds", "cache_hit_percent"), *_bounds(period), name)
    told = StoreReport(
        name=name,
        engine=store.engine,
        disk=disk_size(grown, store.watch.disk),
        measures=tuple(one.outlook for one in measures),
        tables=tuple(_shown(tables)),
        lag=tuple(_lags(hours, target)) or None,
        cache_hit=_mean(hours.get(Series(name, "cache_hit_percent"), ())),
        headroom=_headroom(samples, name, period),
        backup=known.backups.get(name),
        rest=rest,
    )
    return told, [made for made in (*(one.made for one in measures), *kept) if made]


def _tables(tables: Sequence[Growth], until: date) -> tuple[list[TableGrowth], TableGrowth | None, list[Made | None]]:
    """Foresee those that matter each by itself, and the rest as one sum; that is never scored, as its tables change."""
    alone, rest = choose(tables)
    found = [look_at_table(one, until) for one in alone]
    told = [table for table, _ in found] + [told_table(one, None, WITH_OTHERS) for one in rest]
    if not rest:
        return told, None, [made for _, made in found]
    others = replace(look_at_table(together(rest), until)[0], name=f"{len(rest):,} others together", days=(), values=())
    return told, others, [made for _, made in found]


def _shown(tables: Sequence[TableGrowth]) -> Iterator[TableGrowth]:
    """Order tables by how much they grow; their past is for those that are shown."""
    ordered = sorted(tables, key=lambda one: (-_growth(one), -one.now, one.name))
    for number, one in enumerate(ordered):
        yield one if number < CHARTED else replace(one, days=(), values=())


def _growth(table: TableGrowth) -> float:
    return table.in_90_days[1] - table.now + table.dropped if table.in_90_days else table.a_month or 0.0


def _lags(hours: Mapping[Series, Sequence[Span]], target: float) -> Iterator[Lag]:
    for series, found in hours.items():
        if series.metric == "replica_lag_seconds" and found:
            within = sum(one.mean <= target for one in found) / len(found)
            yield Lag(series.subject, _mean(found) or 0.0, max(one.highest for one in found), within, target)


def _mean(hours: Sequence[Span]) -> float | None:
    points = sum(one.points for one in hours)
    return sum(one.mean * one.points for one in hours) / points if points else None


def _headroom(samples: Samples, store: str, period: Period) -> tuple[Headroom, ...] | None:
    found = samples.spans("day", ("partition_headroom_days",), *_bounds(period), store)
    told = [Headroom(series.subject, days[-1].last) for series, days in found.items() if days]
    return tuple(sorted(told, key=lambda one: (one.days, one.table))) or None


def _lines(grown: StoreGrowth) -> Iterator[Growth]:
    yield from (one for one in (grown.size, grown.sessions, *grown.tables, *grown.gone, *grown.units) if one)


def _bounds(period: Period) -> tuple[datetime, datetime]:
    since, until = (datetime.combine(day, time(), UTC) for day in (period.since, period.until))
    return since, until
