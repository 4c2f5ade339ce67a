"""Makes docs/reference/ledger.md of databases that the releases have brought up to date, so that it cannot fall behind them.

What a release says of a table or a column by a COMMENT is on the page; `words.py` says the rest. What writes the page is
`python -m sluice.local.reference`, which has servers to lend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from sluice.errors import Terminal
from sluice.ledger.releases import bring_up_to_date
from sluice.ledger.words import EVERYWHERE, TABLES
from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import statement

PAGE = Path("docs/reference/ledger.md")
RELEASED: Mapping[str, tuple[str, ...]] = {
    "store": ("marks", "archive", "safety"),
    "ledger": ("control", "insight", "overview"),
}
"""The sets of releases, by the database that they are made in."""
SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "store": ("sluice", "sluice_routing", "sluice_archive", "sluice_safety"),
    "ledger": ("control", "insight", "overview", "sluice"),
}
TITLES = {"store": "In the store's own database, beside the data", "ledger": "In the ledger's database"}
HEAD = """<!-- Made of include/sql/schema by `python -m sluice.local.reference`. -->

# The ledger

Every table, view and function that Sluice makes for itself in PostgreSQL. Which half is right when they differ, and why there are
two: [where the truth is](../../ARCHITECTURE.md#where-the-truth-is). Read what you like; write nothing, but by the functions. Of a
migration whose target is DynamoDB the marks are items of the table `sluice-marks`; its phases are in the ledger all the same.
"""


class Unsaid(Terminal):
    """A table or a column of which nobody says what it means."""


def ledger_page(store: Connection, ledger: Connection) -> str:
    """Give the page as Markdown, of two empty databases, whose schemas it makes. Raises Unsaid."""
    return "\n".join((HEAD, *_database("store", store), *_database("ledger", ledger)))


def _database(which: str, c: Connection) -> Iterator[str]:
    for release_set in RELEASED[which]:
        bring_up_to_date(c, release_set)
    schemas = list(SCHEMAS[which])
    found = rows(c, statement("releases.list_described_columns"), schemas=schemas)
    made = f"by the releases `{'`, `'.join(RELEASED[which])}`"
    yield f"## {TITLES[which]}\n\nMade {made}, each file once, and refused if it was changed afterwards.\n"
    for name, columns in groupby((row for row in found if not row["is_view"]), key=_named):
        yield _table(name, list(columns), which)
    yield _listed(
        "View", (_view(name, list(columns)) for name, columns in groupby(filter(_is_view, found), key=_named))
    )
    called = rows(c, statement("releases.list_described_functions"), schemas=schemas)
    if called:
        yield _listed("Function", ((f"{row['schema']}.{row['name']}", row["said"]) for row in called))


def _named(row: Row) -> str:
    return f"{row['schema']}.{row['relation']}"


def _is_view(row: Row) -> bool:
    return bool(row["is_view"])


def _table(name: str, columns: list[Row], which: str) -> str:
    head = f"### `{name}`" + (", of the ledger" if name == "sluice.release" and which == "ledger" else "")
    meaning = _meaning(columns[0])
    lines = (_column(row) for row in columns)
    return "\n".join((head, "", meaning, "", "| column | type | |", "|---|---|---|", *lines)) + "\n"


def _column(row: Row) -> str:
    said = row["said"] or _said(row, row["column"])
    allowed = re.findall(r"'(\w+)'::text", row["allowed"] or "")
    one_of = f" One of {', '.join(f'`{value}`' for value in allowed)}." if allowed else ""
    return f"| `{row['column']}` | {row['type']}{'' if row['needed'] else ', or null'} | {_cell(said + one_of)} |"


def _meaning(row: Row) -> str:
    return row["meaning"] or _said(row, "")


def _said(row: Row, column: str) -> str:
    own = TABLES.get((row["schema"], row["relation"]), {})
    if said := own.get(column) or EVERYWHERE.get(column):
        return said
    raise Unsaid(
        f"{_named(row)}.{column}: nobody says what it means. Add a COMMENT to a release, or a line to words.py."
    )


def _view(name: str, columns: list[Row]) -> tuple[str, str]:
    shown = ", ".join(f"`{row['column']}`" for row in columns)
    return name, f"{_meaning(columns[0])} Shows {shown}."


def _listed(what: str, found: Iterator[tuple[str, str]]) -> str:
    return (
        "\n".join((f"| {what.lower()} | |", "|---|---|", *(f"| `{name}` | {_cell(said)} |" for name, said in found)))
        + "\n"
    )


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
