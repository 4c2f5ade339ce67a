"""What an estate is made of, as frozen models. A description below a field is also the editor's and the reference's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from sluice.estate.backups import Backups
from sluice.estate.costs import CostLine, OwnPrice, PriceFile, Reserved
from sluice.estate.cuts import Cut, Partition, default_partition_schema
from sluice.estate.dataset import Dataset
from sluice.estate.design import (
    EntityDesign,
    KeyNames,
    RecordRule,
    TableDesign,
    TableModel,
    Units,
    When,
)
from sluice.estate.fields import Connection, Name, Part, Words, lasting
from sluice.estate.insight import Cloud, Disk, Insight, Watch
from sluice.estate.into_postgres import Column, IntoPostgresMigration, Rows, Tenant
from sluice.estate.items import Expiry, ItemRetention, Items, ItemsFile
from sluice.estate.migration import Limits, Migration, Origin, Pace, Proof, Switch
from sluice.estate.notify import Channel
from sluice.estate.replicas import Dns, Replica, Replicas
from sluice.estate.residency import Residency
from sluice.estate.same_cluster import (
    Backfill,
    Change,
    Cutover,
    Gates,
    SameClusterMigration,
    Shadow,
    Source,
    Target,
)
from sluice.estate.scaling import Scaling
from sluice.estate.single_table import (
    AttributeChange,
    DualRead,
    DynamoSource,
    Records,
    Replication,
    RoutedCutover,
    RoutedGates,
    ScanPace,
    SingleTableMigration,
    Skip,
)
from sluice.estate.vault import Lifecycle, Lock, Vault

__all__ = [
    "KINDS",
    "AirflowDatabase",
    "AttributeChange",
    "Backfill",
    "Backups",
    "Change",
    "Channel",
    "Cloud",
    "Column",
    "Contact",
    "CostLine",
    "Cut",
    "Cutover",
    "Dataset",
    "Disk",
    "Dns",
    "DualRead",
    "DynamoSource",
    "EntityDesign",
    "Estate",
    "EstateFile",
    "Expiry",
    "Gates",
    "Insight",
    "IntoPostgresMigration",
    "ItemRetention",
    "Items",
    "ItemsFile",
    "KeyNames",
    "LedgerRef",
    "Lifecycle",
    "Limits",
    "Lock",
    "Migration",
    "Origin",
    "OwnPrice",
    "Pace",
    "Partition",
    "PriceFile",
    "Proof",
    "RecordRule",
    "Records",
    "Replica",
    "Replicas",
    "Replication",
    "Reserved",
    "Residency",
    "RoutedCutover",
    "RoutedGates",
    "Rows",
    "SameClusterMigration",
    "Scaling",
    "ScanPace",
    "Shadow",
    "SingleTableMigration",
    "Skip",
    "Source",
    "Store",
    "Switch",
    "TableDesign",
    "TableModel",
    "Target",
    "Tenant",
    "Units",
    "Vault",
    "Watch",
    "When",
    "default_partition_schema",
]

DEFAULT_KIND = "same_cluster"
KINDS: Mapping[str, type[Migration]] = {
    DEFAULT_KIND: SameClusterMigration,
    "single_table": SingleTableMigration,
    "into_postgres": IntoPostgresMigration,
}
"""Each `kind:` and the class of its files."""


class LedgerRef(Part):
    """The database that knows where every migration stands."""

    connection: Connection
    """The Airflow connection to the ledger's own database."""


