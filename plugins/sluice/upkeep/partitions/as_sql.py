"""What an action runs, as SQL: for the database, and for a person to read beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from sluice.stores.catalogue import Shape, find_table
from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import as_text, statement
from sluice.upkeep.partitions.actions import Action, Finish, Hashed, Holds, Listed, Make
from sluice.upkeep.partitions.spans import BEGIN, END, Span


@dataclass
class Seen:
    """Tables and schemas that a run has found already: after each partition such a look takes as long as making it."""

    tables: dict[Table, Shape] = field(default_factory=dict)
    schemas: set[str] = field(default_factory=set)


def script(c: Connection, actions: Sequence[Action]) -> str:
    """Write what would be done as SQL, for a person to read. Changes nothing."""
    seen = Seen()
    return "\n".join(as_text(made, c) + ";" for action in actions for made in statements(c, action, seen))


def statements(c: Connection, action: Action, seen: Seen) -> Iterator[sql.Composed]:
    """Give what an action runs, in order and in one transaction; FINALIZE, which may not be in one, alone."""
    if isinstance(action, Finish):
        yield statement(
            "partitions.finish_detach", parent=action.parent.identifier, partition=action.partition.identifier
        )
        return
    if action.parent not in seen.tables:
        found = find_table(c, action.parent)
        assert found is not None
        seen.tables[action.parent] = found
    parent = seen.tables[action.parent]
    owner, schema = sql.Identifier(str(parent.facts["owner"])), action.partition.schema
    if schema in seen.schemas or one(c, statement("partitions.has_schema"), schema=schema)["there"]:
        seen.schemas.add(schema)
    else:  # not remembered: it goes with its transaction, if that is broken off
        yield statement("expand.create_owned_schema", schema=sql.Identifier(schema), owner=owner)
    yield statement("partitions.act_as_owner", owner=owner)
    yield from _made(action, parent)


def _made(action: Make, like: Shape) -> Iterator[sql.Composed]:
    """`like` is the table as the catalogue has it: one below another that is not made yet has the same columns and walls."""
    table = action.partition.identifier
    cut: sql.Composable = sql.SQL("")
    if action.cut:
        how, column = action.cut
        cut = statement("partitions.cut_again", how=sql.SQL(how.upper()), column=sql.Identifier(column))
    yield statement("partitions.create_partition", partition=table, parent=action.parent.identifier, cut=cut)
    if action.options:
        yield statement("partitions.set_options", partition=table, options=_options(action.options))
    if like.facts["rls"]:
        yield statement("expand.enable_rls", table=table)
    if like.facts["rls_forced"]:
        yield statement("expand.force_rls", table=table)
    for below in action.below:
        yield from _made(below, like)
    if action.drains:
        yield from _drained(action, action.drains, like)
    yield statement(
        "partitions.attach",
        parent=action.parent.identifier,
        partition=table,
        bounds=_bounds(action.holds, like, action),
    )


def _options(options: Sequence[str]) -> sql.Composed:
    pairs = (option.partition("=") for option in options)
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, _, value in pairs
    )


def _drained(action: Make, default: Table, like: Shape) -> Iterator[sql.Composed]:
    yield statement("partitions.hold_default", partition=default.identifier)
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in like.columns if column.written)
    yield statement(
        "partitions.move_rows",
        source=default.identifier,
        partition=action.partition.identifier,
        columns=columns,
        condition=_condition(action, like),
    )


def _bounds(holds: Holds, like: Shape, action: Make) -> sql.Composed:
    if isinstance(holds, Span):
        lower, upper = _edges(holds, _type_of(like, action))
        return statement("partitions.range_bounds", lower=lower, upper=upper)
    if isinstance(holds, Hashed):
        parts = {"modulus": sql.Literal(holds.modulus), "remainder": sql.Literal(holds.remainder)}
        return statement("partitions.hash_bounds", **parts)
    return statement("partitions.list_bounds", value=sql.Literal(holds.value))


def _condition(action: Make, like: Shape) -> sql.Composed:
    column = sql.Identifier(action.column)
    if isinstance(action.holds, Listed):
        return statement("partitions.within_list", column=column, value=sql.Literal(action.holds.value))
    assert isinstance(action.holds, Span)
    lower, upper = _edges(action.holds, _type_of(like, action))
    return statement("partitions.within_range", column=column, lower=lower, upper=upper)


def _edges(span: Span, type_: str) -> tuple[sql.Composable, sql.Composable]:
    """Write bounds that mean the same in every session: with their zone where the column has one."""
    form = {"date": "%Y-%m-%d", "timestamp with time zone": "%Y-%m-%d %H:%M:%S+00"}.get(type_, "%Y-%m-%d %H:%M:%S")
    lower, upper = (
        sql.SQL(word) if edge is end else sql.Literal(edge.strftime(form))
        for edge, end, word in ((span.lower, BEGIN, "MINVALUE"), (span.upper, END, "MAXVALUE"))
    )
    return lower, upper


def _type_of(like: Shape, action: Make) -> str:
    """Name the type of the column that is cut by, without how many digits of a second it has."""
    column = like.column(action.column)
    assert column is not None
    return re.sub(r"\(\d+\)", "", column.type)
