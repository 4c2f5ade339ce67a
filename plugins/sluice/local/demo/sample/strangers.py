"""What somebody else keeps in the sample's database: the demo begins afresh there, and it would go."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.local.demo.strangers import Strangers
from sluice.stores.postgres import Connection, one, rows
from sluice.stores.statements import statement


def check_strangers(c: Connection, ours: Sequence[str], story: str = "postgres") -> None:
    """Raise Strangers where tables, archived months, or migrations that are not `ours` would go with the sample. Read-only."""
    found = [row["name"] for row in rows(c, statement("demo.list_strangers"))]
    if one(c, statement("marks.are_there"))["there"]:
        others = rows(c, statement("demo.list_other_migrations"), ours=list(ours))
        found += [row["name"] for row in others]
    if one(c, statement("archive.is_there"))["there"]:
        found += [row["name"] for row in rows(c, statement("demo.list_other_archives"))]
    if found:
        raise Strangers(found, f"./sluice demo {story} --fresh")