class Store(Part):
    """One database under care."""

    engine: Literal["postgres", "dynamodb"]
    """What the store runs on."""
    connection: Connection
    """The Airflow connection by which Sluice works on this store."""
    exporter: Connection | None = None
    """The Airflow connection of a role that reads what is archived, and changes nothing; without it, `connection` does."""
    dropper: Connection | None = None
    """The Airflow connection of a role that drops what was archived, and can do nothing else; without it, `connection` does."""
    rto: Annotated[timedelta, lasting("1s", "30d")]
    """Recovery time objective: how long it may take to bring this store back."""
    rpo: Annotated[timedelta, lasting("0s", "30d")]
    """Recovery point objective: how much of the latest writes may be lost."""
    pool_slots: int = Field(default=4, ge=1, le=64)
    """How many of Sluice's tasks may work on this store at once."""
    residency: Residency | None = None
    """Where its data may lie; without it, anywhere."""
    backup: Backups | None = None
    """How it is backed up and brought back for a trial; without it, it is not."""
    replicas: Replicas | None = None
    """The servers that follow it; without it, nobody watches any, and none is promoted."""
    watch: Watch = Watch()
    """How it is watched, and how much it may hold."""
    costs: tuple[CostLine, ...] = Field(default=(), max_length=100)
    """What it costs besides what is measured of it."""
    scaling: Scaling | None = None
    """When it is scaled, and how far; without it, nothing is proposed."""

    @property
    def connections(self) -> tuple[str, ...]:
        """Every Airflow connection that is named for it, each once."""
        named = [self.connection, self.exporter, self.dropper]
        if self.backup:
            there = self.backup.elsewhere.connection if self.backup.elsewhere else None
            named += [self.backup.connection, self.backup.service, there]
        if self.replicas:
            named += [self.replicas.connection, *(one.connection for one in self.replicas.servers.values())]
            named += [one.connection for one in (self.replicas.dns, self.replicas.pooler) if one]
        named += [self.watch.pooler, self.watch.cloud.connection if self.watch.cloud else None]
        return tuple(dict.fromkeys(one for one in named if one))


class AirflowDatabase(Part):
    """Airflow's own database: backed up every night, and kept small."""

    connection: Connection
    """The Airflow connection to it: a role that owns its tables. No other task may read what is in there."""
    scratch: Connection | None = None
    """The Airflow connection by which each backup is restored for a trial, into a database made for that; its role has CREATEDB.
    Without it, `connection` does, beside the original."""
    keep: Annotated[timedelta, lasting("30d", "3650d")] = timedelta(days=90)
    """How long finished runs, their tasks, messages between them and the audit log stay."""
    backups: int = Field(default=14, ge=2, le=1000)
    """How many backups are kept in the vault."""


class Contact(Part):
    """Somebody who is called when something is wrong."""

    name: Words
    """Who it is."""
    role: Words
    """What they decide, or know."""
    reach: Words
    """How they are reached at night: a number, a channel."""


class EstateFile(Part):
    """What estate.yaml holds."""

    estate: Name
    """The estate's name."""
    vault: Vault
    """Where evidence, archives and backups are kept."""
    ledger: LedgerRef
    """Where the phases of all migrations are kept."""
    alerts: Connection | None = None
    """The Airflow connection, of type HTTP, that alerts are posted to as JSON; without it, tasks are red and nobody is told."""
    notify: tuple[Channel, ...] = Field(default=(), max_length=20)
    """Who else is told, each from which severity on. One that cannot be reached keeps no other from being told."""
    airflow: AirflowDatabase | None = None
    """Airflow's own database; without it, it is neither backed up nor kept small."""
    insight: Insight = Insight()
    """How the estate is watched, and how long what was measured stays."""
    costs: tuple[CostLine, ...] = Field(default=(), max_length=100)
    """What the estate costs besides its stores."""
    reserved: tuple[Reserved, ...] = Field(default=(), max_length=100)
    """What is reserved and paid for, used or not."""
    contacts: tuple[Contact, ...] = Field(default=(), max_length=20)
    """Who is called, in this order: the runbooks name them."""
    stores: dict[Name, Store] = Field(min_length=1, max_length=200)
    """The databases under care, by name."""

    @property
    def connections(self) -> dict[str, str]:
        """Every Airflow connection that the file names beside those of vault and ledger, each with what names it first."""
        cloudwatch = self.insight.cloudwatch.connection if self.insight.cloudwatch else None
        named = [(self.alerts, "`alerts`"), *((one.connection, "`notify`") for one in self.notify)]
        named += [(self.insight.alive, "`insight.alive`"), (cloudwatch, "`insight.cloudwatch`")]
        stores = [(one, f"store {name}") for name, store in self.stores.items() for one in store.connections]
        return {one: whose for one, whose in reversed([*stores, *named]) if one}


class Estate(EstateFile):
    """All stores under care, the migrations of their tables, and the tables that are kept."""

    migrations: dict[Name, Migration] = Field(default_factory=dict)
    """Every migration, by name; empty when only the stores were read."""
    datasets: dict[Name, Dataset] = Field(default_factory=dict)
    """Every table that is kept, by name; empty when only the stores were read."""
    items: dict[Name, Items] = Field(default_factory=dict)
    """Every entity whose records are kept, by its file's name; empty when only the stores were read."""
