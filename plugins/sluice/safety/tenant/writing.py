"""What a comparison of a tenant has found, as files: SQL that puts rows back, a CSV for each table, and the counts as JSON.

Nobody here runs the SQL. Rows that were added since are left as they are.

restores/<store>/<scratch's name>/tenant/put_back.sql, difference.json, <table>.csv
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from sluice.safety.tenant.comparing import Difference, Key, Values, listed
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection
from sluice.stores.statements import as_text, statement

ALWAYS = "a"
"""What the catalogue calls an identity that takes no value from an UPDATE."""


def counts_of(found: Sequence[Difference]) -> dict[str, dict[str, int]]:
    """Count what has become of the rows, by table: what may be seen in a log. Pure."""
    return {
        str(one.owned.table): {
            "same": one.same,
            "missing": len(one.missing),
            "changed": len(one.changed),
            "added": len(one.added),
        }
        for one in found
    }


def keep_files(
    vault: Vault, folder: str, told: Mapping[str, object], found: Sequence[Difference], c: Connection
) -> list[str]:
    """Store the files; gives their keys. Raises AlreadyThere, VaultDown, AccessDenied."""
    files = {"put_back.sql": (script(found, c), "application/sql")}
    files["difference.json"] = (json.dumps({**told, "tables": counts_of(found)}, indent=1), "application/json")
    for one in found:
        if not one.none:
            name = re.sub(r"[^\w.-]", "_", str(one.owned.table))
            files[f"{name}.csv"] = (as_csv(one), "text/csv; charset=utf-8")
    return [vault.put_once(f"{folder}{name}", text.encode(), kind).key for name, (text, kind) in files.items()]


def script(found: Sequence[Difference], c: Connection) -> str:
    """Write what puts rows back, parents first. `c` says how this server quotes. It is run by a person, or never."""
    return "\n\n".join(_script(found, c)) + "\n"


def _script(found: Sequence[Difference], c: Connection) -> Iterator[str]:
    yield as_text(statement("tenant.open_script"), c)
    for one in found:
        counts = (
            f"{len(one.missing)} missing, {len(one.changed)} changed, {len(one.added)} added since (left as they are)"
        )
        yield f"-- {one.owned.table}: {counts}"
        if one.missing:
            yield as_text(_put_rows(one), c)
        # Where all that differs is an identity that takes no value, there is nothing to set.
        puts = (_put_row(one, key, was, hashed) for key, (was, _, hashed) in one.changed.items())
        yield from (as_text(put, c) for put in puts if put)
    yield as_text(statement("tenant.close_script"), c)


def _put_rows(one: Difference) -> sql.Composed:
    """All in one statement: a row may refer to another of the same table."""
    rows = [sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, values))) for values in one.missing.values()]
    table = one.owned.table.identifier
    return statement("tenant.put_rows", table=table, columns=listed(one.columns), rows=sql.SQL(",\n  ").join(rows))


def _put_row(one: Difference, key: Key, was: Values, hashed: int) -> sql.Composed | None:
    fixed = {*one.owned.shape.key, *(column.name for column in one.owned.shape.columns if column.identity == ALWAYS)}
    pairs = [(name, value) for name, value in zip(one.columns, was, strict=True) if name not in fixed]
    if not pairs:
        return None
    told = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in pairs
    )
    where = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Literal(value))
        for name, value in zip(one.owned.shape.key, key, strict=True)
    )
    columns = listed(one.columns, "t")
    table = one.owned.table.identifier
    return statement("tenant.put_row", table=table, values=told, key=where, columns=columns, hash=sql.Literal(hashed))


def as_csv(one: Difference) -> str:
    """Write what has become of the rows of one table: of what was changed, a line as it was and one as it is."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(("what", *one.columns))
    out.writerows(("missing", *values) for values in one.missing.values())
    for was, now, _ in one.changed.values():
        out.writerows((("was", *was), ("is", *now)))
    out.writerows(("added", *values) for values in one.added.values())
    return text.getvalue()
