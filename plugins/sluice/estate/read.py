"""Reads the estate's files: include/estate/estate.yaml, and of migrations, datasets and items each with the design it names.

A DAG file reads the stores once and each migration by itself, so a bad file fails its own DAG and no other:

    stores = read_stores(root)
    for path in migration_files(root):
        migration = read_migration(path, stores)

An application reads a design alone: `read_model(Path("tyler.yaml"))`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.estate.backup_checks import check_backups
from sluice.estate.checks import check_claims, check_copies, check_migration, class_of, validated
from sluice.estate.costs import check_costs
from sluice.estate.datasets import read_datasets
from sluice.estate.design_checks import check_model
from sluice.estate.document import Document, open_document
from sluice.estate.items import Items
from sluice.estate.items_files import read_all_items
from sluice.estate.mistakes import EstateErrors, Mistake
from sluice.estate.models import (
    DEFAULT_KIND,
    KINDS,
    Dataset,
    Estate,
    EstateFile,
    Migration,
    PriceFile,
    SingleTableMigration,
    TableModel,
)
from sluice.estate.notify import check_notify
from sluice.estate.replicas import check_replicas
from sluice.estate.resolving import resolve
from sluice.estate.vault import check_vault

ESTATE_FILE = Path("include/estate/estate.yaml")
MIGRATIONS = Path("include/estate/migrations")
PRICES = Path("include/estate/prices.yaml")
Engines = Mapping[str, str | None]
"""Each store's engine, by name; None where the file does not say one that there is."""


def read_estate(root: Path) -> Estate:
    """Read everything under the project's `root`. Raises EstateErrors with all mistakes of all files."""
    document = _open(root / ESTATE_FILE, root)
    stores, mistakes = _checked_stores(document)
    mistakes += check_copies(document, root)  # not where stores alone are read: a rule that is gone stops no backup
    engines = _engines(document.get("stores"))
    documents = [_open(path, root) for path in migration_files(root)]
    migrations: dict[str, Migration] = {}
    for one in documents:
        migration, wrong = _checked(one, root, engines, documents)
        told = {mistake.field for mistake in wrong}
        claims = check_claims(one, _others(one, documents))
        mistakes += [*wrong, *(claim for claim in claims if claim.field not in told)]
        if migration is not None:
            migrations[migration.name] = migration
    datasets, wrong = read_datasets(root, engines)
    items, also = read_all_items(root, engines)
    mistakes += [*wrong, *(mistake for mistake in also if mistake not in mistakes), *_wrong_prices(root)]
    if mistakes or stores is None:
        raise EstateErrors(mistakes)
    return _estate(stores, migrations, datasets, items)


def read_stores(root: Path) -> Estate:
    """Read estate.yaml alone; the estate has no migrations then. Raises EstateErrors."""
    stores, mistakes = _checked_stores(_open(root / ESTATE_FILE, root))
    if mistakes or stores is None:
        raise EstateErrors(mistakes)
    return _estate(stores)


def read_migration(path: Path, estate: Estate) -> Migration:
    """Read one migration of `estate`. Raises EstateErrors with all that is wrong in this file alone, and in its design."""
    document, documents, root = _among_all(path)
    engines = {name: store.engine for name, store in estate.stores.items()}
    migration, mistakes = _checked(document, root, engines, documents)
    if mistakes or migration is None:
        raise EstateErrors(mistakes)
    return migration


def claimed_twice(path: Path) -> list[Mistake]:
    """List what one migration's file claims and another's claims too. Neither is broken by it; a run that begins is refused."""
    document, documents, _ = _among_all(path)
    return list(check_claims(document, _others(document, documents)))


def read_model(path: Path | str) -> TableModel:
    """Read a single-table design by itself. Raises EstateErrors."""
    path = Path(path)
    document = open_document(path, path.as_posix())
    model, mistakes = validated(document, TableModel)
    told = {mistake.field for mistake in mistakes}
    mistakes += [mistake for mistake in check_model(document, None) if mistake.field not in told]
    if mistakes or model is None:
        raise EstateErrors(mistakes)
    return model


def migration_files(root: Path) -> list[Path]:
    """List the files of all migrations, by name. `.yml` is listed too, to be refused and not passed over."""
    return sorted(path for path in (root / MIGRATIONS).glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def any_follows_later(root: Path) -> bool:
    """Tell whether any migration, by the kind that its file says, delivers changes after they were written."""
    kinds = (_open(path, root).get("kind", otherwise=DEFAULT_KIND) for path in migration_files(root))
    return any(KINDS[kind].follows_later for kind in kinds if isinstance(kind, str) and kind in KINDS)


def _wrong_prices(root: Path) -> list[Mistake]:
    """Judge a person's own prices alone: whether the price table knows their units is said by who reads it."""
    path = root / PRICES
    return validated(_open(path, root), PriceFile)[1] if path.exists() else []


def _checked_stores(document: Document) -> tuple[EstateFile | None, list[Mistake]]:
    stores, mistakes = validated(document, EstateFile)
    told = {mistake.field for mistake in mistakes}
    checks = (check_vault, check_backups, check_replicas, check_costs, check_notify)
    further = [mistake for check in checks for mistake in check(document)]
    return stores, [*mistakes, *(mistake for mistake in further if mistake.field not in told)]


def _checked(
    document: Document, root: Path, engines: Engines | None, documents: list[Document]
) -> tuple[Migration | None, list[Mistake]]:
    model, mistakes = class_of(document)
    migration: Migration | None = None
    if model is not None:
        migration, mistakes = validated(document, model)
    told = {mistake.field for mistake in mistakes}
    further = [*check_migration(document, root, engines, _others(document, documents))]
    mistakes = [*mistakes, *(mistake for mistake in further if mistake.field not in told)]
    design = resolve(document, root, engines)
    if design is None:
        return migration, mistakes
    mistakes += design.mistakes
    if isinstance(migration, SingleTableMigration) and design.records is not None:
        migration = migration.model_copy(update={"target": design.records})
    return migration, mistakes


def _among_all(path: Path) -> tuple[Document, list[Document], Path]:
    """Open a migration's file and those of all migrations; give the project's root, too."""
    path = path.absolute()
    root = path.parents[len(MIGRATIONS.parts)]
    return _open(path, root), [_open(other, root) for other in migration_files(root)], root


def _others(document: Document, documents: list[Document]) -> list[Document]:
    return [other for other in documents if other.file != document.file]


def _engines(stores: Any) -> Engines | None:
    if not isinstance(stores, dict):
        return None
    return {name: one.get("engine") if isinstance(one, dict) else None for name, one in stores.items()}


def _open(path: Path, root: Path) -> Document:
    return open_document(path, path.relative_to(root).as_posix())


def _estate(
    stores: EstateFile,
    migrations: Mapping[str, Migration] | None = None,
    datasets: Mapping[str, Dataset] | None = None,
    items: Mapping[str, Items] | None = None,
) -> Estate:
    return Estate(
        **dict(stores),
        migrations=dict(migrations or {}),
        datasets=dict(datasets or {}),
        items=dict(items or {}),
    )
