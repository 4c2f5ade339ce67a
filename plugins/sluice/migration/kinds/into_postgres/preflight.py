"""Everything that would stop items from becoming rows, found at once and before anything is made. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches

import psycopg

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.estate.templates import placeholders
from sluice.migration.engine.contract import Finding, Phase
from sluice.migration.kinds.dynamodb_source import headroom
from sluice.migration.kinds.dynamodb_source.stream_findings import about_stream
from sluice.migration.kinds.into_postgres import taking
from sluice.migration.kinds.into_postgres.copying import Source
from sluice.migration.kinds.into_postgres.layout import plan_parts, scan_span
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.shape import RowShape, origin_of
from sluice.migration.kinds.into_postgres.values import FLOATS, base_type
from sluice.records import Unmappable
from sluice.stores.catalogue import find_table
from sluice.stores.dynamodb.tables import describe
from sluice.stores.dynamodb.values import Item
from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import raw, statement

OURS = ("_from", "_token", "_deleted")
TIMES = {"timestamptz", "timestamp with time zone", "timestamp", "timestamp without time zone", "date"}


def found(parts: Parts) -> list[Finding]:
    """List everything, or that there is no source to look at."""
    if describe(parts.client, parts.source_name) is None:
        what = f"There is no table {parts.source_name} in store {parts.migration.source.store}."
        return [Finding("no_source", True, what, "Mend `from.table`.")]
    fresh = parts.position().phase is Phase.PLANNED
    looked = parts.look()
    return [
        *findings(parts.c, parts.migration, parts.shape, parts.source, looked.some, fresh=fresh),
        *headroom.findings(looked.forecast(None, 0.0), parts.migration.replication),
    ]


def findings(
    c: Connection, m: IntoPostgresMigration, shape: RowShape, source: Source, some: tuple[Item, ...], *, fresh: bool
) -> list[Finding]:
    """List what blocks and what a person should know. `some` are items; `fresh`: nothing has been made yet."""
    return [
        *_about_role(c, m),
        *(columns := list(_about_columns(c, shape))),
        *(partitions := list(_about_partitions(m, shape))),
        *(_about_target(c, m, shape, source) if fresh and not (columns or partitions) else ()),
        *about_stream(source.client, source.table),
        *_about_items(shape, source, some),
        *about_attributes(m, some),
        Finding(
            "no_way_back",
            True,
            "Nothing is brought back to DynamoDB: one can cut back only until the first write to PostgreSQL after the cutover.",
            "Accept that, or keep the audience small at first. Until the cutover everything can be taken back.",
            acceptable=True,
        ),
    ]


def _about_role(c: Connection, m: IntoPostgresMigration) -> Iterator[Finding]:
    schema = Table.parse(m.target.table).schema
    role = one(c, statement("into_postgres.find_role"), schema=schema)
    if m.target.tenant and not role["bypasses"]:
        way_on = "Give it BYPASSRLS: a copy under a policy would be short, and nobody would be told."
        yield Finding(
            "role_without_bypass", True, "The role of this connection is bound by row-level security.", way_on
        )
    if not role["may_make"]:
        yield Finding(
            "schema_closed",
            True,
            f"This role may not make tables in schema {schema}, or there is none.",
            "Grant CREATE.",
        )
    if m.target.partition and not role["may_create"]:
        way_on = "Grant CREATE on the database."
        yield Finding("database_closed", True, "This role may not make the schema of the partitions.", way_on)


def _about_target(c: Connection, m: IntoPostgresMigration, shape: RowShape, source: Source) -> Iterator[Finding]:
    there = find_table(c, Table.parse(m.target.table))
    if there is None:
        return
    blocking = list(
        taking.obstacles(c, m, shape, there, plan_parts(c, m.target, scan_span(c, m.target, shape, source)))
    )
    yield from blocking
    if not blocking:
        what = f"{m.target.table} is there already, empty, and as `into` says: it is taken as it is."
        yield Finding(
            "target_taken", False, what, "An abort takes our columns and the copies out of it, and leaves it."
        )


def _about_columns(c: Connection, shape: RowShape) -> Iterator[Finding]:
    for name, type_ in zip(shape.names, shape.types, strict=True):
        if base_type(type_).lower() in FLOATS:
            way_on = "Use numeric: DynamoDB keeps 38 digits."
            yield Finding("float_column", True, f"Column {name} is {type_}, which rounds.", way_on)
        if name in OURS:
            yield Finding("name_taken", True, f"Column {name} has the name of one of ours.", "Give it another.")
        try:
            c.execute(statement("into_postgres.try_type", type=raw(type_)))
        except psycopg.Error as error:
            what = f"Column {name} is {type_}: {str(error).splitlines()[0]}."
            yield Finding("no_such_type", True, what, "Mend `type`, or create its extension.")


def _about_partitions(m: IntoPostgresMigration, shape: RowShape) -> Iterator[Finding]:
    cut = m.target.partition
    if cut is None:
        return
    if cut.list_of or cut.then:
        yield Finding(
            "cut_not_possible",
            True,
            "Rows of items are cut once, by `range` or `hash`.",
            "Leave out `list` and `then`.",
        )
    elif cut.column not in m.target.key:
        yield Finding(
            "key_without_partition",
            True,
            f"The key ({', '.join(m.target.key)}) lacks {cut.column}, and PostgreSQL asks for it in a partitioned table.",
            f"Write `key: [{', '.join((*m.target.key, cut.column))}]`.",
        )
    if cut.range_of and base_type(shape.type_of(cut.range_of)).lower() not in TIMES:
        yield Finding("no_time", True, f"Column {cut.range_of} holds no time to cut by.", "Make it timestamptz.")


def _about_items(shape: RowShape, source: Source, items: tuple[Item, ...]) -> Iterator[Finding]:
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    unknown = 0
    for item in items:
        try:
            unknown += bool(shape.row_of(item).unknown)
        except Unmappable as why:
            reasons[why.reason] += 1
            examples.setdefault(why.reason, f"{origin_of(source.key_of(item))}: {why}")
    for reason, count in reasons.items():
        yield Finding(
            "unmappable",
            False,
            f"{count} of the first {len(items)} items can be no row ({reason}), such as {examples[reason]}.",
            "They would be quarantined, and a cutover waits for that to be mended: in the items, or in the mapping.",
        )
    if unknown:
        what = f"{unknown} of the first {len(items)} items have attributes that no column takes; `extra` keeps them."
        yield Finding("extra_attributes", False, what, "")


def about_attributes(m: IntoPostgresMigration, items: tuple[Item, ...]) -> Iterator[Finding]:
    """Tell of attributes that columns are made of and no item has: misspelt ones, as a rule."""
    there = sorted({name for item in items for name in item})
    for column, how in m.target.columns.items():
        for name in (placeholder.path[0] for placeholder in placeholders(how.value)):
            if there and name not in there:
                near = get_close_matches(name, there, 1)
                meant = f"Did you mean {near[0]}? " if near else ""
                yield Finding(
                    "attribute_nowhere",
                    False,
                    f"Column {column} is made of {name}, which none of the first {len(items)} items has.",
                    f"{meant}Mend `columns`, unless later items have it.",
                )
