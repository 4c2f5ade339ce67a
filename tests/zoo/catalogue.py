"""What a table of unknown design is, read from PostgreSQL's own catalogue, never through the product's eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class Column:
    """One column. `base` is the type below its domains, `kind` pg_type.typtype of that, `element` an array's."""

    name: str
    type: str
    base: str
    kind: str
    modifier: int
    element: str | None
    domain: bool
    not_null: bool
    identity: str
    generated: str
    default: str | None

    @property
    def written(self) -> bool:
        return not self.generated

    @property
    def numbered(self) -> bool:
        """Whether a sequence gives it a value."""
        return bool(self.identity) or (self.default or "").startswith("nextval(")


@dataclass(frozen=True)
class Link:
    """A foreign key that leaves the table."""

    name: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    to_self: bool


@dataclass(frozen=True)
class Thing:
    """A table as it stands. `name` is schema-qualified and quoted by PostgreSQL."""

    oid: int
    schema: str
    table: str
    name: str
    kind: str
    persistence: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    excluded: frozenset[str]
    links: tuple[Link, ...]
    inbound: int
    checks: tuple[str, ...]
    triggers: tuple[str, ...]
    inherits: bool
    partition: bool

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def linked(self) -> frozenset[str]:
        """Columns that are part of a foreign key."""
        return frozenset(name for link in self.links for name in link.columns)

    @property
    def unique_columns(self) -> frozenset[str]:
        return frozenset(name for columns in self.unique for name in columns)


# Types, qualified whatever the search path: the path is empty while this runs.
_COLUMNS = """
WITH RECURSIVE below AS (
    SELECT oid AS top, oid, typtype, typbasetype, typtypmod FROM pg_type
    UNION ALL SELECT b.top, t.oid, t.typtype, t.typbasetype, CASE WHEN b.typtypmod > 0 THEN b.typtypmod ELSE t.typtypmod END
    FROM below b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.atttypid <> below.oid AS domain,
       format_type(b.oid, NULL) AS base,
       b.typtype AS kind, CASE WHEN a.atttypid <> below.oid THEN below.typtypmod ELSE a.atttypmod END AS modifier,
       CASE WHEN b.typcategory = 'A' AND b.typelem <> 0 THEN format_type(b.typelem, NULL) END AS element,
       a.attnotnull AS not_null, a.attidentity AS identity, a.attgenerated AS generated,
       pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_attribute a
JOIN below ON below.top = a.atttypid AND below.typtype <> 'd'
JOIN pg_type b ON b.oid = below.oid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_TABLE = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS table, format('%%I.%%I', n.nspname, c.relname) AS name,
       c.relkind AS kind, c.relpersistence AS persistence, c.relispartition AS partition,
       EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid) AS inherits,
       (SELECT count(*) FROM pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conrelid <> c.oid) AS inbound,
       ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks,
       ARRAY(SELECT t.tgname::text FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(oid)s
"""

_KEYS = """
SELECT i.indisprimary AS primary,
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts) AS columns,
       EXISTS (SELECT FROM pg_constraint x WHERE x.conindid = i.indexrelid AND x.contype = 'x') AS exclusion,
       i.indisunique AS unique,
       i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate AND i.indisvalid AND NOT EXISTS (
           SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull) AS tells
FROM pg_index i WHERE i.indrelid = %(oid)s ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
"""

_LINKS = """
SELECT f.conname AS name, f.confrelid::regclass::text AS parent, f.confrelid = f.conrelid AS to_self,
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum) AS parent_columns
FROM pg_constraint f WHERE f.conrelid = %(oid)s AND f.contype = 'f' AND f.conparentid = 0 ORDER BY f.conname
"""

_ALL = """
SELECT c.oid::bigint AS oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sluice', 'sluice_attic')
  AND n.nspname NOT LIKE 'pg_toast%%' AND n.nspname NOT LIKE '%%\\_partitions' AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""


def look(dsn: str) -> Connection:
    """Open a session with an empty search path, so that every name that PostgreSQL gives is whole."""
    c = psycopg.connect(dsn, autocommit=True, row_factory=dict_row, application_name="zoo: look")
    c.execute("SELECT set_config('search_path', '', false)")
    return c


def work(dsn: str, schema: str, name: str, settings: dict[str, str] | None = None) -> Connection:
    """Open a session as an application has it: its schema and public on the path, its settings, text forms pinned."""
    c = psycopg.connect(dsn, autocommit=True, row_factory=dict_row, application_name=f"zoo: {name}")
    c.execute("SELECT set_config('search_path', quote_ident(%s) || ', public', false)", [schema])
    pinned = {"TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "statement_timeout": "60s"}
    for setting, value in {**pinned, **(settings or {})}.items():
        c.execute("SELECT set_config(%s, %s, false)", [setting, value])
    return c


def tables(c: Connection) -> list[Thing]:
    """Describe every table that applications have, by name."""
    return [describe(c, row["oid"]) for row in c.execute(_ALL).fetchall()]


def describe(c: Connection, oid: int) -> Thing:
    """Describe one table."""
    facts = c.execute(_TABLE, {"oid": oid}).fetchone()
    assert facts is not None
    keys = c.execute(_KEYS, {"oid": oid}).fetchall()
    links = c.execute(_LINKS, {"oid": oid}).fetchall()
    # Without a primary key, a unique index over columns that are never NULL tells rows apart as well.
    primary = next((tuple(k["columns"]) for k in keys if k["primary"] or k["tells"]), ())
    return Thing(
        oid=facts["oid"],
        schema=facts["schema"],
        table=facts["table"],
        name=facts["name"],
        kind=facts["kind"],
        persistence=facts["persistence"],
        columns=tuple(Column(**row) for row in c.execute(_COLUMNS, {"oid": oid}).fetchall()),
        key=primary,
        unique=tuple(tuple(k["columns"]) for k in keys if k["unique"] and k["columns"]),
        excluded=frozenset(name for k in keys if k["exclusion"] for name in k["columns"] or ()),
        links=tuple(
            Link(x["name"], tuple(x["columns"]), x["parent"], tuple(x["parent_columns"]), x["to_self"]) for x in links
        ),
        inbound=facts["inbound"],
        checks=tuple(facts["checks"]),
        triggers=tuple(facts["triggers"]),
        inherits=facts["inherits"],
        partition=facts["partition"],
    )


def in_order(things: list[Thing]) -> list[Thing]:
    """Sort so that a table comes after those that it refers to; where they refer in a circle, by name."""
    by_name, done, out = {thing.name: thing for thing in things}, set[str](), list[Thing]()

    def visit(thing: Thing) -> None:
        if thing.name in done:
            return
        done.add(thing.name)
        for link in thing.links:
            if link.parent in by_name:
                visit(by_name[link.parent])
        out.append(thing)

    for thing in things:
        visit(thing)
    return out
