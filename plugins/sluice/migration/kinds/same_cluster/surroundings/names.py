"""Indexes, with their constraints, and identity sequences keep their names for the application: the swap trades them.

A sequence that is asked for by its name must be allowed as before, so its grants go with the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from psycopg import sql

from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Trade:
    """The live table's thing gives up its name for `aside`; the other table's `other` takes it."""

    sort: str
    name: str
    aside: str
    other: str
    grants: tuple[sql.Composed, ...] = ()


def plan_trades(
    c: Connection, schema: str, live: int, other: int, *, aside: Callable[[str], str], partner: Callable[[str], str]
) -> tuple[Trade, ...]:
    """Pair what belongs to the live table with what belongs to the other. Read-only."""
    trades = _trades(_named(c, live), _named(c, other), aside, partner)
    granted = rows(c, statement("surroundings.list_sequence_grants"), oid=live)
    return tuple(
        replace(found, grants=tuple(_grant(schema, row) for row in granted if row["name"] == found.name))
        for found in trades
    )


def trade(c: Connection, schema: str, trades: tuple[Trade, ...]) -> None:
    """Make room first, then move in."""
    for moves in ([(t.sort, t.name, t.aside) for t in trades], [(t.sort, t.other, t.name) for t in trades]):
        for sort, name, to in moves:
            thing = sql.Identifier(schema, name)
            c.execute(statement(f"surroundings.rename_{sort}", thing=thing, name=sql.Identifier(to)))
    for grant in (grant for traded in trades for grant in traded.grants):
        c.execute(grant)


def _trades(
    live: list[Row], other: list[Row], aside: Callable[[str], str], partner: Callable[[str], str]
) -> Iterator[Trade]:
    for thing in live:
        for match in other:
            if _matches(thing, match, partner(thing["name"])):
                yield Trade(thing["sort"], thing["name"], aside(thing["name"]), match["name"])


def _matches(thing: Row, match: Row, partner: str) -> bool:
    if thing["sort"] != match["sort"] or thing["primary"] != match["primary"]:
        return False
    alike: bool = thing["primary"] or (
        thing["column"] == match["column"] if thing["column"] else match["name"] == partner
    )
    return alike


def _grant(schema: str, row: Row) -> sql.Composed:
    grantee = sql.SQL("PUBLIC") if row["grantee"] == "public" else sql.Identifier(row["grantee"])
    named = {"privilege": sql.SQL(row["privilege"]), "sequence": sql.Identifier(schema, row["name"])}
    made = statement("surroundings.grant_sequence", grantee=grantee, **named)
    return made + sql.SQL(" WITH GRANT OPTION") if row["grantable"] else made


def _named(c: Connection, oid: int) -> list[Row]:
    return rows(c, statement("surroundings.list_named"), oid=oid)
