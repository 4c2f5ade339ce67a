"""Write the YAML of a new migration from what the catalogue says of a table, for a person to read and to change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sluice.errors import Terminal
from sluice.estate import read_stores
from sluice.estate.models import SameClusterMigration
from sluice.estate.names import fitted, parse_table
from sluice.estate.read import MIGRATIONS
from sluice.flow.project import claimed
from sluice.local.airflow_processes import use_connections
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds import open_kind
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.postgres import Connection, Table, connect

EVERY = {"monthly": "month", "weekly": "week", "daily": "day"}
SHAPES = "monthly:COLUMN, weekly:COLUMN, daily:COLUMN, hash:COLUMN:PARTS, list:COLUMN or plain"


class CannotDraft(Terminal):
    """The table, its store or the shape cannot be read."""


def init_migration(
    root: Path, source: str, into: str, connected: Callable[[str], Connection]
) -> tuple[Path, list[Finding]]:
    """Write `include/estate/migrations/<table>.yaml` and give its path and what preflight and the other files say of it.

    `source` is STORE.SCHEMA.TABLE; `connected` opens a connection of Airflow's by its id.
    Raises CannotDraft for a table that is not there or a file that is; StoreDown.
    """
    store, _, name = source.partition(".")
    stores = read_stores(root).stores
    if store not in stores:
        raise CannotDraft(
            f"There is no store {store!r} in include/estate/estate.yaml: choose from {', '.join(stores)}."
        )
    if stores[store].engine != "postgres":
        raise CannotDraft(
            f"{store} runs on {stores[store].engine}, and only tables of PostgreSQL are drafted: start from a migration of kind"
            " single_table."
        )
    try:
        table = Table(*parse_table(name))
    except ValueError as error:
        raise CannotDraft(f"Write STORE.SCHEMA.TABLE, such as {store}.app.orders: {error}.") from error
    path = root / MIGRATIONS / f"{_slug(table.name)}.yaml"
    if path.exists():
        raise CannotDraft(f"{path.relative_to(root)} is there already: change it, or move it away first.")
    values = {"migration": path.stem, "from": {"store": store, "table": _written(table)}, "into": _into(table, into)}
    with connected(stores[store].connection) as c:
        shape, found = _look(c, values)
    if nowhere := [one for one in found if one.code == "no_partition_column"]:
        raise CannotDraft(f"{nowhere[0].what} {table} has {', '.join(column.name for column in shape.columns)}.")
    path.write_text("\n".join(draft(values, shape, found)) + "\n")
    return path, [*found, *claimed(path)]


def closing(written: str, name: str, found: list[Finding]) -> tuple[str, int]:
    """Say what is to be done with the file that was written, and give the exit code: 1 where the table is refused."""
    refused = sorted({one.code for one in found if one.blocks and not one.acceptable})
    acceptable = sorted({one.code for one in found if one.blocks and one.acceptable})
    if refused:
        then = (
            f"The table is refused as it stands ({', '.join(refused)}). Mend that, then look again, changing nothing:"
        )
    elif acceptable:
        then = (
            f"It is refused until you accept {', '.join(acceptable)}: read the file, take the # away from `accept:`, then see"
            " what it would do, changing nothing:"
        )
    else:
        then = "Read it, then see what it would do, changing nothing:"
    look = f"""./sluice run migrate__{name} --conf '{{"dry_run": true}}' --wait"""
    return f"{written} is written. {then}\n  {look}", 1 if refused else 0


def draft(values: dict[str, Any], shape: Shape, found: list[Finding]) -> Iterator[str]:
    """Lay the file out, line by line: what the table is, the least that a migration says, and what preflight says."""
    yield "# yaml-language-server: $schema=../schema/migration.json"
    yield f"# {shape.table}: {shape.rows_said} in {shape.facts['total_bytes'] / 1e6:,.0f} MB."
    yield f"# Key: {', '.join(shape.key) or 'none'}. Columns:"
    for column in shape.columns:
        yield f"#   {column.name}  {column.type}{' NOT NULL' if column.not_null else ''}".replace("\n", " ")
    yield "# Every field: docs/reference/migration-yaml.md."
    for key in ("migration", "from", "into"):
        yield ""
        yield _flow({key: values[key]})
    refused = [one for one in found if one.blocks and not one.acceptable]
    accepted = [one for one in found if one.acceptable]
    if refused:
        yield "\n# Preflight refuses the table as it stands:"
        yield from (f"#   [{one.code}] {one.what} {one.way_on}".rstrip() for one in refused)
    if accepted:
        yield "\n# Read these, and take the # away when you accept them:"
        yield from (f"#   [{one.code}] {one.what}" for one in accepted)
        yield f"# accept: [{', '.join(sorted({one.code for one in accepted}))}]"


def airflow_connection(connection_id: str) -> Connection:
    """Open a connection as Airflow on this machine knows it. Raises StoreDown, or NoConnection."""
    use_connections()
    from sluice.flow.connections import dsn_of

    return connect(dsn_of(connection_id), purpose="init-migration")


def _look(c: Connection, values: dict[str, Any]) -> tuple[Shape, list[Finding]]:
    """Ask the store's catalogue and the preflight."""
    try:
        migration = SameClusterMigration.model_validate_json(json.dumps(values), by_alias=True, by_name=False)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise CannotDraft(f"{values['from']['table']} cannot be drafted: {wrong}. Mend --into.") from error
    shape = find_table(c, Table.parse(migration.source.table))
    if shape is None:
        raise CannotDraft(f"{migration.source.table} is not there in store {migration.source.store}.")
    return shape, open_kind(migration, lambda _: c).preflight()


def _into(table: Table, into: str) -> dict[str, Any]:
    word, *rest = into.split(":")
    if word == "plain" and not rest:
        return {"table": _written(Table(table.schema, fitted(table.name, "_new")))}
    if word in EVERY and len(rest) == 1:
        cut: dict[str, Any] = {"range": rest[0], "every": EVERY[word]}
        suffix = f"_by_{EVERY[word]}"
    elif word == "hash" and len(rest) == 2 and rest[1].isdigit():
        cut, suffix = {"hash": rest[0], "parts": int(rest[1])}, "_by_hash"
    elif word == "list" and len(rest) == 1:
        cut, suffix = {"list": rest[0]}, f"_by_{_slug(rest[0])}"
    else:
        raise CannotDraft(f"--into {into} is no shape: write {SHAPES}.")
    return {"table": _written(Table(table.schema, fitted(table.name, suffix))), "partition": cut}


def _written(table: Table) -> str:
    """The table as parse_table reads it: quoted where it must be."""
    return ".".join(
        part if re.fullmatch(r"[a-z_][a-z0-9_]*", part) else '"' + part.replace('"', '""') + '"'
        for part in (table.schema, table.name)
    )


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
    return slug or "table_of_yours"


def _flow(value: dict[str, Any]) -> str:
    """One key in YAML's flow style, on one line, as the sample writes it."""
    ((key, inner),) = value.items()
    written = yaml.safe_dump(inner, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return f"{key}: {written.removesuffix(chr(10)).removesuffix('...').strip()}"
