"""Valid rows for any table, made by the server from a number `i` and the catalogue alone.

Every value is a function of `i`, different for each `i` where the type allows; foreign keys take their values from parents
that are there. What a CHECK says beyond a list of words is not understood but tried: a row that is refused is made anew
with fewer values. Simple and robust beats complete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg

from tests.zoo.catalogue import Column, Connection, Link, Thing

PARENTS = 2_000
"""As many parents as a fill chooses from."""
FIRST = 1_000_000
"""Numbers of filled rows begin here: past the ids of data that a package brings along."""


class Unfillable(Exception):
    """No valid row could be made; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How a row is made from `i`: columns, their expressions, and the joins that pick parents."""

    columns: tuple[str, ...]
    expressions: tuple[str, ...]
    joins: str

    def of_today(self) -> Recipe:
        """The same, with every moment today: what an application writes now."""
        return Recipe(self.columns, tuple(text.replace(AGE, "% 1") for text in self.expressions), self.joins)

    def insert(self, thing: Thing, low: int, high: int, *, returning: str = "", quiet: bool = True) -> str:
        """`INSERT … SELECT` for i from `low` to `high`; with `quiet`, a row that is there already is passed over."""
        given = ", ".join(quoted(name) for name in self.columns)
        values = ", ".join(self.expressions)
        into = f"INSERT INTO {thing.name} ({given}) OVERRIDING SYSTEM VALUE" if given else f"INSERT INTO {thing.name}"
        series = f"FROM generate_series({low}::bigint, {high}::bigint) AS g(i) {self.joins}"
        made = f"SELECT {values} {series}" if given else "DEFAULT VALUES"
        return f"{into} {made} {'ON CONFLICT DO NOTHING' if quiet else ''} {returning}"


def fill(c: Connection, thing: Thing, count: int, first: int = FIRST) -> tuple[int, str]:
    """Bring the table to about `count` rows; gives how many were made and, where some were refused, why."""
    said = ""
    for sparse, quiet in ((False, True), (True, True), (False, False), (True, False)):
        try:
            return _fill(c, thing, recipe(c, thing, sparse=sparse), first, first + count - 1, quiet=quiet), said
        except (Unfillable, psycopg.Error) as error:
            said = str(error).splitlines()[0]
    made = 0
    for i in range(first, first + min(count, 60)):
        try:
            made += _fill(c, thing, recipe(c, thing, sparse=bool(i % 2)), i, i)
        except (Unfillable, psycopg.Error) as error:
            said = str(error).splitlines()[0]
    return made, said


def _fill(c: Connection, thing: Thing, how: Recipe, low: int, high: int, *, quiet: bool = True) -> int:
    with c.transaction():
        return c.execute(how.insert(thing, low, high, quiet=quiet)).rowcount  # type: ignore[arg-type]


def recipe(c: Connection, thing: Thing, *, sparse: bool = False) -> Recipe:
    """Say how a row of the table is made. `sparse` leaves out whatever may be left out. Raises Unfillable."""
    joins, linked = _joins(c, thing)
    given: dict[str, str] = {}
    for column in thing.columns:
        if not column.written or (column.numbered and column.name not in linked):
            continue
        if column.name in linked:
            given[column.name] = linked[column.name]
        elif sparse and _may_be_left_out(thing, column):
            continue
        else:
            given[column.name] = _value(c, thing, column)
    return Recipe(tuple(given), tuple(given.values()), joins)


def _may_be_left_out(thing: Thing, column: Column) -> bool:
    if column.default is not None and column.name not in thing.unique_columns:
        return True
    return not column.not_null and column.name not in thing.key


def quoted(name: str) -> str:
    """The name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


# ---- foreign keys ----


