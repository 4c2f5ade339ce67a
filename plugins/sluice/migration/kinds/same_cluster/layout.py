"""Which partitions the target gets: by range of time, by hash, by list, or by two of them. Read-only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from sluice.estate.models import Cut
from sluice.estate.names import fitted
from sluice.migration.kinds.postgres_target.partitions import MOST_PARTITIONS, SUFFIXES, TooManyPartitions
from sluice.migration.kinds.same_cluster.route import Route
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Part:
    """One partition to be: below which table, for which values, and how it is cut itself."""

    table: Table
    parent: Table
    bounds: sql.Composable
    cut: Cut | None = None


@dataclass(frozen=True)
class Layout:
    """Every partition, parents first, and the half-open bounds of time that they cover (None where time does not cut)."""

    parts: tuple[Part, ...]
    lower: str | None
    upper: str | None


@dataclass(frozen=True)
class _Step:
    """One value of a cut: the suffix of a partition's name, and its bounds."""

    suffix: str
    bounds: sql.Composable


def plan_layout(c: Connection, route: Route) -> Layout:
    """Plan partitions over what the table holds, and for time the months ahead. Raises TooManyPartitions."""
    lower, upper = _span(c, route)
    steps = [_steps(c, route, cut, lower, upper) for cut in route.cuts]
    leaves = 1
    for level in steps:
        leaves *= len(level)
    if leaves > MOST_PARTITIONS:
        raise _too_many(route, f"{leaves:,} ({' × '.join(str(len(level)) for level in steps)})")
    parts = tuple(_below(route, route.target, route.target.name, route.cuts, steps)) if steps else ()
    return Layout(parts, lower, upper)


def _too_many(route: Route, told: str) -> TooManyPartitions:
    return TooManyPartitions(
        f"{route.source} asks for too many partitions: {told}; at most {MOST_PARTITIONS:,} are made."
        " Mend the odd values, or cut into larger pieces."
    )


def _below(
    route: Route, parent: Table, name: str, cuts: Sequence[Cut], steps: Sequence[Sequence[_Step]]
) -> Iterator[Part]:
    inner = cuts[1] if len(cuts) > 1 else None
    for step in steps[0]:
        table = Table(route.partition_schema, fitted(name, f"_{step.suffix}"))
        yield Part(table, parent, step.bounds, inner)
        if inner:
            yield from _below(route, table, table.name, cuts[1:], steps[1:])


def _steps(c: Connection, route: Route, cut: Cut, lower: str | None, upper: str | None) -> list[_Step]:
    if cut.hash_of:
        return [_hash(cut, number) for number in range(cut.parts or 0)]
    if cut.list_of:
        return _list(c, route, cut)
    planned = rows(
        c,
        statement("expand.plan_ranges"),
        lower=lower,
        upper=upper,
        every=cut.every,
        suffix=SUFFIXES[cut.every or "month"],
    )
    zone = _zone(route)
    return [_range(row, zone) for row in planned]


def _range(row: Row, zone: str) -> _Step:
    bounds = (sql.Literal(f"{row[side]}{zone}") for side in ("lower", "upper"))
    return _Step(row["suffix"], sql.SQL("FOR VALUES FROM ({}) TO ({})").format(*bounds))


def _hash(cut: Cut, number: int) -> _Step:
    bounds = sql.SQL("FOR VALUES WITH (MODULUS {}, REMAINDER {})").format(sql.Literal(cut.parts), sql.Literal(number))
    return _Step(f"h{number:03}", bounds)


def _list(c: Connection, route: Route, cut: Cut) -> list[_Step]:
    """One partition a value that is there now; new values go to a default one."""
    value = route.value(cut.column).compared("s")
    query = statement("expand.list_values", value=value, source=route.source.identifier)
    values = [row["value"] for row in rows(c, query, most=MOST_PARTITIONS + 1)]
    taken: set[str] = {"default"}
    steps = []
    for number, text in enumerate(values):
        suffix = _slug(text, number, taken)
        taken.add(suffix)
        steps.append(_Step(suffix, sql.SQL("FOR VALUES IN ({})").format(sql.Literal(text))))
    return [*steps, _Step("default", sql.SQL("DEFAULT"))]


def _slug(text: str, number: int, taken: set[str]) -> str:
    """A value as part of a name: readable where it can be, unlike all others always."""
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:12]
    return slug if slug and slug not in taken else f"{slug[:7]}_{number:04}".strip("_")


def _span(c: Connection, route: Route) -> tuple[str | None, str | None]:
    """From the start of the least value's range to the months ahead of the later of now and the greatest."""
    cut = route.migration.target.range_cut
    if cut is None:
        return None, None
    value = route.value(cut.column).compared("s")
    seen = one(c, statement("expand.scan_time", source=route.source.identifier, value=value))
    named = {"least": seen["least"], "greatest": seen["greatest"], "every": cut.every}
    try:
        span = one(c, statement("expand.plan_span"), **named, ahead=route.migration.target.months_ahead)
    except psycopg.DataError as error:
        raise _too_many(route, f"from {seen['least']} to {seen['greatest']}, beyond what a date can be") from error
    if span["steps"] > MOST_PARTITIONS:
        raise _too_many(route, f"{span['steps']:,.0f}, from {seen['least']} to {seen['greatest']}")
    zone = _zone(route)
    return f"{span['lower']}{zone}", f"{span['upper']}{zone}"


def _zone(route: Route) -> str:
    """Bounds are UTC: said in the text where the column has a zone."""
    return "+00" if route.time_column and route.time.type == "timestamp with time zone" else ""
