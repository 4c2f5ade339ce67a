"""Reads the estate's files: include/estate/estate.yaml and include/estate/migrations/*.yaml.

A DAG file reads the stores once and each migration by itself, so a bad file fails its own DAG and no other:

    stores = read_stores(root)
    for path in migration_files(root):
        migration = read_migration(path, stores)
"""

from __future__ import annotations

from pathlib import Path

from sluice.estate.checks import check_migration, validated
from sluice.estate.document import Document, open_document
from sluice.estate.mistakes import EstateErrors, Mistake
from sluice.estate.models import Estate, EstateFile, Migration

ESTATE_FILE = Path("include/estate/estate.yaml")
MIGRATIONS = Path("include/estate/migrations")


def read_estate(root: Path) -> Estate:
    """Read everything under the project's `root`. Raises EstateErrors with all mistakes of all files."""
    document = _open(root / ESTATE_FILE, root)
    stores, mistakes = validated(document, EstateFile)
    known = document.get("stores")
    names = list(known) if isinstance(known, dict) else None
    documents = [_open(path, root) for path in migration_files(root)]
    migrations: dict[str, Migration] = {}
    for one in documents:
        migration, wrong = _checked(one, root, names, documents)
        mistakes += wrong
        if migration is not None:
            migrations[migration.name] = migration
    if mistakes or stores is None:
        raise EstateErrors(mistakes)
    return _estate(stores, migrations)


def read_stores(root: Path) -> Estate:
    """Read estate.yaml alone; the estate has no migrations then. Raises EstateErrors."""
    stores, mistakes = validated(_open(root / ESTATE_FILE, root), EstateFile)
    if mistakes or stores is None:
        raise EstateErrors(mistakes)
    return _estate(stores, {})


def read_migration(path: Path, estate: Estate) -> Migration:
    """Read one migration of `estate`. Raises EstateErrors with all that is wrong in this file alone."""
    path = path.absolute()
    root = path.parents[len(MIGRATIONS.parts)]
    others = [_open(other, root) for other in migration_files(root)]
    migration, mistakes = _checked(_open(path, root), root, list(estate.stores), others)
    if mistakes or migration is None:
        raise EstateErrors(mistakes)
    return migration


def migration_files(root: Path) -> list[Path]:
    """List the files of all migrations, by name. `.yml` is listed too, to be refused and not passed over."""
    return sorted(path for path in (root / MIGRATIONS).glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def _checked(
    document: Document, root: Path, stores: list[str] | None, documents: list[Document]
) -> tuple[Migration | None, list[Mistake]]:
    migration, mistakes = validated(document, Migration)
    others = [other for other in documents if other.file != document.file]
    told = {mistake.field for mistake in mistakes}
    further = check_migration(document, root, stores, others)
    return migration, [*mistakes, *(mistake for mistake in further if mistake.field not in told)]


def _open(path: Path, root: Path) -> Document:
    return open_document(path, path.relative_to(root).as_posix())


def _estate(stores: EstateFile, migrations: dict[str, Migration]) -> Estate:
    return Estate(
        estate=stores.estate,
        vault=stores.vault,
        ledger=stores.ledger,
        stores=stores.stores,
        migrations=migrations,
    )
