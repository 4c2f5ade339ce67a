"""The target as it shall be: columns, key, tenant, policies, partitions over all that there is and the months ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from sluice.estate.cuts import default_partition_schema
from sluice.estate.into_postgres import Rows
from sluice.estate.names import fitted
from sluice.migration.kinds.into_postgres.copying import Source
from sluice.migration.kinds.into_postgres.shape import RowShape, tenant_type
from sluice.migration.kinds.postgres_target.partitions import MOST_PARTITIONS, SUFFIXES, TooManyPartitions
from sluice.records import Unmappable
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import raw, statement


@dataclass(frozen=True)
class Span:
    """Half-open bounds of time that partitions cover, UTC; None where time does not cut."""

    lower: str | None = None
    upper: str | None = None


@dataclass(frozen=True)
class Part:
    """One partition to be."""

    table: Table
    bounds: sql.Composable
    range: tuple[datetime, datetime] | None = None
    """What it holds of time, UTC, half-open; None where a hash chooses."""


def scan_span(c: Connection, into: Rows, shape: RowShape, source: Source) -> Span:
    """Read every item for the least and the greatest time; give the bounds, months ahead included. Raises TooManyPartitions."""
    cut = into.partition
    if cut is None or cut.range_of is None:
        return Span()
    give = shape.gives[shape.names.index(cut.range_of)]
    least: str | None = None
    greatest: str | None = None
    for items in source.pages():
        for item in items:
            try:
                text = give(item)
            except Unmappable:
                continue  # it will be quarantined, with its reason
            if text is not None:
                least, greatest = min(least or text, text), max(greatest or text, text)
    return plan_span(c, into, shape, least, greatest)


def plan_span(c: Connection, into: Rows, shape: RowShape, least: str | None, greatest: str | None) -> Span:
    """Give the bounds for times from `least` to `greatest`. Raises TooManyPartitions."""
    cut = into.partition
    if cut is None or cut.range_of is None:
        return Span()
    try:
        named = {"least": least, "greatest": greatest, "every": cut.every, "ahead": into.months_ahead}
        span = one(c, statement("expand.plan_span"), **named)
    except psycopg.DataError as error:
        raise _too_many(into, f"from {least} to {greatest}, beyond what a date can be") from error
    if span["steps"] > MOST_PARTITIONS:
        raise _too_many(into, f"{span['steps']:,.0f}, from {least} to {greatest}")
    zone = "+00" if shape.type_of(cut.range_of) in ("timestamptz", "timestamp with time zone") else ""
    return Span(f"{span['lower']}{zone}", f"{span['upper']}{zone}")


def plan_parts(c: Connection, into: Rows, span: Span) -> list[Part]:
    """Plan the partitions that cover a span, or those of a hash."""
    cut, table = into.partition, Table.parse(into.table)
    if cut is None:
        return []
    if cut.hash_of:
        bounds = sql.SQL("FOR VALUES WITH (MODULUS {}, REMAINDER {})")
        return [
            Part(_named(into, table, f"h{n:03}"), bounds.format(sql.Literal(cut.parts), sql.Literal(n)))
            for n in range(cut.parts or 0)
        ]
    zone = "+00" if (span.lower or "").endswith("+00") else ""
    every = cut.every or "month"
    asked = {"lower": span.lower, "upper": span.upper, "every": every, "suffix": SUFFIXES[every]}
    bounds = sql.SQL("FOR VALUES FROM ({}) TO ({})")
    return [
        Part(
            _named(into, table, row["suffix"]),
            bounds.format(*(sql.Literal(row[s] + zone) for s in ("lower", "upper"))),
            (_moment(row["lower"]), _moment(row["upper"])),
        )
        for row in rows(c, statement("expand.plan_ranges"), **asked)
    ]


def plan_window(c: Connection, into: Rows, shape: RowShape, lower: datetime, upper: datetime) -> list[Part]:
    """Plan the partitions that a window of time lies in. Raises TooManyPartitions."""
    cut = into.partition
    if cut is None or cut.range_of is None:
        return []
    span = one(c, statement("into_postgres.align_window"), lower=lower, upper=upper, every=cut.every or "month")
    if span["steps"] > MOST_PARTITIONS:
        raise _too_many(into, f"{span['steps']:,.0f}, from {lower} to {upper}")
    zone = "+00" if shape.type_of(cut.range_of) in ("timestamptz", "timestamp with time zone") else ""
    return plan_parts(c, into, Span(span["lower"] + zone, span["upper"] + zone))


def uncovered(wanted: Sequence[Part], there: Sequence[Row]) -> list[Part]:
    """Give the partitions wanted that none of those `there` (of the catalogue) holds all of."""
    ranges = [found for row in there if (found := range_of(row["bounds"]))]
    names = {(row["schema"], row["name"]) for row in there}

    def held(part: Part) -> bool:
        if part.range is None:
            return (part.table.schema, part.table.name) in names
        lower, upper = part.range
        return any(since <= lower and upper <= until for since, until in ranges)

    return [part for part in wanted if not held(part)]


def range_of(bounds: str) -> tuple[datetime, datetime] | None:
    """Read a partition's bounds as the catalogue writes them; None where they are not two moments."""
    found = re.fullmatch(r"FOR VALUES FROM \('(.*)'\) TO \('(.*)'\)", bounds)
    try:
        return (_moment(found[1]), _moment(found[2])) if found else None
    except ValueError:
        return None  # such as infinity: beyond what items have


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def statements(into: Rows, shape: RowShape, parts: list[Part], owner: str | None) -> Iterator[sql.Composed]:
    """Give what makes the target and its partitions, in order."""
    table = Table.parse(into.table)
    if parts:
        role = sql.Identifier(owner) if owner else sql.SQL("CURRENT_USER")
        yield statement("expand.create_owned_schema", schema=sql.Identifier(schema_of_parts(into)), owner=role)
    if owner:
        yield statement("into_postgres.act_as", owner=sql.Identifier(owner))
    columns = sql.SQL(", ").join(column_definitions(shape))
    yield statement("into_postgres.create_target", target=table.identifier, columns=columns, cut=_cut(into))
    key = sql.SQL(", ").join(sql.Identifier(name) for name in into.key)
    yield statement(
        "expand.add_key", target=table.identifier, name=sql.Identifier(fitted(table.name, "_pkey")), columns=key
    )
    yield marks_index(table)
    yield from _tenant(into, table)
    yield from parts_statements(into, parts)
    if owner:
        yield statement("into_postgres.act_as_ourselves")


