"""The levels that have a name: what the estate's file says of a store. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sluice.estate.health import Level
from sluice.estate.models import Store

LAG_WITHOUT_FILE = 5.0
"""Seconds of lag that are too many where a store's replicas have no file."""


def level_of(level: Level | None, store: Store | None) -> float | None:
    """Give a level's number at a store, None where the store has no such thing; of Airflow there is no store."""
    if level is None or isinstance(level, int | float):
        return level
    return LEVELS[level](store) if store else None


def _full(store: Store) -> float | None:
    return float(store.watch.disk.full_at)


def _late(store: Store) -> float | None:
    return store.replicas.alert.total_seconds() if store.replicas else LAG_WITHOUT_FILE


def _servers(store: Store) -> float | None:
    return float(len(store.replicas.servers)) if store.replicas else None


LEVELS: Mapping[str, Callable[[Store], float | None]] = {
    "disk_full_at": _full,
    "replica_alert": _late,
    "replica_count": _servers,
}
"""Each by the name that a rule calls it."""
