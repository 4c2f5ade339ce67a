"""Makes docs/reference/migration-yaml.md from the models, so that it cannot fall behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sluice.estate.fields import Part
from sluice.estate.health import HealthFile
from sluice.estate.models import (
    Dataset,
    EstateFile,
    IntoPostgresMigration,
    ItemsFile,
    PriceFile,
    SameClusterMigration,
    SingleTableMigration,
    TableModel,
)
from sluice.estate.words import Schema, allowed, each_value, resolved, schema_of

HEAD = """<!-- Made from plugins/sluice/estate by `python -m sluice.estate.schema`. -->

# The estate's files

A person points Sluice at a table by writing one file. This page lists every field. Your editor shows the same, if it
knows YAML schemas: the first line of each sample says where they are.
[Point it at your table](../howto/point-it-at-your-table.md) walks you through a first migration.

**Durations** are a whole number and one unit: `50ms`, `5s`, `30m`, `2h`, `7d`.
**Times and dates** are UTC; write a time in quotes: `"09:00"`.
**Tables** are `schema.name`. A part in double quotes is taken as it is, one without is folded to lower
case, as PostgreSQL does: `'app."User Sessions"'` (the single quotes are YAML's).
**Columns and schemas** are written as the catalogue has them, without SQL's quotes.
**Templates** are text with `{attribute}` in it, and `{attribute|filter}`: [all filters](tyler-model.md#templates).
**Plain words** are text: YAML's old habit of reading `no` as false and `16:00` as 960 is switched off.
**Mistakes** are told all at once, one a line: file, line, field, what was found and what is allowed.

```
include/estate/migrations/orders.yaml:7: backfill.lanes: found "many", allowed: a whole number from 1 to 16
```

A bad migration fails its own DAG and no other. Two files that name one table, or one entity of a design, break neither: a run
that would begin is refused and names both, one that is under way goes on. `./sluice status` lists all mistakes of all files.
"""


PAGES: dict[str, type[Part]] = {
    "`include/estate/migrations/<name>.yaml`: a migration": SameClusterMigration,
    "A migration of `kind: single_table`": SingleTableMigration,
    "A migration of `kind: into_postgres`": IntoPostgresMigration,
    "`include/estate/<model>.yaml`: a single-table design": TableModel,
    "`include/estate/datasets/<name>.yaml`: a table that is kept": Dataset,
    "`include/estate/items/<name>.yaml`: records that are kept": ItemsFile,
    "`include/estate/estate.yaml`: the estate": EstateFile,
    "`include/estate/prices.yaml`: prices of your own": PriceFile,
    "`include/estate/health.yaml`: what is a fault": HealthFile,
}


def reference_page() -> str:
    """Give the whole page as Markdown."""
    return "\n".join((HEAD, *(_page(title, model) for title, model in PAGES.items())))


def _page(title: str, model: type[Part]) -> str:
    schema = schema_of(model)
    return f"## {title}\n\n{schema['description']}\n\n" + "\n".join(_sections("", schema, schema))


def _sections(prefix: str, node: Schema, schema: Schema, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Give a table for this mapping, then one for each mapping inside it. A mapping inside itself is told once."""
    yield _table(node, schema)
    for key, field in node["properties"].items():
        inner, name = resolved(field, schema), f"{prefix}{key}"
        if each_value(inner):
            inner, name = resolved(each_value(inner), schema), f"{name}.<name>"
        elif "items" in inner:
            inner, name = resolved(inner["items"], schema), f"{name}[]"
        if "properties" in inner and inner["title"] not in above:
            yield f"### `{name}`\n\n{inner['description']}\n"
            yield from _sections(f"{name}.", inner, schema, (*above, inner["title"]))


def _table(node: Schema, schema: Schema) -> str:
    needed = node.get("required", [])
    rows = (_row(key, field, key in needed, schema) for key, field in node["properties"].items())
    return "\n".join(("| field | allowed | without it | |", "|---|---|---|---|", *rows)) + "\n"


def _row(key: str, field: Schema, needed: bool, schema: Schema) -> str:
    meaning = field.get("description") or resolved(field, schema)["description"]
    cells = (f"`{key}`", allowed(field, schema), _default(field, needed, schema), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: Schema, needed: bool, schema: Schema) -> str:
    if needed:
        return "**required**"
    if "default" not in field:
        return "its defaults"
    default = field["default"]
    if default in (None, []):
        return "none"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"