def _joins(c: Connection, thing: Thing) -> tuple[str, dict[str, str]]:
    text, linked, stride = "", dict[str, str](), 1
    for number, link in enumerate(sorted(thing.links, key=lambda link: -len(link.columns))):
        open_columns = [name for name in link.columns if name not in linked]
        if link.to_self:
            linked.update(_to_self(c, thing, link, open_columns))
            continue
        if not open_columns:
            continue
        count = _parents(c, link)
        if not count:
            linked.update(_without_parent(thing, link, open_columns))
            continue
        names = ", ".join(quoted(name) for name in link.parent_columns)
        there = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in link.parent_columns)
        alias = f"f{number}"
        shared = [
            (parent, linked[name])
            for name, parent in zip(link.columns, link.parent_columns, strict=True)
            if name in linked
        ]
        if shared:
            same = " AND ".join(f"p.{quoted(parent)} = {value}" for parent, value in shared)
            text += (
                f" CROSS JOIN LATERAL (SELECT {names} FROM {link.parent} p WHERE {same} AND {there} LIMIT 1) {alias}"
            )
        else:
            listed = f"SELECT DISTINCT {names} FROM {link.parent} WHERE {there} LIMIT {PARENTS}"
            text += (
                f" JOIN (SELECT row_number() OVER () - 1 AS n, * FROM ({listed}) p) {alias}"
                f" ON {alias}.n = (g.i / {stride}) % {count}"
            )
            stride *= count
        for name, parent in zip(link.columns, link.parent_columns, strict=True):
            linked.setdefault(name, f"{alias}.{quoted(parent)}")
    return text, linked


def _parents(c: Connection, link: Link) -> int:
    names = ", ".join(quoted(name) for name in link.parent_columns)
    there = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in link.parent_columns)
    count = f"SELECT count(*) AS n FROM (SELECT DISTINCT {names} FROM {link.parent} WHERE {there} LIMIT {PARENTS}) p"
    found = c.execute(count).fetchone()  # type: ignore[arg-type]
    return int(found["n"]) if found else 0


def _to_self(c: Connection, thing: Thing, link: Link, columns: list[str]) -> dict[str, str]:
    optional = [name for name in columns if not thing.column(name).not_null]
    if optional:
        return {name: "NULL" for name in optional}
    pairs = zip(link.columns, link.parent_columns, strict=True)
    return {name: _value(c, thing, thing.column(parent)) for name, parent in pairs if name in columns}


def _without_parent(thing: Thing, link: Link, columns: list[str]) -> dict[str, str]:
    optional = [name for name in columns if not thing.column(name).not_null]
    if not optional:
        raise Unfillable(f"{thing.name}: {link.parent} has no row for {link.name}")
    return {name: "NULL" for name in optional}


# ---- values ----


def _value(c: Connection, thing: Thing, column: Column) -> str:
    listed = _listed(thing, column)
    value = f"({listed})" if listed else _of_type(c, column, "g.i")
    value = f"CAST({value} AS {column.type})"
    if column.not_null or column.domain or column.name in thing.unique_columns or column.name == _dates(thing):
        return value
    return f"CASE WHEN g.i % 7 = {len(column.name) % 7} THEN NULL ELSE {value} END"


def _dates(thing: Thing) -> str:
    """The column that tells a row's date, as people use it: without gaps, even where NULL is allowed."""
    dated = sorted((c for c in thing.columns if c.base.startswith(("timestamp", "date"))), key=lambda c: not c.not_null)
    return dated[0].name if dated else ""


def _listed(thing: Thing, column: Column) -> str | None:
    """Where a CHECK lists the words, choose among them: `CHECK (((state)::text = ANY (ARRAY['a'::text, …])))`."""
    name = re.escape(column.name)
    for check in thing.checks:
        if re.search(rf'\(*"?{name}"?\)*(::[\w ]+)? = ANY \(', check) and check.count(" = ANY (") == 1:
            # Literals are PostgreSQL's own text; a cast behind each is dropped, the column's own cast follows.
            words = (
                re.findall(r"'(?:[^']|'')*'|(?<=[\[ (])-?\d+(?=[,\])])", check[check.index("ARRAY[") :])
                if "ARRAY[" in check
                else []
            )
            if words:
                return f"(ARRAY[{', '.join(words)}])[1 + g.i % {len(words)}]"
    return None


def _of_type(c: Connection, column: Column, i: str) -> str:
    made = _made(c, column.base, column.kind, column.modifier, column.element, i)
    if made is None:
        if column.not_null:
            raise Unfillable(f"no value is known for {column.name} {column.type}")
        return "NULL"
    return _fitting(c, column, made, i) if column.domain else made


