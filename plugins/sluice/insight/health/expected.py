"""What is missed when its numbers end: of a store that is in the estate's file, what the file has measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sluice.estate.models import Store
from sluice.insight.metrics import AIRFLOW, METRICS, Wanted
from sluice.ledger.samples import Series


def is_watched(store: str, stores: Mapping[str, Store]) -> bool:
    """Tell whether anything of a store is judged: one of the file, Airflow, or the estate itself ('')."""
    return store in stores or store in (AIRFLOW, "")


def is_expected(series: Series, stores: Mapping[str, Store]) -> bool:
    """Tell whether the file has a number measured: what it asks for no more ends, and nobody misses it."""
    if (store := stores.get(series.store)) is None:
        return is_watched(series.store, stores)
    metric = METRICS.get(series.metric)
    return _WHERE[metric.wanted if metric else "always"](store)


def _in_cloud(store: Store) -> bool:
    return store.engine != "postgres" or store.watch.cloud is not None


def _pooled(store: Store) -> bool:
    return store.watch.pooler is not None


def _on_disk(store: Store) -> bool:
    return store.watch.cloud is not None or store.watch.disk.size is not None


_WHERE: Mapping[Wanted, Callable[[Store], bool]] = {
    "always": lambda store: True,
    "in the cloud": _in_cloud,
    "with a pooler": _pooled,
    "with a disk": _on_disk,
}
