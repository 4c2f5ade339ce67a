"""How fast a store answers, kept beside its counts: a copy that has every row and no index is no copy that people can work with.

A few reads of its own: keys that were sampled are looked up, the primary key is walked, the newest partition is counted. The
server itself times them, so the way to it counts for nothing. A wheel is turned on both sides as well, work for a processor
alone: where that takes another time it is another machine, and then a slower read is told and proves nothing.

    backups/stores/<store>/baseline/<moment>.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from psycopg import sql

from sluice.safety.backup import place_of
from sluice.safety.warming import find_hot
from sluice.stores.catalogue import find_table
from sluice.stores.objects import AccessDenied, Stored, Vault
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement

TABLES, KEYS, TIMES = 5, 20, 5
"""How many tables are asked, for how many keys, how often each: the first time, which warms, counts for nothing."""
SAMPLED = 300
"""Pages."""
KEPT = 30
"""How many of a store stay: of a month's nights."""
NOISE = 5.0
"""Milliseconds that are no difference."""
ANOTHER = 1.5
"""By what factor the wheel turns faster or slower on another machine."""


@dataclass(frozen=True)
class Asked:
    """A table whose reads are timed, and by which columns."""

    schema: str
    name: str
    key: tuple[str, ...]

    @property
    def table(self) -> Table:
        """Its name."""
        return Table(self.schema, self.name)


@dataclass(frozen=True)
class Baseline:
    """What each read took, in milliseconds, and on what."""

    at: str
    tables: tuple[Asked, ...]
    """What was asked: a copy is asked the same, also where it has lost the index of its key."""
    reads: Mapping[str, float]
    wheel: float
    settings: Mapping[str, str]
    hot: tuple[Table, ...] = ()
    """What is read most, the most first: what a server that was brought back is warmed with."""

    def keep(self, vault: Vault, store: str) -> Stored:
        """Store it. Raises AlreadyThere, VaultDown, AccessDenied."""
        key = f"{_folder(store)}{datetime.fromisoformat(self.at).astimezone(UTC):%Y%m%dT%H%M%S%f}Z.json"
        return vault.put_once(key, json.dumps(asdict(self), indent=1).encode(), "application/json")


def newest_baseline(vault: Vault, store: str) -> Baseline | None:
    """Give the last that was kept of a store; one that is damaged is none. Raises VaultDown."""
    for key in reversed(vault.list(_folder(store))):
        with suppress(KeyError, TypeError, ValueError):
            told = json.loads(vault.get(key))
            tables = tuple(Asked(**{**one, "key": tuple(one["key"])}) for one in told.pop("tables"))
            hot = tuple(Table(**one) for one in told.pop("hot"))
            return Baseline(**told, tables=tables, hot=hot)
    return None


def thin_out(vault: Vault, store: str) -> None:
    """Let the last few stay. Safe to repeat. Raises VaultDown."""
    with suppress(AccessDenied):  # a bucket that locks by itself lets them go later
        for key in vault.list(_folder(store))[:-KEPT]:
            vault.remove(key)


def take_baseline(c: Connection, like: Baseline | None = None) -> Baseline:
    """Time the reads of a store, of its largest tables; or of a copy, those that were timed in the store. Changes nothing."""
    at = one(c, statement("safety.find_position"))["now"].isoformat()
    found = rows(c, statement("baseline.find_machine"))
    settings = {"version": str(found[0]["version"]), **{row["name"]: row["setting"] for row in found}}
    hot = find_hot(c)  # first: what is timed is read, too
    tables = like.tables if like else tuple(_largest(c))
    reads = {name: _timed(c, read) for asked in tables for name, read in _reads(c, asked)}
    return Baseline(at, tables, reads, _timed(c, statement("baseline.turn_wheel")), settings, hot)


def held_against(copy: Baseline, live: Baseline, slower_at_most: float) -> dict[str, Any]:
    """Hold a copy's times against the living store's: ratios by read, and which are too slow to be the same store. Pure."""
    both = {name: (live.reads[name], copy.reads[name]) for name in live.reads if name in copy.reads}
    wheel = copy.wheel / live.wheel
    slow = [
        f"{name}: {after:.1f} ms in the copy, {before:.1f} ms in the living store, over {slower_at_most:g} times as long"
        for name, (before, after) in both.items()
        if after > before * slower_at_most and after - before > NOISE
    ]
    alike = 1 / ANOTHER <= wheel <= ANOTHER
    return {
        "live_at": live.at,
        "reads": {
            name: {"live_ms": before, "copy_ms": after, "ratio": round(after / before, 2)}
            for name, (before, after) in both.items()
        },
        "machine": "alike" if alike else f"another: work for a processor alone takes {wheel:.2f} times as long",
        "settings": {
            name: [live.settings[name], copy.settings[name]]
            for name in sorted(live.settings.keys() & copy.settings.keys())
            if live.settings[name] != copy.settings[name]
        },
        "slow": slow if alike else [],
        "slow_on_another_machine": [] if alike else slow,
    }


def _largest(c: Connection) -> Iterator[Asked]:
    for row in rows(c, statement("baseline.list_largest"), most=TABLES):
        shape = find_table(c, Table(row["schema"], row["name"]))
        if shape and shape.key:
            yield Asked(row["schema"], row["name"], shape.key)


def _reads(c: Connection, asked: Asked) -> Iterator[tuple[str, sql.Composed]]:
    shape, table = find_table(c, asked.table), asked.table.identifier
    if shape is None or not all(shape.column(name) for name in asked.key):
        return  # it was made, or its key was, after the moment of this copy
    columns = sql.SQL(", ").join(sql.Identifier("t", name) for name in asked.key)
    yield f"walk along the key of {asked.table}", statement("baseline.walk_key", key=columns, table=table)
    texts = sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in asked.key)
    )
    # Of a large table some hundred pages.
    percent = sql.Literal(min(100.0, 100 * SAMPLED / max(int(shape.facts["pages"]), 1)))
    sampled = statement("baseline.list_sampled", key=texts, table=table, percent=percent)
    if keys := rows(c, sampled, most=KEYS):
        each = sql.SQL(" OR ").join(_is(asked.key, row) for row in keys)
        yield f"keys of {asked.table}", statement("baseline.look_keys_up", table=table, keys=each)
    if shape.facts["kind"] == "p" and (newest := rows(c, statement("baseline.find_newest"), oid=shape.oid)):
        found = Table(newest[0]["schema"], newest[0]["name"])
        yield f"count of {found}", statement("baseline.count_rows", table=found.identifier)


def _is(columns: Sequence[str], row: Row) -> sql.Composed:
    pairs = zip(columns, row["key"], strict=True)
    each = (sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Literal(value)) for name, value in pairs)
    return sql.SQL("({})").format(sql.SQL(" AND ").join(each))


def _timed(c: Connection, read: sql.Composed) -> float:
    times = [_milliseconds(one(c, statement("baseline.time_read", read=read))) for _ in range(TIMES + 1)]
    return round(max(median(times[1:]), 0.001), 3)


def _milliseconds(row: Row) -> float:
    (plan,) = row["QUERY PLAN"]
    return float(plan["Execution Time"])


def _folder(store: str) -> str:
    return f"{place_of(store)}/baseline/"
