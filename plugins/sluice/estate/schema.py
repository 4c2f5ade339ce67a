"""`python -m sluice.estate.schema` writes what is made from the models: JSON Schemas and the reference page."""

from __future__ import annotations

import json
from pathlib import Path

from sluice.estate.fields import Part
from sluice.estate.health import HealthFile
from sluice.estate.models import DEFAULT_KIND, KINDS, Dataset, EstateFile, ItemsFile, PriceFile, TableModel
from sluice.estate.reference import reference_page
from sluice.estate.words import Schema, schema_of

ROOT = Path(__file__).resolve().parents[3]


def made_files() -> dict[Path, str]:
    """Give every file that is made from the models, by its path under the project's root. Writes nothing."""
    return {
        Path("include/estate/schema/estate.json"): _schema_text("The estate", EstateFile),
        Path("include/estate/schema/migration.json"): _text("A migration", _migration_schema()),
        Path("include/estate/schema/dataset.json"): _schema_text("A dataset", Dataset),
        Path("include/estate/schema/health.json"): _schema_text("Health", HealthFile),
        Path("include/estate/schema/items.json"): _schema_text("Items", ItemsFile),
        Path("include/estate/schema/model.json"): _schema_text("A single-table design", TableModel),
        Path("include/estate/schema/prices.json"): _schema_text("Prices of your own", PriceFile),
        Path("docs/reference/migration-yaml.md"): reference_page(),
    }


def write_made_files(root: Path = ROOT) -> None:
    """Write them under `root`."""
    for path, text in made_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _migration_schema() -> Schema:
    """Give one schema for all kinds. By if and then, so that an editor tells the mistakes of the kind that was meant."""
    parts: Schema = {}
    chosen: Schema = {}
    for kind, model in KINDS.items():
        schema = dict(schema_of(model))
        parts |= schema.pop("$defs")
        parts[model.__name__] = schema
        if kind == DEFAULT_KIND:
            chosen = {"$ref": f"#/$defs/{model.__name__}"}
    for kind, model in KINDS.items():
        if kind != DEFAULT_KIND:
            asked = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
            chosen = {"if": asked, "then": {"$ref": f"#/$defs/{model.__name__}"}, "else": chosen}
    return {"$defs": parts, **chosen}


def _schema_text(title: str, model: type[Part]) -> str:
    return _text(title, schema_of(model))


def _text(title: str, schema: Schema) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    write_made_files()
