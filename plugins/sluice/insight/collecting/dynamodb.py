"""A look at the tables of a store in DynamoDB: whether each answers, and what CloudWatch has of it since the last look.

What is urgent (units, throttling) is asked for every minute, what explains it (latency, errors inside the service) every five:
each metric that is asked for costs money. Of a minute without requests DynamoDB tells nothing: units and events are 0 then,
and a latency there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sluice.insight.collecting.cloudwatch import (
    AGAIN,
    AS_NOW,
    Asked,
    CloudSilent,
    Reached,
    Stretch,
    each_second,
    fetch,
    highest,
    summed,
)
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.tables import Seen, describe_all
from sluice.ledger.samples import Sample, Series

NAMESPACE = "AWS/DynamoDB"
UP = "table_up_count"
URGENT, EXPLAINING = "urgent", "explaining"
"""Two sorts of numbers: up to where each was read is known by itself."""
EVERY = 5
"""Minutes between two looks at what explains."""
OPERATIONS = ("GetItem", "Query", "BatchGetItem", "PutItem", "UpdateItem", "TransactWriteItems")
"""Those whose latency is asked for: a table's is that of the slowest of them."""
LATENCIES = {"latency_p50_milliseconds": "p50", "latency_p95_milliseconds": "p95", "latency_p99_milliseconds": "p99"}
UNITS = {"read_units": "ConsumedReadCapacityUnits", "write_units": "ConsumedWriteCapacityUnits"}
THROTTLING = ("ReadThrottleEvents", "WriteThrottleEvents")


def look_at_tables(
    client: Any, cloudwatch: Any, store: str, names: Sequence[str], reached: Reached, now: datetime
) -> Looked:
    """Look at each table, and read what CloudWatch has of it since the last look.

    Raises DynamoDown, CloudRefused; Throttled, AccessDenied where that is so of all of them.
    """
    described = describe_all(client, names)
    found = described.found
    values = dict.fromkeys((Series(store, UP, name) for name in described.gone), 0.0)
    for table in found:
        values[Series(store, UP, table.name)] = 1.0
        for what, units in table.provisioned.items():
            values[Series(store, f"{what}_provisioned_rate", table.name)] = units
    seen = Looked(values, notes=described.notes(store))
    if not has_cloudwatch(client, cloudwatch):
        return seen + Looked(notes=(f"{store}: its tables are not in AWS: CloudWatch has nothing of them.",))
    try:
        for part in _history(cloudwatch, store, found, reached, now):
            seen += part
    except CloudSilent as error:  # whether the tables answer is known all the same, and what was read is kept
        seen += Looked(notes=(f"{store}: {error}",))
    return seen


def _history(cloudwatch: Any, store: str, tables: Sequence[Seen], reached: Reached, now: datetime) -> Iterator[Looked]:
    for stretch, some in _stretches(store, URGENT, tables, reached, now).items():
        yield _urgent(cloudwatch, store, some, stretch, now) + _once_kept(store, URGENT, some, stretch, reached)
    for stretch, some in _stretches(store, EXPLAINING, tables, reached, now).items():
        if stretch.end - stretch.start >= timedelta(minutes=EVERY) + AGAIN:
            yield _explaining(cloudwatch, store, some, stretch) + _once_kept(store, EXPLAINING, some, stretch, reached)


def part_of(store: str, sort: str, table: str) -> str:
    """Name what is read by itself: one table may be refused for a while, and goes on from where it was."""
    return f"{store} {sort} {table}"


def _stretches(
    store: str, sort: str, tables: Sequence[Seen], reached: Reached, now: datetime
) -> dict[Stretch, list[Seen]]:
    """Say what is read next of each table: most go on from one minute, and are asked for in one request."""
    made: dict[Stretch, list[Seen]] = {}
    asked = sum(1 for table in tables for _ in ASKED[sort](store, table))
    for table in tables:
        made.setdefault(reached.next(part_of(store, sort, table.name), now, asked), []).append(table)
    return made


def _once_kept(store: str, sort: str, tables: Sequence[Seen], stretch: Stretch, reached: Reached) -> Looked:
    return Looked(once_kept=tuple(partial(reached.note, part_of(store, sort, one.name), stretch) for one in tables))


def has_cloudwatch(client: Any, cloudwatch: Any) -> bool:
    """Tell whether both speak with the same AWS: who has tables elsewhere asks nobody there about them."""
    return _is_aws(client) or not _is_aws(cloudwatch)


def _is_aws(client: Any) -> bool:
    return ".amazonaws.com" in str(client.meta.endpoint_url)


def _urgent(cloudwatch: Any, store: str, tables: Sequence[Seen], stretch: Stretch, now: datetime) -> Looked:
    asked = [one for table in tables for one in urgent_of(store, table)]
    found = summed((one.series, sample) for one, sample in fetch(cloudwatch, asked, stretch))
    return Looked(history=(*found, *_used(store, tables, found, now)))


def _explaining(cloudwatch: Any, store: str, tables: Sequence[Seen], stretch: Stretch) -> Looked:
    found = list(fetch(cloudwatch, [one for table in tables for one in explaining_of(store, table)], stretch))
    errors = summed((one.series, sample) for one, sample in found if one.name == "SystemErrors")
    slowest = highest((one.series, sample) for one, sample in found if one.name != "SystemErrors")
    return Looked(history=(*errors, *slowest))


def urgent_of(store: str, table: Seen) -> Iterator[Asked]:
    """List what is asked of a table every minute. Pure."""
    where = (("TableName", table.name),)
    for what, told in UNITS.items():
        yield Asked(Series(store, f"{what}_rate", table.name), NAMESPACE, told, where, "Sum", each_second, 0.0)
    throttled = Series(store, "throttled_requests_rate", table.name)
    for told in THROTTLING:
        for place in (where, *((*where, ("GlobalSecondaryIndexName", index)) for index in table.indexes)):
            yield Asked(throttled, NAMESPACE, told, place, "Sum", each_second, 0.0)


def explaining_of(store: str, table: Seen) -> Iterator[Asked]:
    """List what is asked of a table every few minutes. Pure."""
    for operation in OPERATIONS:
        where = (("TableName", table.name), ("Operation", operation))
        errors = Series(store, "system_errors_rate", table.name)
        yield Asked(errors, NAMESPACE, "SystemErrors", where, "Sum", each_second, 0.0)
        for metric, statistic in LATENCIES.items():
            yield Asked(Series(store, metric, table.name), NAMESPACE, "SuccessfulRequestLatency", where, statistic)


ASKED: Mapping[str, Callable[[str, Seen], Iterator[Asked]]] = {URGENT: urgent_of, EXPLAINING: explaining_of}


def _used(
    store: str, tables: Sequence[Seen], found: Iterable[tuple[Series, Sample]], now: datetime
) -> Iterator[tuple[Series, Sample]]:
    """Give the share of its units that a table uses, while those it has are those of now."""
    provisioned = {
        Series(store, f"{what}_rate", table.name): (what, units)
        for table in tables
        for what, units in table.provisioned.items()
    }
    for series, sample in found:
        if series in provisioned and sample.at > now - AS_NOW:
            what, units = provisioned[series]
            percent = 100 * sample.value / units
            yield Series(store, f"{what}_used_percent", series.subject), Sample(sample.at, percent)
