"""The ways of moving a dataset, and how to open one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sluice.errors import Terminal
from sluice.estate.models import IntoPostgresMigration, Migration, SameClusterMigration, SingleTableMigration
from sluice.migration.engine.contract import Kind
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.migration.kinds.same_cluster import SameCluster
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connect

Documents: TypeAlias = Callable[[], tuple[Any, Any]]
"""Opens a DynamoDB store: boto3's clients of the tables and of their streams."""


class NoSuchKind(Terminal):
    """Nothing here moves a migration of this kind."""


def open_kind(
    migration: Migration,
    connect: Connect,
    documents: Documents | None = None,
    vault: Callable[[], Vault] | None = None,
    scaling: Callable[[], Any] | None = None,
) -> Kind:
    """Give the kind that this migration asks for. `connect` opens its PostgreSQL, `documents` its DynamoDB.

    `vault` opens the estate's, `scaling` boto3's client for autoscaling. Raises NoSuchKind.
    """
    if isinstance(migration, SameClusterMigration):
        return SameCluster(migration, connect)
    if isinstance(migration, SingleTableMigration) and documents:
        return SingleTable(migration, *documents(), vault=vault, scaling=scaling)
    if isinstance(migration, IntoPostgresMigration) and documents:
        return IntoPostgres(migration, connect, *documents(), vault=vault)
    raise NoSuchKind(
        f"{migration.name} is of kind {migration.kind}, which this Sluice can read and not move yet: upgrade Sluice, or take the"
        f" file out of include/estate/migrations. Nothing was changed in {migration.source.table}."
    )