def _fitting(c: Connection, column: Column, made: str, i: str) -> str:
    """A domain's CHECK is not read but tried, with values of several sizes."""
    bytes_ = [f"decode(substr(repeat(md5(({i})::text), 4), 1, {2 * size}), 'hex')" for size in (20, 16, 4, 8, 32)]
    words = [
        f"'w' || ({i})",
        f"'w' || ({i}) || '@example.org'",
        f"upper(substr(md5(({i})::text), 1, 2))",
        f"({i})::text",
    ]
    numbers = [f"({i}) % 30000", f"({i}) % 200", f"({i}) % 2"]
    further = {"bytea": bytes_, "text": words, "character varying": words}.get(column.base, numbers)
    for candidate in (made, *further):
        if _casts(c, candidate, column.type):
            return candidate
    if column.not_null:
        raise Unfillable(f"no value was found for {column.name} {column.type}")
    return "NULL"


def _casts(c: Connection, candidate: str, type_: str) -> bool:
    try:
        with c.transaction():
            text = candidate.replace("g.i", "i")
            c.execute(f"SELECT CAST({text} AS {type_}) FROM generate_series(1000001::bigint, 1000005) i")  # type: ignore[arg-type]
        return True
    except psycopg.Error:
        return False


AGE = "% 150"
"""Days that filled rows are spread over."""


def _moment(i: str) -> str:
    # Less than three hours below noon: a later row lies within the days of the first ones.
    noon = "(date_trunc('day', now()) + interval '12 hours')"
    return f"({noon} - (({i}) {AGE}) * interval '1 day' - (({i}) % 900000) * interval '11 milliseconds')"


VALUES = {
    "smallint": "({i}) % 32000",
    "integer": "({i}) % 2000000000",
    "bigint": "{i}",
    "numeric": "({i}) + (({i}) % 1000) / 1000.0",
    "real": "({i}) % 100000 * 0.5",
    "double precision": "({i}) * 1.1",
    "money": "({i}) % 100000",
    "boolean": "({i}) % 2 = 0",
    "oid": "({i})",
    '"char"': "chr((97 + ({i}) % 26)::int)",
    "name": "'n' || ({i})",
    "text": "'w' || ({i}) || ' é„ß''' || repeat('x', (({i}) % 40)::int)",
    "citext": "'Wort' || ({i})",
    "bytea": "decode(md5(({i})::text), 'hex')",
    "uuid": "md5(({i})::text)::uuid",
    "json": "json_build_object('i', {i}, 'deep', json_build_array(1, NULL, 'ä'))",
    "jsonb": "jsonb_build_object('i', {i}, 'deep', jsonb_build_array(1, NULL, 'ä'))",
    "xml": "('<a n=\"' || ({i}) || '\"/>')",
    "date": "(current_date - (({i}) % 150)::int)",
    "time without time zone": "time '00:00' + (({i}) % 86400) * interval '1 second'",
    "time with time zone": "timetz '00:00+02' + (({i}) % 86400) * interval '1 second'",
    "interval": "({i}) * interval '1 minute'",
    "inet": "inet '10.0.0.0' + (({i}) % 16000000)",
    "cidr": "set_masklen((inet '10.0.0.0' + (({i}) % 60000) * 256)::cidr, 24)",
    "macaddr": "('02' || lpad(to_hex(({i}) % 4294967296), 10, '0'))",
    "macaddr8": "('02' || lpad(to_hex({i}), 14, '0'))",
    "tsvector": "to_tsvector('pg_catalog.simple', 'word ' || ({i}))",
    "tsquery": "to_tsquery('pg_catalog.simple', 'w' || ({i}))",
    "point": "point({i}, 1)",
    "box": "box(point(0, 0), point({i}, 1))",
    "lseg": "lseg(point(0, 0), point({i}, 1))",
    "line": "('{1,-1,' || ({i}) || '}')",
    "path": "path(polygon(box(point(0, 0), point({i}, 1))))",
    "polygon": "polygon(box(point(0, 0), point({i}, 1)))",
    "circle": "circle(point({i}, 0), 1)",
    "pg_lsn": "pg_lsn '0/0' + ({i})",
    "xid8": "({i})::text",
    "regclass": "'pg_catalog.pg_class'",
    "hstore": "('n=>' || ({i}) || ', x=>NULL')",
    "ltree": "('top.n' || ({i}))",
}
"""A value of each type for the number {i}."""


