"""What there is: stores, and the migrations of their tables, read from the YAML files in include/estate."""

from __future__ import annotations

from sluice.estate.calendar import DateSpan, Window
from sluice.estate.datasets import dataset_files, read_dataset
from sluice.estate.durations import format_duration, parse_duration
from sluice.estate.items_files import items_files, read_items
from sluice.estate.mistakes import EstateErrors, Mistake
from sluice.estate.models import (
    Backfill,
    Cutover,
    Dataset,
    Estate,
    Gates,
    IntoPostgresMigration,
    Items,
    LedgerRef,
    Limits,
    Migration,
    Partition,
    SameClusterMigration,
    Shadow,
    SingleTableMigration,
    Source,
    Store,
    TableModel,
    Target,
    Vault,
)
from sluice.estate.names import parse_table
from sluice.estate.read import (
    any_follows_later,
    claimed_twice,
    migration_files,
    read_estate,
    read_migration,
    read_model,
    read_stores,
)

__all__ = [
    "Backfill",
    "Cutover",
    "Dataset",
    "DateSpan",
    "Estate",
    "EstateErrors",
    "Gates",
    "IntoPostgresMigration",
    "Items",
    "LedgerRef",
    "Limits",
    "Migration",
    "Mistake",
    "Partition",
    "SameClusterMigration",
    "Shadow",
    "SingleTableMigration",
    "Source",
    "Store",
    "TableModel",
    "Target",
    "Vault",
    "Window",
    "any_follows_later",
    "claimed_twice",
    "dataset_files",
    "format_duration",
    "items_files",
    "migration_files",
    "parse_duration",
    "parse_table",
    "read_dataset",
    "read_estate",
    "read_items",
    "read_migration",
    "read_model",
    "read_stores",
]
