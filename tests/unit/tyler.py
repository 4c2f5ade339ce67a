"""The sample estate of `tyler`, and shapes of its migrations, for the tests beside this file."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from sluice.estate import Estate, SingleTableMigration, read_estate
from sluice.records import Shape, compile_shape
from sluice.stores.dynamodb.values import Item

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "include/samples/tyler"
TABLES = {
    "entity": {
        "name": "the-entity",
        "key": {"partition": "PK", "sort": "SK"},
        "indexes": {"GSI1": {"partition": "GSI1PK", "sort": "GSI1SK"}},
        "ttl": "ttl",
    }
}


def lay_out(root: Path) -> Path:
    """Make a project of the real design and the sample migrations under `root`."""
    (root / "include/estate").mkdir(parents=True)
    for name in ("estate.yaml", "tyler.yaml"):
        shutil.copy(ROOT / "include/estate" / name, root / "include/estate")
    shutil.copytree(SAMPLES, root / "include/estate/migrations")
    return root


@cache
def sample_estate() -> Estate:
    """Read it."""
    with TemporaryDirectory() as folder:
        return read_estate(lay_out(Path(folder)))


@cache
def sample_shape(name: str) -> Shape:
    """Compile one of the sample migrations."""
    migration = sample_estate().migrations[name]
    assert isinstance(migration, SingleTableMigration)
    return compile_shape(migration)


def shape_of(records: list[dict[str, Any]], **more: Any) -> Shape:
    """Compile records of one entity, written as a file has them; `attributes`, `skip` and `transform` may come with them."""
    return compile_shape(migration_of(records, **more))


def migration_of(records: list[dict[str, Any]], **more: Any) -> SingleTableMigration:
    """Give the migration of such records."""
    told = {
        "migration": "things",
        "kind": "single_table",
        "from": {"store": "tyler", "table": "things"},
        "into": {"tables": TABLES, "records": records, "spread": {"thing": 4}},
        **more,
    }
    return SingleTableMigration.model_validate_json(json.dumps(told), by_alias=True, by_name=False)


def records_in(text: str) -> list[dict[str, Any]]:
    """Read records from YAML."""
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found


def texts(**attributes: str) -> Item:
    """An item of text attributes."""
    return {name: {"S": text} for name, text in attributes.items()}
