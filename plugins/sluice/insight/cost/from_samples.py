"""Servers and tables, made of what was measured of them (each hour, as the ledger keeps it) and of what AWS says they are.

A month of low days and a month of high days are the two ends: P10 and P90 of the days' means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from sluice.estate.amounts import Between, exactly, ranging
from sluice.insight.cost.known import NONE, Hour, Load, Server, Table, Units
from sluice.ledger.samples import Series, Span
from sluice.stores.dynamodb.autoscaling import Scaled

Hours = Mapping[Series, Sequence[Span]]
"""The hours of each series, oldest first."""
ONE_HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
NEARLY_ALL = 0.95
LEAST_HOURS = 14 * 24
"""Of a server's processors, before anybody says that it is idle."""


@dataclass(frozen=True)
class Described:
    """What the service says of a table and no number tells."""

    infrequent: bool = False
    continuous_backup: bool = False
    unmeasured: int = 0
    """Global indexes: CloudWatch does not count their units among the table's."""
    reads: int = 0
    """Units that are provisioned for all of them."""
    writes: int = 0
    reads_scaled: Between | None = None
    """Between which bounds the service itself moves the units of all, as they are used; None: a person sets them."""
    writes_scaled: Between | None = None


def table_described(table: Mapping[str, Any], backups: Mapping[str, Any]) -> Described:
    """Read the answers of DescribeTable and of DescribeContinuousBackups."""
    told = table["Table"].get("TableClassSummary", {}).get("TableClass", "STANDARD")
    point = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    indexes = table["Table"].get("GlobalSecondaryIndexes", [])
    units = [index.get("ProvisionedThroughput", {}) for index in indexes]
    return Described(
        told == "STANDARD_INFREQUENT_ACCESS",
        point.get("PointInTimeRecoveryStatus") == "ENABLED",
        len(indexes),
        sum(each.get("ReadCapacityUnits", 0) for each in units),
        sum(each.get("WriteCapacityUnits", 0) for each in units),
    )


def bounds_of(table: Mapping[str, Any], registered: Collection[Scaled], units: Units) -> Between | None:
    """Give the bounds within which the service moves a table's reads or writes, with its indexes'; None where it does not.

    `table`: the answer of DescribeTable. An index that is not registered has what it has.
    """
    kind = f"{units.removesuffix('s').title()}CapacityUnits"
    moved = {one.resource: one for one in registered if one.what.endswith(kind)}
    name = table["Table"]["TableName"]
    if f"table/{name}" not in moved:
        return None
    bounds = ranging(moved[f"table/{name}"].least, moved[f"table/{name}"].most)
    for index in table["Table"].get("GlobalSecondaryIndexes", []):
        one, there = (
            moved.get(f"table/{name}/index/{index['IndexName']}"),
            index.get("ProvisionedThroughput", {}).get(kind, 0),
        )
        bounds += ranging(one.least, one.most) if one else exactly(there)
    return bounds


def tables_of(store: str, hours: Hours, described: Mapping[str, Described]) -> tuple[Table, ...]:
    """Give each table of a store whose size is measured, by name. One that is measured no more while others are was deleted."""
    sized = {
        one.subject: spans[-1].at
        for one, spans in hours.items()
        if (one.store, one.metric) == (store, "items_bytes") and spans
    }
    newest = max(sized.values(), default=None)
    names = sorted(name for name, at in sized.items() if newest and newest - at < ONE_DAY)
    return tuple(_table(store, name, hours, described.get(name, Described())) for name in names)


def instance_of(store: str, answer: Mapping[str, Any], hours: Hours, full_at: int) -> Server:
    """Read one entry of DescribeDBInstances, with what was measured of the store that it holds."""
    made = Server(
        store,
        answer["DBInstanceIdentifier"],
        answer["DBInstanceClass"],
        exactly(answer["AllocatedStorage"]),
        bool(answer.get("MultiAZ", False)),
        answer.get("StorageType", "gp2"),
        int(answer.get("Iops") or 0),
        full_at=full_at,
    )
    cpu, memory = (hours.get(Series(store, metric), ()) for metric in ("cpu_percent", "memory_used_percent"))
    return replace(
        made, steady_days=_steady_days(hours.get(Series(store, "up_count"), ())), cpu=_p95(cpu), memory=_p95(memory)
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """Give the value that so many percent do not exceed (nearest rank). Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(ceil(len(values) * percent / 100), 1) - 1]


def _table(store: str, name: str, hours: Hours, described: Described) -> Table:
    size = exactly(hours[Series(store, "items_bytes", name)][-1].last)
    reads, writes = (_load(store, name, kind, hours) for kind in ("read", "write"))
    # Each write goes to none of the indexes or to all of them; what is read of them nobody can say.
    writes = replace(writes, used=Between(writes.used.low, writes.used.high * (1 + described.unmeasured)))
    return Table(
        store,
        name,
        size,
        replace(_with_indexes(reads, described.reads), scaled=described.reads_scaled),
        replace(_with_indexes(writes, described.writes), scaled=described.writes_scaled),
        described.infrequent,
        described.continuous_backup,
        described.unmeasured,
    )


def _with_indexes(load: Load, units: int) -> Load:
    if load.provisioned is None:
        return load
    return replace(load, provisioned=load.provisioned + exactly(units), lowest=load.lowest + units)


def _load(store: str, name: str, kind: str, hours: Hours) -> Load:
    used = hours.get(Series(store, f"{kind}_units_rate", name), ())
    provisioned = hours.get(Series(store, f"{kind}_units_provisioned_rate", name), ())
    # One that has been put on demand since has hours of both; the last one says how it is.
    by_hour = bool(provisioned) and (not used or provisioned[-1].at >= used[-1].at)
    return Load(
        _days(used),
        _days(provisioned) if by_hour else None,
        exactly(min(span.lowest for span in provisioned)).low if by_hour else Decimal(0),
        _span_of_days(provisioned) if by_hour else 0,
        tuple(Hour(exactly(span.mean).low, exactly(span.highest).low) for span in used),
    )


def _days(spans: Sequence[Span]) -> Between:
    by_day: defaultdict[date, list[float]] = defaultdict(list)
    for span in spans:
        by_day[span.at.astimezone(UTC).date()].append(span.mean)
    means = [sum(values) / len(values) for values in by_day.values()]
    return ranging(percentile(means, 10), percentile(means, 90)) if means else NONE


def _p95(spans: Sequence[Span]) -> Decimal | None:
    if len(spans) < LEAST_HOURS:
        return None
    return exactly(percentile([span.highest for span in spans], 95)).low


def _steady_days(spans: Sequence[Span]) -> int:
    """Give the days that are known, or 0 if it was up in fewer of their hours than nearly all: it is paid while it restarts."""
    if not spans:
        return 0
    known = (spans[-1].at - spans[0].at) // ONE_HOUR + 1
    return known // 24 if sum(span.highest >= 1 for span in spans) >= NEARLY_ALL * known else 0


def _span_of_days(spans: Sequence[Span]) -> int:
    return (spans[-1].at - spans[0].at + ONE_HOUR).days if spans else 0
