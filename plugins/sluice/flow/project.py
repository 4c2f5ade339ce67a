"""Where the project lies, and its estate. No Airflow, no I/O but the estate's YAML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.estate import (
    Dataset,
    EstateErrors,
    Items,
    Migration,
    claimed_twice,
    dataset_files,
    items_files,
    read_dataset,
    read_items,
    read_migration,
    read_stores,
)
from sluice.estate.datasets import DATASETS
from sluice.estate.items_files import ITEMS
from sluice.estate.mistakes import NoFile
from sluice.estate.read import MIGRATIONS

if TYPE_CHECKING:
    from sluice.migration.engine.contract import Finding

ROOT = Path(__file__).resolve().parents[3]


def migration_named(name: str) -> Migration:
    """Read one migration afresh, as the task runs. Raises EstateErrors."""
    return read_migration(file_of(name), read_stores(ROOT))


def file_of(name: str) -> Path:
    """Give a migration's file, whether it is there or not."""
    return ROOT / MIGRATIONS / f"{name}.yaml"


def claimed(path: Path) -> list[Finding]:
    """What another migration's file claims too. Asked of who would begin: who has begun is not stopped by a new file."""
    from sluice.migration.engine.contract import Finding

    way_on = "Leave it to one of them; a migration that is under way goes on meanwhile."
    return [Finding("claimed_twice", True, f"{mistake}.", way_on) for mistake in claimed_twice(path)]


def dataset_names() -> list[str]:
    """Name every table that is kept, by its file: one that cannot be read is told by the task that reads it."""
    return [path.stem for path in dataset_files(ROOT)]


def dataset_of(name: str) -> Dataset:
    """Read one dataset afresh, as the task runs. Raises NoFile, EstateErrors."""
    if name not in (names := dataset_names()):
        raise NoFile(str(DATASETS), name, names)
    engines = {store: found.engine for store, found in read_stores(ROOT).stores.items()}
    return read_dataset(ROOT / DATASETS / f"{name}.yaml", engines)


def items_names(which: Callable[[Items], bool]) -> list[str]:
    """Name the entities whose records are kept, of those that `which` says; one that cannot be read is told by its own task."""

    def is_listed(name: str) -> bool:
        try:
            return which(items_of(name))
        except EstateErrors:
            return True

    return [path.stem for path in items_files(ROOT) if is_listed(path.stem)]


def items_of(name: str) -> Items:
    """Read one file of items afresh, with its design. Raises NoFile, EstateErrors."""
    if name not in (names := [path.stem for path in items_files(ROOT)]):
        raise NoFile(str(ITEMS), name, names)
    engines = {store: found.engine for store, found in read_stores(ROOT).stores.items()}
    return read_items(ROOT / ITEMS / f"{name}.yaml", engines)
