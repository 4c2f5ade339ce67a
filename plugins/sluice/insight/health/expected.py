"""What is missed when its numbers end: of a store that is in the estate's file, what the file has measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sluice.estate.models import Store
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.samples import Series


def is_watched(store: str, stores: Mapping[str, Store]) -> bool:
    """Tell whether anything of a store is judged: one of the file, Airflow, or the estate itself ('')."""
    return store in stores or store in (AIRFLOW, "")


def is_expected(series: Series, stores: Mapping[str, Store]) -> bool:
    """Tell whether the file has a number measured: what it asks for no more ends, and nobody misses it."""
    if (store := stores.get(series.store)) is None:
        return is_watched(series.store, stores)
    return _WANTED.get(series.metric, _always)(store)


def _always(store: Store) -> bool:
    return True


def _in_cloud(store: Store) -> bool:
    return store.engine != "postgres" or store.watch.cloud is not None


def _pooled(store: Store) -> bool:
    return store.watch.pooler is not None


def _on_disk(store: Store) -> bool:
    return store.watch.cloud is not None or store.watch.disk.size is not None


_WANTED: Mapping[str, Callable[[Store], bool]] = {
    **dict.fromkeys(
        (
            "cpu_percent",
            "memory_used_percent",
            "read_operations_rate",
            "write_operations_rate",
            "network_received_bytes_rate",
            "network_sent_bytes_rate",
        ),
        _in_cloud,
    ),
    **dict.fromkeys(
        (
            "pooler_up_count",
            "pool_clients_waiting_count",
            "pool_clients_active_count",
            "pool_servers_used_percent",
            "pool_wait_seconds",
        ),
        _pooled,
    ),
    **dict.fromkeys(("disk_used_percent", "disk_free_bytes"), _on_disk),
}
"""What is measured only where the file says how."""
