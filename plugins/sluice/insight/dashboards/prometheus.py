"""The last number of each series as Prometheus reads them: its text exposition format, version 0.0.4. Pure.

A metric is `sluice_` and its name, which ends in its unit; a store and what in it are labels. It bears no time, as Prometheus
advises: what is too old to be true now is left out, and its line breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sluice.insight.metrics import METRICS, Often
from sluice.ledger.samples import Sample, Series

PREFIX = "sluice_"
FRESH: Mapping[Often, timedelta] = {"minute": timedelta(minutes=5), "hour": timedelta(hours=2)}
"""How old a number may be, by how often it is measured."""
SLOWER_FRESH = timedelta(minutes=10)
"""And of one that is told late: it would come and go."""
AGE = "collector_age_seconds"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(latest: Mapping[Series, Sample], now: datetime) -> str:
    """Write them, each metric under its help and type; what is old, or on no list of metrics, is left out."""
    by_metric: dict[str, list[tuple[Series, Sample]]] = {}
    for series, sample in sorted({**ages(latest, now), **latest}.items(), key=lambda one: one[0]):
        metric = METRICS.get(series.metric)
        if metric and now - sample.at <= (SLOWER_FRESH if metric.late else FRESH[metric.often]):
            by_metric.setdefault(series.metric, []).append((series, sample))
    return "".join(line for metric in METRICS if metric in by_metric for line in _family(metric, by_metric[metric]))


def ages(latest: Mapping[Series, Sample], now: datetime) -> dict[Series, Sample]:
    """Say how old the newest number of each store is. Nobody keeps that: who would, is who may be gone. Pure."""
    newest: dict[str, datetime] = {}
    for series, sample in latest.items():
        newest[series.store] = max(sample.at, newest.get(series.store, sample.at))
    return {Series(store, AGE): Sample(now, (now - at).total_seconds()) for store, at in newest.items()}


def _family(metric: str, found: list[tuple[Series, Sample]]) -> Iterator[str]:
    name, told = f"{PREFIX}{metric}", METRICS[metric].told
    yield f"# HELP {name} {_escaped(told, quoted=False)}\n"
    yield f"# TYPE {name} gauge\n"
    for series, sample in found:
        labels = f'store="{_escaped(series.store)}",subject="{_escaped(series.subject)}"'
        yield f"{name}{{{labels}}} {sample.value:.17g}\n"


def _escaped(text: str, *, quoted: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text
