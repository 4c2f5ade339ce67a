"""What stands for each `$1` of a statement: the values of rows that are there, and plain ones where no column is compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors, sql

from sluice.migration.kinds.same_cluster.route import Route, names
from sluice.migration.kinds.same_cluster.shadow.reads import Read
from sluice.migration.kinds.same_cluster.shadow.wording import NAME, aliases, last_of
from sluice.stores.catalogue import Shape
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import raw, statement

NEAR = 500
"""How far before a parameter is looked for what it is compared with."""
PAGE_OF_ROWS, FIRST_PAGE = "50", "0"
ROW, LOWEST, HIGHEST = "of_row", "lowest", "highest"

_CAST = rf"(?:\s*::\s*{NAME}(?:\s+(?:varying|precision|with(?:out)?\s+time\s+zone)\b)?(?:\s*\(\s*\d+[\d\s,]*\))?(?:\s*\[\s*\])*)?"
_LISTED = rf"(?:\$\d+{_CAST}\s*,\s*)*"
_OPERATOR = (
    r"(<=|>=|<>|!=|=|<|>|!?~~?\*?|@>|<@|&&|(?:not\s+)?(?:i?like|in|between)\b|is\s+(?:not\s+)?distinct\s+from\b)"
)
_WITHIN = r"\s*(?:(?:any|all|some)\s*)?\(*\s*(?:array\s*\[\s*)?"
_COMPARED = re.compile(rf"({NAME})\s*\)*{_CAST}\s*\)*\s*{_OPERATOR}{_WITHIN}{_LISTED}$", re.I)
_UPPER_END = re.compile(rf"({NAME}){_CAST}\s+(?:not\s+)?between\s+(?:symmetric\s+)?\$\d+{_CAST}\s+and\s*$", re.I)
_AS_A_ROW = re.compile(
    rf"\(\s*({NAME}(?:\s*,\s*{NAME})+)\s*\)\s*(<=|>=|<>|=|<|>|in\b)\s*(?:row\s*)?\(+\s*({_LISTED})$", re.I
)
_MIRRORED = re.compile(rf"^{_CAST}\s*(<=|>=|<>|!=|=|<|>)\s*({NAME})(?!\s*\(|[\w$.])", re.I)
_LIMIT = re.compile(r"\b(?:limit|fetch\s+(?:first|next))\s*\(*\s*$", re.I)
_OFFSET = re.compile(r"\boffset\s*\(*\s*$", re.I)
_UNIT = re.compile(r"\bdate_(?:trunc|part)\s*\(\s*$", re.I)
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

PLAIN = {
    **dict.fromkeys(("text", "character varying", "character", "name"), ""),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision", "oid"), "1"),
    **dict.fromkeys(("date", "timestamp without time zone", "timestamp with time zone"), "2000-01-01"),
    **dict.fromkeys(("json", "jsonb"), "{}"),
    "boolean": "true",
    "interval": "30 days",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "inet": "0.0.0.0",
    "bytea": "",
}
"""A value of a type, where nothing says which would mean something."""

Values = list[str | None]


class NoValue(Exception):
    """A parameter for which no value can be made; says which and why."""


@dataclass(frozen=True)
class Parameter:
    """What a parameter gets: a fixed text, or a column's value in a sampled row."""

    type: str
    fixed: str | None = None
    column: str | None = None
    how: str = ROW
    end: str = ""
    """Which end of a range it is, where it is one."""
    limits: bool = False

    def sampled(self) -> sql.Composable:
        """The column's value as the parameter's type: a list of one where that is an array."""
        value: sql.Composable = statement(f"shadow.value_{self.how}", column=sql.Identifier(self.column or ""))
        if self.type.endswith("[]"):
            value = sql.SQL("ARRAY[{}]").format(value)
        return statement("shadow.value_as", value=value, type=raw(self.type))


