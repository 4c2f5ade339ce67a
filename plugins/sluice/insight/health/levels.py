"""The levels that have a name: what the estate's file says of a store, or else what was seen of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sluice.estate.health import Level
from sluice.estate.models import Store

LAG_WITHOUT_FILE = 5.0
"""Seconds of lag that are too many where a store's replicas have no file."""


def level_of(level: Level | None, store: Store | None, most: float = 0.0) -> float | None:
    """Give a level's number at a store; of Airflow there is no store, and none. `most` replicas were seen in a day."""
    if level is None or isinstance(level, int | float):
        return level
    return LEVELS[level](store, most) if store else None


def _full(store: Store, _: float) -> float:
    return float(store.watch.disk.full_at)


def _late(store: Store, _: float) -> float:
    return store.replicas.alert.total_seconds() if store.replicas else LAG_WITHOUT_FILE


def _servers(store: Store, most: float) -> float:
    return float(len(store.replicas.servers)) if store.replicas else most


LEVELS: Mapping[str, Callable[[Store, float], float]] = {
    "disk_full_at": _full,
    "replica_alert": _late,
    "replica_count": _servers,
}
"""Each by the name that a rule calls it."""
