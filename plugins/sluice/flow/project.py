"""Where the project lies, and its estate. No Airflow, no I/O but the estate's YAML."""

from __future__ import annotations

from pathlib import Path

from sluice.estate import Migration, read_migration, read_stores
from sluice.estate.read import MIGRATIONS

ROOT = Path(__file__).resolve().parents[3]


def migration_named(name: str) -> Migration:
    """Read one migration afresh, as the task runs. Raises EstateErrors."""
    return read_migration(ROOT / MIGRATIONS / f"{name}.yaml", read_stores(ROOT))
