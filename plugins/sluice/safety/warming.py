"""Warm a server up that was brought back: what its users read most goes into its memory before they come.

The first hour on a cold server is as slow as its disk: where what is hot is read once, in order, users find it there.
PostgreSQL's own pg_prewarm does it. What is hot was noted when the living store was counted; without a note it is indexes, and
what was made last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from sluice.errors import Terminal
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connection, Table, one, rows, translated
from sluice.stores.statements import statement

MOST = 300
"""Relations."""
SHARE = 0.75
"""How much of the server's memory is filled: the rest is for what comes."""


class NotWarmed(Terminal):
    """The server has no pg_prewarm."""


@dataclass(frozen=True)
class Warmed:
    """What was brought into memory."""

    relations: int
    blocks: int
    room: int
    """In blocks."""


def find_hot(c: Connection) -> tuple[Table, ...]:
    """Name what a living store reads most, the most first."""
    return tuple(Table(row["schema"], row["name"]) for row in rows(c, statement("warming.list_hot"), most=MOST))


def prepare_warming(c: Connection) -> None:
    """Make the extension in a server that was brought back, as its superuser. Safe to repeat."""
    with translated("making the extension pg_prewarm"):
        c.execute(statement("warming.make_extension"))


def warm(c: Connection, hot: Sequence[Table], tell: Tell, share: float = SHARE) -> Warmed:
    """Read what is hot into memory, as far as there is room. Safe to repeat. Raises NotWarmed."""
    place = rows(c, statement("warming.find_prewarm"))
    if not place:
        raise NotWarmed(f"{c.info.dbname} has no extension pg_prewarm: nothing was warmed, all else is there.")
    prewarm = sql.Identifier(place[0]["schema"], "pg_prewarm")
    room = int(one(c, statement("warming.find_memory"))["blocks"] * share)
    done, blocks, wanted = 0, 0, list(hot) or _likely(c)
    for relation in wanted:
        found = rows(c, statement("warming.find_blocks"), schema=relation.schema, name=relation.name)
        if not found or not found[0]["blocks"]:
            continue  # made since, or dropped, or empty
        if blocks >= room:
            break
        last = found[0]["blocks"] - 1
        first = max(0, last + 1 - (room - blocks))
        asked = {"oid": found[0]["oid"], "first": first, "last": last}
        blocks += one(c, statement("warming.warm_relation", prewarm=prewarm), **asked)["blocks"]
        done += 1
        tell(f"{relation} is warm: {blocks:,} of {room:,} blocks of memory are filled")
    return Warmed(done, blocks, room)


def _likely(c: Connection) -> list[Table]:
    return [Table(row["schema"], row["name"]) for row in rows(c, statement("warming.list_likely"), most=MOST)]
