"""`python -m sluice.estate.schema` writes what is made from the models: JSON Schemas and the reference page."""

from __future__ import annotations

import json
from pathlib import Path

from sluice.estate.fields import Part
from sluice.estate.models import EstateFile, Migration
from sluice.estate.reference import reference_page
from sluice.estate.words import schema_of

ROOT = Path(__file__).resolve().parents[3]


def made_files() -> dict[Path, str]:
    """Give every file that is made from the models, by its path under the project's root. Writes nothing."""
    return {
        Path("include/estate/schema/estate.json"): _schema_text("The estate", EstateFile),
        Path("include/estate/schema/migration.json"): _schema_text("A migration", Migration),
        Path("docs/reference/migration-yaml.md"): reference_page(),
    }


def write_made_files(root: Path = ROOT) -> None:
    """Write them under `root`."""
    for path, text in made_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _schema_text(title: str, model: type[Part]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**schema_of(model), **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    write_made_files()
