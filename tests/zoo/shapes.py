"""Which shapes a table could take, and `into:` for each. A new shape is one line in SHAPES."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.zoo.catalogue import Column, Connection, Thing
from tests.zoo.rows import quoted

MOST_VALUES = 12
DATED = ("date", "timestamp without time zone", "timestamp with time zone")
LISTED = ("smallint", "integer", "bigint", "boolean", "text", "character varying", "character", "uuid")


@dataclass(frozen=True)
class Traits:
    """What of a table matters for the choice."""

    thing: Thing
    when: str | None
    few: str | None

    @property
    def first(self) -> str | None:
        return self.thing.key[0] if self.thing.key else None


Into = dict[str, Any]
Make = Callable[[Traits], Into | None]


def traits(c: Connection, thing: Thing) -> Traits:
    """Look for a column of time and for one with few values; key columns first."""
    order = sorted(thing.columns, key=lambda column: (column.name not in thing.key, not column.not_null))
    dated = [x.name for x in order if x.base in DATED and not x.domain and not x.generated]
    listed = [x for x in order if (x.base in LISTED or x.kind == "e") and not x.domain and not x.generated]
    few = [x for x in listed if x.not_null]
    return Traits(thing, dated[0] if dated else None, next((x.name for x in few if _has_few(c, thing, x)), None))


def _has_few(c: Connection, thing: Thing, column: Column) -> bool:
    name = quoted(column.name)
    try:
        row = c.execute(
            f"SELECT count(DISTINCT {name}::text) AS n, count(*) - count({name}) AS nulls FROM {thing.name}"  # type: ignore[arg-type]
        ).fetchone()
    except psycopg.Error:
        return False
    return bool(row and 1 <= row["n"] <= MOST_VALUES and not row["nulls"])


def _every(every: str) -> Make:
    return lambda t: {"partition": {"range": t.when, "every": every}, "months_ahead": 1} if t.when else None


def _hash(t: Traits) -> Into | None:
    return {"partition": {"hash": t.first, "parts": 4}} if t.first else None


def _list(t: Traits) -> Into | None:
    return {"partition": {"list": t.few}} if t.few else None


def _list_then_month(t: Traits) -> Into | None:
    if not t.few or not t.when or t.few == t.when:
        return None
    return {"partition": {"list": t.few, "then": {"range": t.when, "every": "month"}}, "months_ahead": 1}


def _hash_then_month(t: Traits) -> Into | None:
    if not t.first or not t.when or t.first == t.when:
        return None
    return {"partition": {"hash": t.first, "parts": 3, "then": {"range": t.when, "every": "month"}}, "months_ahead": 1}


WIDER = {"smallint": "integer", "integer": "bigint", "real": "double precision", "character varying": "text"}


def _wider(t: Traits) -> Into | None:
    """A number grows, a word loses its limit: the key where it can."""
    order = sorted(t.thing.columns, key=lambda column: column.name not in t.thing.key)
    for x in order:
        fit = x.base in WIDER and not x.domain and not x.generated and x.element is None
        if fit and x.name not in t.thing.linked:
            name = quoted(x.name)
            kind = WIDER[x.base]
            return {"columns": {x.name: {"type": kind, "from": f"{name}::{kind}", "back": f"{name}::{x.type}"}}}
    return None


SHAPES: tuple[tuple[str, Make], ...] = (
    ("month", _every("month")),
    ("week", _every("week")),
    ("day", _every("day")),
    ("list", _list),
    ("list, month", _list_then_month),
    ("hash", _hash),
    ("hash, month", _hash_then_month),
    ("plain, wider", _wider),
    ("plain", lambda t: {}),
)


def candidates(found: Traits) -> list[tuple[str, Into]]:
    """Every shape that the table's columns allow, in an order that differs from table to table; plain comes last."""
    made = [(name, into) for name, make in SHAPES if (into := make(found)) is not None]
    *others, plain = made
    turn = zlib.crc32(found.thing.name.encode()) % max(1, len(others))
    return [*others[turn:], *others[:turn], plain]