def column_definitions(shape: RowShape) -> list[sql.Composed]:
    """Give each column with its type."""
    return [
        statement("into_postgres.column", name=sql.Identifier(name), type=raw(type_))
        for name, type_ in zip(shape.names, shape.types, strict=True)
    ]


def marks_index(table: Table) -> sql.Composed:
    """Give what makes the index over the few rows that are tombstones or an application's own."""
    name = sql.Identifier(fitted(table.name, "_sluice"))
    return statement("into_postgres.create_marks_index", name=name, target=table.identifier)


def parts_statements(into: Rows, parts: list[Part]) -> Iterator[sql.Composed]:
    """Give what makes partitions, each as closed as its parent."""
    parent = Table.parse(into.table).identifier
    for part in parts:
        yield statement(
            "expand.create_partition",
            partition=part.table.identifier, parent=parent, bounds=part.bounds, cut=sql.SQL(""),
        )  # fmt: skip
        yield from _security(into, part.table)


def schema_of_parts(into: Rows) -> str:
    """Name the schema of the partitions, where applications have no USAGE."""
    return default_partition_schema(into.table)


def _tenant(into: Rows, table: Table) -> Iterator[sql.Composed]:
    if into.tenant:
        column, value = sql.Identifier(into.tenant.column), sql.Literal(into.tenant.value)
        yield statement("into_postgres.set_tenant", target=table.identifier, column=column, value=value)
        yield from _security(into, table)
        yield statement("into_postgres.create_tombstone_policy", table=table.identifier)


def _security(into: Rows, table: Table) -> Iterator[sql.Composed]:
    """A partition that is asked directly does not use its parent's policy: it has its own."""
    if into.tenant:
        yield statement("expand.enable_rls", table=table.identifier)
        yield statement("expand.force_rls", table=table.identifier)
        column, type_ = sql.Identifier(into.tenant.column), raw(tenant_type(into))
        yield statement("into_postgres.create_tenant_policy", table=table.identifier, column=column, type=type_)


def _cut(into: Rows) -> sql.Composable:
    cut = into.partition
    if cut is None:
        return sql.SQL("")
    how = sql.SQL("HASH" if cut.hash_of else "RANGE")
    return statement("expand.partition_by", how=how, column=sql.Identifier(cut.column))


def _named(into: Rows, table: Table, suffix: str) -> Table:
    return Table(schema_of_parts(into), fitted(table.name, f"_{suffix}"))


def _too_many(into: Rows, told: str) -> TooManyPartitions:
    return TooManyPartitions(
        f"{into.table} would have too many partitions: {told}; at most {MOST_PARTITIONS:,} are made."
        " Mend the odd times in the source, or cut into larger pieces."
    )
