"""Foreign keys, out of the table and into it: as constraints, on whichever of the two tables is live.

The table that only follows must never raise by itself, nor do by itself what the live one does:

- keys out are on both. On the follower they wait for the commit (DEFERRABLE INITIALLY DEFERRED): capture writes row by row, so
  within a statement parents and children of the two tables need not agree, at its end they do;
- keys in, and the table's own on itself, are on the live one alone: the follower's deletes must not cascade.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import errors, sql

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, Fence, Fenced, Phase
from sluice.migration.kinds.same_cluster import swap
from sluice.migration.kinds.same_cluster.policies import role
from sluice.migration.kinds.same_cluster.route import Route, check_make
from sluice.migration.kinds.same_cluster.surroundings.things import Hanging, Thing, look, names_in_full, read
from sluice.stores.postgres import Connection, Table, rows
from sluice.stores.statements import raw, statement

FOLLOWING = "DEFERRABLE INITIALLY DEFERRED"
NOT_VALID = "NOT VALID"


def complete(c: Connection, marks: Marks, route: Route, fence: Fence) -> None:
    """Give the target the source's foreign keys, now that its rows are there: each try is short, and a rerun goes on."""
    target = marks.row(c)["target_oid"]
    parts = rows(c, statement("surroundings.list_parts"), oid=target)
    leaves = [part for part in parts if part["leaf"]]
    keys = look(c, route.shape.oid).of("key_out")
    if keys:
        _let_truncate(c, route, [Table(part["schema"], part["name"]) for part in parts])
    for key in keys:
        whole = _Place(route.target, target)
        if leaves and not _there(c, whole, key):
            # PostgreSQL before 18 refuses NOT VALID on a partitioned table; one on all of its leaves is taken over unread.
            for leaf in leaves:
                _add(c, marks, route, fence, _Place(Table(leaf["schema"], leaf["name"]), leaf["oid"]), key, NOT_VALID)
        _add(c, marks, route, fence, whole, key, "" if leaves else NOT_VALID)


def count_missing(c: Connection, source: int, target: int) -> int:
    """Count foreign keys out of the source that the target has not, or has not validated. Read-only."""
    there = {(key.name, key.text, key.state) for key in look(c, target).of("key_out")}
    return sum((key.name, key.text, "valid") not in there for key in look(c, source).of("key_out"))


def time_keys(c: Connection, table: Table, keys: Hanging, *, following: bool) -> None:
    """Make the keys out of a table wait for the commit, or check when they did before."""
    for key in keys.of("key_out"):
        timing = FOLLOWING if following else key.timing
        c.execute(_statement("time_foreign_key", table.identifier, key, timing=raw(timing)))


def drop_out(c: Connection, table: Table, oid: int) -> None:
    """Let go of the tables that one points at: a table that follows no more would stand in the way of their deletes."""
    for key in read(c, oid).of("key_out"):
        c.execute(_statement("drop_foreign_key", table.identifier, key))


def drop_in(c: Connection, hung: Hanging) -> None:
    """Take off the keys that point at the live table, before it loses its name."""
    for key in hung.of("key_in"):
        c.execute(_statement("drop_foreign_key", raw(key.holder), key))


def add_in(c: Connection, hung: Hanging) -> None:
    """Point them at the table that has the name now, unread: the exact parity vouches until they are validated."""
    for key in hung.of("key_in"):
        text = _text(key, key.timing, NOT_VALID)
        c.execute(_statement("add_foreign_key", raw(key.holder), key, text=text))


def validate_in(c: Connection, live: int, wanted: list[list[str]]) -> None:
    """Validate the keys that were valid before the swap, outside its locks. A rerun goes on."""
    valid = {(name, holder) for what, name, holder, _, state, _ in wanted if what == "key_in" and state == "valid"}
    for key in look(c, live).of("key_in"):
        if key.state != "valid" and (key.name, key.holder) in valid:
            _validate(c, raw(key.holder), key)


def _let_truncate(c: Connection, route: Route, parts: Sequence[Table]) -> None:
    """TRUNCATE … CASCADE of a table that partitions point at asks for the right to truncate each of them."""
    for row in rows(c, statement("surroundings.list_truncators"), oid=route.shape.oid):
        for part in parts:
            c.execute(statement("surroundings.grant_truncate", table=part.identifier, grantee=role(row["grantee"])))


class _Place:
    """A table that a key is added to."""

    def __init__(self, table: Table, oid: int) -> None:
        self.table, self.oid = table, oid


def _add(c: Connection, marks: Marks, route: Route, fence: Fence, place: _Place, key: Thing, unread: str) -> None:
    if _there(c, place, key) is None:
        swap.patiently(c, marks, route, _adding(c, marks, route, fence, place, key, unread))
    if not _there(c, place, key):
        _validate(c, place.table.identifier, key)


def _adding(
    c: Connection, marks: Marks, route: Route, fence: Fence, place: _Place, key: Thing, unread: str
) -> Callable[[], None]:
    def apply() -> None:
        row = marks.under_fence(c)
        if row["epoch"] != fence.epoch or row["phase"] != Phase.CAPTURING:
            raise Fenced(f"{marks.name} is {row['phase']} by now: this run is over.")
        check_make(c, marks, route)
        with names_in_full(c):
            text = _text(key, FOLLOWING, unread)
            c.execute(_statement("add_foreign_key", place.table.identifier, key, text=text))
        marks.execute(c, "take_fingerprints")

    return apply


def _validate(c: Connection, table: sql.Composable, key: Thing) -> None:
    try:
        c.execute(_statement("validate_foreign_key", table, key))
    except errors.ForeignKeyViolation as error:
        raise Drifted(
            f"Foreign key {key.name} does not hold: {error.diag.message_detail} It was valid on the source, so the copy is not"
            " what it was: run the migration again, to compare it."
        ) from error


def _there(c: Connection, place: _Place, key: Thing) -> bool | None:
    """Whether a table has the key: None when not, else whether it is validated."""
    found = rows(c, statement("surroundings.find_foreign_key"), oid=place.oid, name=key.name)
    return bool(found[0]["valid"]) if found else None


def _text(key: Thing, timing: str, unread: str) -> sql.Composable:
    # One that is not enforced is not read either.
    unread = "" if key.text.endswith("NOT ENFORCED") else unread
    return raw(" ".join(filter(None, (key.text, timing, unread))))


def _statement(verb: str, table: sql.Composable, key: Thing, **parts: sql.Composable) -> sql.Composed:
    return statement(f"surroundings.{verb}", table=table, name=sql.Identifier(key.name), **parts)
