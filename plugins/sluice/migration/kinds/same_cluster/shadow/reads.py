"""Which of the application's statements read the table, and may be run by us beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg import errors, sql

from sluice.estate.models import SameClusterMigration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.said import inform, refuse
from sluice.migration.kinds.same_cluster.shadow import wording
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import raw, statement

STAGE, PROBE = "sluice_shadow", "probe"
BEYOND_POSTGRES = (
    errors.TooManyArguments,
    errors.TooManyColumns,
    errors.StatementTooComplex,
    errors.ProgramLimitExceeded,
)
"""A function, with which a statement is looked into, takes a hundred parameters."""
NO_EXTENSION = "pg_stat_statements is not there"


@dataclass(frozen=True)
class Read:
    """A statement that reads the table; `path` is where its role looks for names, `types` are its parameters'."""

    text: str
    calls: int
    path: str
    types: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """A statement that reads the table, as far as can be told, and cannot be compared."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: {wording.shown(self.text)}"


@dataclass
class Found:
    """The application's reads of the table, most called first. `nothing` says why there may be none."""

    reads: list[Read] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    nothing: str = ""


def about_reads(c: Connection, migration: SameClusterMigration) -> Iterator[Finding]:
    """Whether the shadow read will know what the application reads."""
    wanted = migration.gates.shadow
    if wanted is None or _statements(c) is not None:
        return
    what = f"{NO_EXTENSION}: the shadow read before the cutover will have no read of the application to compare."
    if wanted.required:
        way_on = "Add it to shared_preload_libraries and CREATE EXTENSION, or leave out gates.shadow.required."
        yield refuse("no_statements", what, way_on)
    else:
        yield inform(
            "no_statements", f"{what} shared_preload_libraries and CREATE EXTENSION pg_stat_statements give it some."
        )


def find_reads(c: Connection, route: Route, at_most: int) -> Found:
    """List at most so many statements. Leaves nothing behind."""
    found, statements = Found(), _statements(c)
    if statements is None:
        return Found(nothing=NO_EXTENSION)
    name = route.source.name.replace('"', '""')
    for row in rows(c, statement("shadow.list_statements", statements=statements), name=name):
        if len(found.reads) + len(found.skipped) == at_most:
            break
        seen = _judged(c, route, row)
        if isinstance(seen, Read):
            found.reads.append(seen)
        elif seen is not None:
            found.skipped.append(seen)
    found.nothing = f"pg_stat_statements knows no read of {route.source} by another role than ours ({c.info.user})"
    return found


def _statements(c: Connection) -> sql.Identifier | None:
    """The view, where there is one that works."""
    found = rows(c, statement("shadow.find_extension"))
    if not found:
        return None
    view = sql.Identifier(found[0]["schema"], "pg_stat_statements")
    try:
        with c.transaction():
            c.execute(statement("shadow.try_extension", statements=view))
    except (errors.ObjectNotInPrerequisiteState, errors.InsufficientPrivilege):
        return None
    return view


def _judged(c: Connection, route: Route, row: Row) -> Read | Skipped | None:
    """What a statement is to us; None when it is no read of the table."""
    text = wording.readable(row["query"])
    reason = wording.why_not(text)
    if not wording.mentions(text, route.source) or not (wording.is_read(text) or reason.startswith("it is read")):
        return None
    if reason:
        return Skipped(text, reason)
    path = _path(c, route, row["role"])
    try:
        with c.transaction(force_rollback=True):
            types = _parameter_types(c, text, path)
            c.execute(statement("shadow.look_within"), {"path": path})
            known = _looked_into(c, route, text, types)
    except BEYOND_POSTGRES as error:
        return Skipped(text, f"it is more than PostgreSQL looks into ({type(error).__name__})")
    except (errors.LockNotAvailable, errors.DeadlockDetected, psycopg.OperationalError):
        raise
    except psycopg.Error as error:
        return Skipped(text, f"PostgreSQL does not take it here ({type(error).__name__})")
    if not known["reads"]:
        return None
    if calls := [*known["volatile"], *_volatile(c, text)]:
        return Skipped(text, f"it calls {', '.join(calls)}, which is volatile")
    if known["strangers"]:
        return Skipped(text, f"it uses {', '.join(known['strangers'])}, of a role that we do not trust with our rights")
    return Read(text, row["calls"], path, types)


def _path(c: Connection, route: Route, role: int) -> str:
    """The role's own search_path, and at its end the table's schema: a session may have set another one."""
    found = rows(c, statement("shadow.find_path"), role=role)
    schema = sql.Identifier(route.source.schema).as_string(c)
    return f"{found[0]['path']}, {schema}" if found and found[0]["path"] else schema


def _parameter_types(c: Connection, text: str, path: str) -> tuple[str, ...]:
    """The types of `$1` and so on, by names that mean the same wherever names are looked for."""
    c.execute(statement("shadow.look_within"), {"path": path})
    c.execute(statement("shadow.prepare_read", text=raw(text)))
    c.execute(statement("shadow.look_within"), {"path": "pg_catalog"})
    types = tuple(row["type"] for row in rows(c, statement("shadow.list_parameters")))
    c.execute(statement("shadow.forget_read"))  # a rollback does not
    return types


def _looked_into(c: Connection, route: Route, text: str, types: tuple[str, ...]) -> Row:
    """What the statement stands on, by PostgreSQL's own book-keeping."""
    c.execute(statement("shadow.create_schema", schema=sql.Identifier(STAGE)))
    probe = {"probe": sql.Identifier(STAGE, PROBE), "types": raw(", ".join(types)), "text": raw(text)}
    c.execute(statement("shadow.create_probe", **probe))
    return one(c, statement("shadow.look_at_probe"), schema=STAGE, probe=PROBE, table=route.shape.oid)


def _volatile(c: Connection, text: str) -> list[str]:
    """Built-in functions that give another answer each time, or do something: they are in nobody's book-keeping."""
    return [row["name"] for row in rows(c, statement("shadow.list_volatile"), names=wording.called(text))]
