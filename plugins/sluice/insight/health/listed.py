"""Whether one thing among many (a slot, a pool, a table) is there no more: its list was read lately, and it is not in it. Pure.

That its numbers end says nothing by itself: whoever lists it may be down, or refused. What else was told by the same look does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sluice.insight.metrics import METRICS, Often
from sluice.ledger.samples import Sample, Series

STALE: Mapping[Often, timedelta] = {"minute": timedelta(minutes=15), "hour": timedelta(hours=3)}
"""Without a number of a series for so long, it is missing: CloudWatch's come some minutes late."""
ANSWERS = ("up_count", "pooler_up_count")
"""Of these a 0 says that nothing was read."""
LISTS: Mapping[tuple[str, str], str] = {
    ("postgres", "slot"): "up_count",
    ("postgres", "replica"): "replicas_count",
    ("postgres", "pool"): "pooler_up_count",
    ("postgres", "table"): "database_bytes",
    ("dynamodb", "table"): "table_up_count",
    ("dynamodb", "migration"): "collection_seconds",
}
"""For each engine and kind of thing: what the look that lists all of them always has a number of."""
LOCKED = "table_locked_count"
"""Of a table that could not be measured: it is in no list, and is not gone."""
BESIDE: Mapping[str, str] = {
    "read_units_used_percent": "read_units_rate",
    "write_units_used_percent": "write_units_rate",
    **dict.fromkeys((f"latency_p{part}_milliseconds" for part in (50, 95, 99)), "system_errors_rate"),
}
"""What has no number of a table that is on demand, or has no requests; and what is asked for with it and always has one."""


def is_listed_no_more(series: Series, lately: Mapping[Series, Sample], now: datetime) -> bool:
    """Tell whether a thing whose numbers ended is known to be gone, or to have none."""
    if (beside := BESIDE.get(series.metric)) is not None:
        return _is_fresh(Series(series.store, beside, series.subject), lately, now)
    if (metric := METRICS.get(series.metric)) is None:
        return False
    if _is_fresh(Series(series.store, LOCKED, series.subject), lately, now):
        return False
    by = LISTS[metric.engine, metric.of]
    read = [one for one in lately if (one.store, one.metric) == (series.store, by) and _is_fresh(one, lately, now)]
    return bool(read) and all(one.subject != series.subject for one in read)


def _is_fresh(series: Series, lately: Mapping[Series, Sample], now: datetime) -> bool:
    last = lately.get(series)
    if last is None or (series.metric in ANSWERS and last.value < 1):
        return False
    return now - last.at <= STALE[METRICS[series.metric].often]
