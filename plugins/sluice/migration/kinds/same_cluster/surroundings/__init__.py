"""What hangs on the table from outside: what of it moves with the name, and what cannot. Read-only here."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.said import refuse
from sluice.stores.catalogue import Shape
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement


def findings(c: Connection, shape: Shape) -> Iterator[Finding]:
    for trigger in shape.triggers:
        if not trigger["name"].startswith("!sluice"):
            yield refuse(
                "user_trigger",
                f"{shape.table} has trigger {trigger['name']}.",
                "Triggers are not carried over yet: drop it first.",
            )
    for key in shape.foreign_keys:
        where = f"{key['from_table']} → {key['to_table']}"
        yield refuse(
            "foreign_key",
            f"Foreign key {key['name']} ({where}).",
            "Foreign keys are not carried over yet: drop it first.",
        )
    for dependent in rows(c, statement("catalogue.list_dependents"), oid=shape.oid):
        yield refuse(
            "dependent",
            f"{dependent['what']} {dependent['name']} holds {shape.table} itself and would stay with the old one.",
            "Drop it and make it again after the cutover.",
        )
    for publication in rows(c, statement("catalogue.list_publications"), oid=shape.oid):
        yield refuse(
            "publication",
            f"Publication {publication['name']} {'(all tables) ' if publication['all_tables'] else ''}carries {shape.table}.",
            "Its subscribers would see the copy too: take the table out first.",
        )