@dataclass(frozen=True)
class Parameters:
    """All of a statement's, in order."""

    each: tuple[Parameter, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns whose values are asked for."""
        return frozenset(p.column for p in self.each if p.column)

    def without_limit(self, values: Values) -> Values:
        """The same values, and every row wanted."""
        return [
            (None if p.fixed == PAGE_OF_ROWS else FIRST_PAGE) if p.limits else value
            for p, value in zip(self.each, values, strict=True)
        ]


def parameters(read: Read, shape: Shape) -> Parameters:
    """Find what stands for each parameter. Raises NoValue."""
    found = [_parameter(read, shape, number, type_) for number, type_ in enumerate(read.types, 1)]
    ranged = {p.column for p in found if p.end == LOWEST} & {p.column for p in found if p.end == HIGHEST}
    return Parameters(tuple(replace(p, how=p.end) if p.end and p.column in ranged else p for p in found))


def sample(c: Connection, route: Route, wanted: Parameters, pages: int, places: int) -> Iterator[Values]:
    """Give values from rows all over the table, from its oldest pages to its newest; the same ones where no row is asked for.

    Raises NoValue when a column's value cannot become the parameter's type.
    """
    if not wanted.columns:
        yield from ([p.fixed for p in wanted.each] for _ in range(places))
        return
    query = statement(
        "shadow.sample_page",
        values=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(p.sampled(), sql.Identifier(str(place)))
            for place, p in enumerate(wanted.each)
            if p.column
        ),
        columns=names(sorted(wanted.columns)),
        source=route.source.identifier,
    )
    for place in range(places):
        lo, hi = pages * place // places, max(pages * (place + 1) // places, pages * place // places + 1)
        try:
            with c.transaction():
                row = one(c, query, lo=f"({lo},0)", hi=f"({hi},0)", place=place)
        except (errors.LockNotAvailable, errors.DeadlockDetected, psycopg.OperationalError):
            raise
        except psycopg.Error as error:
            raise NoValue(f"no row gives values for it ({type(error).__name__})") from error
        if row["rows"]:
            yield [row[str(place)] if p.column else p.fixed for place, p in enumerate(wanted.each)]


def _parameter(read: Read, shape: Shape, number: int, type_: str) -> Parameter:
    before, after = re.split(rf"\${number}(?!\d)", read.text, maxsplit=1)
    before = before[-NEAR:]
    if _LIMIT.search(before):
        return Parameter(type_, fixed=PAGE_OF_ROWS, limits=True)
    if _OFFSET.search(before):
        return Parameter(type_, fixed=FIRST_PAGE, limits=True)
    if _UNIT.search(before):
        return Parameter(type_, fixed="day")
    name, operator = _compared_with(before, after)
    if name and (column := _column(read, shape, name)):
        return Parameter(type_, column=column, end=_end(operator))
    if type_.endswith("[]"):
        return Parameter(type_, fixed="{}")
    if type_ not in PLAIN:
        raise NoValue(f"no value of type {type_} can be made for ${number}")
    return Parameter(type_, fixed=PLAIN[type_])


def _compared_with(before: str, after: str) -> tuple[str, str]:
    """The name that a parameter is compared with, and how."""
    if found := _UPPER_END.search(before):
        return found[1], "<="
    if found := _AS_A_ROW.search(before):
        listed = re.findall(NAME, found[1])
        place = len(re.findall(r"\$\d+", found[3]))
        return (listed[place] if place < len(listed) else "", "=")
    if found := _COMPARED.search(before):
        operator = found[2].lower()
        return found[1], ">=" if operator == "between" else operator
    if found := _MIRRORED.search(after):
        return found[2], _MIRROR.get(found[1], "=")
    return "", ""


def _column(read: Read, shape: Shape, name: str) -> str | None:
    """The table's column that is meant; None for another table's."""
    qualifier, column = last_of(name)
    if qualifier is not None and qualifier not in aliases(read.text, shape.table):
        return None
    return column if shape.column(column) else None


def _end(operator: str) -> str:
    return LOWEST if operator in (">", ">=") else HIGHEST if operator in ("<", "<=") else ""


def places_of(c: Connection, shape: Shape) -> int:
    """How many pages the table has now."""
    return max(1, int(one(c, statement("copy.count_pages"), oid=shape.oid)["pages"]))
