"""The ways of moving a dataset, and how to open one."""

from __future__ import annotations

from sluice.estate.models import Migration
from sluice.migration.engine.contract import Kind
from sluice.migration.kinds.same_cluster import SameCluster
from sluice.stores.postgres import Connect


def open_kind(migration: Migration, connect: Connect) -> Kind:
    """Give the kind that this migration asks for. `connect` opens its store."""
    return SameCluster(migration, connect)
