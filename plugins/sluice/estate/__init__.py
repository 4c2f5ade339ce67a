"""What there is: stores, and the migrations of their tables, read from the YAML files in include/estate."""

from __future__ import annotations

from sluice.estate.calendar import DateSpan, Window
from sluice.estate.durations import format_duration, parse_duration
from sluice.estate.mistakes import EstateErrors, Mistake
from sluice.estate.models import (
    Backfill,
    Cutover,
    Estate,
    Gates,
    LedgerRef,
    Limits,
    Migration,
    Partition,
    Shadow,
    Source,
    Store,
    Target,
    Vault,
)
from sluice.estate.names import parse_table
from sluice.estate.read import migration_files, read_estate, read_migration, read_stores

__all__ = [
    "Backfill",
    "Cutover",
    "DateSpan",
    "Estate",
    "EstateErrors",
    "Gates",
    "LedgerRef",
    "Limits",
    "Migration",
    "Mistake",
    "Partition",
    "Shadow",
    "Source",
    "Store",
    "Target",
    "Vault",
    "Window",
    "format_duration",
    "migration_files",
    "parse_duration",
    "parse_table",
    "read_estate",
    "read_migration",
    "read_stores",
]
