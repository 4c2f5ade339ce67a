"""Build the target and all that hangs on the source, once, in a transaction that is rolled back: what would PostgreSQL refuse?

Nothing that users have is locked or changed: the target moves under the source's name into a schema of the rehearsal, and what is
tried there reads names as the source's schema has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psycopg
from psycopg import errors, sql

from sluice.migration.engine.contract import Finding, NotYet
from sluice.migration.kinds.same_cluster import expand
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.said import refuse
from sluice.migration.kinds.same_cluster.surroundings.things import Hanging, Thing, read, say_again
from sluice.proof.diff.pair import Side
from sluice.stores.postgres import Connection, Table, one, rows, translated
from sluice.stores.statements import as_text, raw, statement

STAGE = "sluice_rehearsal"
LOCK_WAIT = 100
"""Milliseconds: what the rehearsal waits for, users wait for behind it."""


def rehearse(c: Connection, route: Route, refused: Sequence[str] = ()) -> list[Finding]:
    """List what PostgreSQL refuses, in its own words; what is refused already is not tried. Leaves nothing behind."""
    if not route.shape.key or route.shape.facts["kind"] != "r":
        return []  # refused already
    found: list[Finding] = []
    with translated(f"rehearsing {route.target}"), c.transaction(force_rollback=True):
        c.execute(statement("swap.set_lock_timeout"), {"milliseconds": LOCK_WAIT})
        found += _hashed(c, route)
        built = _built(c, route)
        found += built
        if not built:
            found += _hung(c, route, refused)
    return found


def _built(c: Connection, route: Route) -> list[Finding]:
    """The target by itself. What only fails because something before it did is not said again."""
    refused: list[Finding] = []
    try:
        with c.transaction():
            planned = expand.plan_expand(c, route).statements
    except NotYet as error:
        return [refuse("refused_plan", str(error), "Mend into:.")]
    except errors.DataError as error:
        return [_finding("the values of the new table", error)]
    for made in planned:
        refusal = _refusal(c, partial(c.execute, made))
        if refusal and not (refused and isinstance(refusal, errors.UndefinedTable | errors.UndefinedObject)):
            refused.append(_finding(as_text(made, c).split("(")[0].strip(), refusal))
    return refused


def _hung(c: Connection, route: Route, refused: Sequence[str]) -> Iterator[Finding]:
    c.execute(statement("surroundings.look_within"), {"schemas": _path(c, route.source.schema)})
    hung = read(c, route.shape.oid)
    stage = sql.Identifier(STAGE)
    there = Table(STAGE, route.source.name)
    c.execute(statement("expand.create_schema", schema=stage))
    c.execute(statement("expand.move_table", table=route.target.identifier, schema=stage))
    moved = Table(STAGE, route.target.name).identifier
    c.execute(statement("expand.rename_table", table=moved, name=sql.Identifier(there.name)))
    c.execute(statement("surroundings.look_within"), {"schemas": _path(c, STAGE, route.source.schema)})
    yield from _keys_out(c, route, there)
    for number, thing in enumerate(hung.things):
        trial = None if _is_raw(thing, refused) else TRIALS.get(thing.what)
        if trial and (error := _refusal(c, partial(trial, c, there, number, thing))):
            yield _finding(f"{thing.what.replace('_', ' ')} {thing.name}", error)
    yield from _changed_views(c, hung)


def _is_raw(thing: Thing, refused: Sequence[str]) -> bool:
    name = re.compile(rf"\b{re.escape(thing.name)}\b")
    return any(name.search(what) for what in refused)


def _keys_out(c: Connection, route: Route, there: Table) -> Iterator[Finding]:
    named = {"source": route.shape.oid, "target": there.identifier.as_string(c)}
    for row in rows(c, statement("surroundings.list_changed_key_columns"), **named):
        yield refuse(
            "foreign_key",
            f"Foreign key {row['name']} needs column {row['column']}, which {route.target} has not, or of another type.",
            "Keep the column as it is, or drop the foreign key first.",
        )


def _changed_views(c: Connection, hung: Hanging) -> Iterator[Finding]:
    for number, view in enumerate(hung.things):
        if view.what == "view":
            stand_in = Table(STAGE, _view(number)).identifier.as_string(c)
            exists = one(c, statement("surroundings.find_relation"), name=stand_in)["found"]
            query = statement("surroundings.compare_columns")
            changed = [row["column"] for row in rows(c, query, view=view.name, rehearsed=stand_in)] if exists else []
            if changed:
                yield refuse(
                    "dependent",
                    f"View {view.name} would change: {', '.join(changed)} has another type on the new table.",
                    "Keep the column's type, cast it in the view, or drop the view first.",
                )


def _try_view(c: Connection, there: Table, number: int, thing: Thing) -> None:
    view = sql.Identifier(STAGE, _view(number))
    c.execute(statement("surroundings.rehearse_view", view=view, body=raw(thing.body)))


def _try_policy(c: Connection, there: Table, number: int, thing: Thing) -> None:
    c.execute(statement("surroundings.rehearse_policy", table=raw(thing.holder), body=raw(thing.body)))


def _try_text(c: Connection, there: Table, number: int, thing: Thing) -> None:
    say_again(c, thing.body or thing.text)


def _try_key_in(c: Connection, there: Table, number: int, thing: Thing) -> None:
    stand_in = sql.Identifier(STAGE, f"referrer {number}")
    c.execute(statement("surroundings.rehearse_referrer", table=stand_in, holder=raw(thing.holder)))
    name = sql.Identifier(thing.name)
    c.execute(statement("surroundings.add_foreign_key", table=stand_in, name=name, text=raw(thing.text)))


def _try_publication(c: Connection, there: Table, number: int, thing: Thing) -> None:
    named = {"publication": sql.Identifier(thing.name), "tail": raw(thing.text)}
    c.execute(statement("surroundings.publish", table=there.identifier, **named))


TRIALS: dict[str, Callable[[Connection, Table, int, Thing], None]] = {
    "view": _try_view,
    "policy": _try_policy,
    "function": _try_text,
    "trigger": _try_text,
    "key_in": _try_key_in,
    "publication": _try_publication,
}


def _hashed(c: Connection, route: Route) -> list[Finding]:
    """The comparison's hash of a few rows; where it fails, of each column, to name it."""
    left = route.pair().left
    error = _hash_refusal(c, left)
    if error is None:
        return []
    named = zip(route.pair().columns, left.values, strict=True)
    blamed = [name for name, value in named if _hash_refusal(c, Side(left.table, left.key, (value,)))]
    return [
        refuse(
            "uncomparable",
            f"{', '.join(blamed) or 'A row'} of {route.source} cannot be compared: {error.diag.message_primary}.",
            "Give the column a type that can be sent in binary form (text will do), or leave it out.",
        )
    ]


def _hash_refusal(c: Connection, side: Side) -> psycopg.Error | None:
    query = statement("surroundings.hash_sample", hash=side.hash(), source=side.table.identifier)
    return _refusal(c, lambda: c.execute(query))


def _refusal(c: Connection, trial: Callable[[], object]) -> psycopg.Error | None:
    """Try it in a savepoint. A lock that is not to be had is no refusal: the whole is tried again by itself."""
    try:
        with c.transaction():
            trial()
    except (errors.LockNotAvailable, errors.DeadlockDetected, psycopg.OperationalError):
        raise
    except psycopg.Error as error:
        return error
    return None


def _finding(what: str, error: psycopg.Error) -> Finding:
    said = ". ".join(filter(None, (error.diag.message_primary, error.diag.message_detail)))
    return refuse(
        "refused_by_postgres",
        f"PostgreSQL refuses {what}: {said}.",
        error.diag.message_hint or "Mend that, or drop it first.",
    )


def _path(c: Connection, *schemas: str) -> str:
    return ", ".join(sql.Identifier(schema).as_string(c) for schema in schemas)


def _view(number: int) -> str:
    return f"view {number}"