def _made(c: Connection, base: str, kind: str, modifier: int, element: str | None, i: str) -> str | None:
    if kind == "e":
        words = _labels(c, base)
        return f"(ARRAY[{', '.join(words)}])[1 + ({i}) % {len(words)}]" if words else None
    if kind in "rm":
        return _range(c, base, kind, i)
    if kind == "c":
        parts = [_of_type(c, part, i) for part in _attributes(c, base)]
        return f"ROW({', '.join(parts)})"
    if element is not None:
        one, two = (_of_type(c, _plain(c, element), at) for at in (i, f"({i} + 1)"))
        return f"ARRAY[CAST({one} AS {element}), CAST({two} AS {element})]"
    if base in ("character varying", "character"):
        return _short(modifier - 4 if modifier > 0 else (1 if base == "character" else 0), i)
    if base in ("bit", "bit varying"):
        return f"(({i}) % 2147483647)::int::bit({modifier if modifier > 0 else 1})"
    if base.startswith("timestamp"):
        return _moment(i)
    if base == "numeric" and modifier > 0:
        precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
        return f"(({i}) % {10 ** min(max(precision - scale, 0), 15)})"
    plain = base.rpartition(".")[2]
    return VALUES[plain].replace("{i}", i) if plain in VALUES else None


def _short(length: int, i: str) -> str:
    if length == 0 or length >= 12:
        return f"'w' || ({i})" if length == 0 or length < 30 else f"'w' || ({i}) || ' é''x'"
    return f"right(lpad(to_hex({i}), 12, '0'), {length})"


def _range(c: Connection, base: str, kind: str, i: str) -> str | None:
    where = "rngmultitypid" if kind == "m" else "rngtypid"
    asked = "SELECT format_type(rngsubtype, NULL) AS sub, format_type(rngtypid, NULL) AS range FROM pg_range"
    query = f"{asked} WHERE {where} = %s::regtype"
    found = c.execute(query, [base]).fetchone()  # type: ignore[arg-type]
    if found is None:
        return None
    low, high = (_of_type(c, _plain(c, found["sub"]), at) for at in (i, f"({i} + 3)"))
    # Bounds of a type whose order is not that of i are left open.
    upper = f"CAST({high} AS {found['sub']})" if found["sub"] in ("integer", "bigint", "numeric") else "NULL"
    made = f"{found['range']}(CAST({low} AS {found['sub']}), {upper})"
    return f"{base}({made})" if kind == "m" else made


def _plain(c: Connection, type_: str) -> Column:
    return _column(c, "SELECT %s::regtype AS type, -1 AS modifier, 'element' AS name", type_)[0]


def _attributes(c: Connection, type_: str) -> list[Column]:
    query = (
        "SELECT a.atttypid::regtype AS type, a.atttypmod AS modifier, a.attname AS name FROM pg_attribute a"
        " JOIN pg_type t ON t.typrelid = a.attrelid WHERE t.oid = %s::regtype AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY a.attnum"
    )
    return _column(c, query, type_)


def _column(c: Connection, query: str, type_: str) -> list[Column]:
    found = c.execute(
        f"SELECT x.name, format_type(t.oid, NULL) AS type, format_type(b.oid, NULL) AS base, b.typtype AS kind, x.modifier,"
        " CASE WHEN b.typcategory = 'A' AND b.typelem <> 0 THEN format_type(b.typelem, NULL) END AS element,"
        " t.typtype = 'd' AS domain"
        f" FROM ({query}) x JOIN pg_type t ON t.oid = x.type"
        " JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END",  # type: ignore[arg-type]
        [type_],
    ).fetchall()
    rest = {"not_null": False, "identity": "", "generated": "", "default": None}
    return [Column(**row, **rest) for row in found]


def _labels(c: Connection, type_: str) -> list[str]:
    query = "SELECT quote_literal(enumlabel) AS label FROM pg_enum WHERE enumtypid = %s::regtype ORDER BY enumsortorder"
    return [row["label"] for row in c.execute(query, [type_]).fetchall()]
