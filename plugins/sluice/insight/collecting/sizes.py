"""How large every table of a store is, hourly: one query for all tables, whatever their number.

It reads the catalogue and asks for the sizes of files. For that PostgreSQL locks each table for a moment, as any reader does; one
that somebody is about to change is left alone and said, and nobody waits behind us: we wait for no lock longer than a tenth of a
second, and look again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import errors

from sluice.insight.collecting.disk import look_at_disk
from sluice.insight.collecting.dropped import Archived, archived_in, carry_dropped
from sluice.insight.collecting.headroom import days_covered
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.sessions import opened
from sluice.ledger.samples import Sample, Series
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement

PATIENCE, LOCK_PATIENCE = "60s", "100ms"
TRIES, REST = 3, 0.5
"""How often a look begins anew that met a lock, and seconds between."""
SMALL = 2**20
"""Bytes of rows below which the share that holds nothing says nothing."""
TOLD = 5
"""So many tables are named that were left out; of the others, how many."""


@dataclass(frozen=True)
class Sized:
    """A table with its partitions: bytes and rows."""

    name: str
    bytes: float
    indexes: float
    rows: float
    dead: float
    heap: float
    """Bytes of its rows alone, without TOAST and indexes."""
    filled: float | None
    """Bytes that its rows would fill by their widths; None where one of its parts was never analysed."""

    def values(self) -> Iterator[tuple[str, float]]:
        """Give its metrics."""
        yield "table_bytes", self.bytes
        yield "index_bytes", self.indexes
        yield "table_rows_count", self.rows
        if self.rows + self.dead > 0:
            yield "dead_rows_percent", 100 * self.dead / (self.rows + self.dead)
        if self.filled is not None and self.heap >= SMALL:
            yield "bloat_percent", max(0.0, 100 * (1 - self.filled / self.heap))

    def with_part(self, part: Sized) -> Sized:
        """Count another one in."""
        filled = None if self.filled is None or part.filled is None else self.filled + part.filled
        sums = {
            name: getattr(self, name) + getattr(part, name) for name in ("bytes", "indexes", "rows", "dead", "heap")
        }
        return replace(self, filled=filled, **sums)


def measure_sizes(
    dsn: str, store: str, before: Mapping[Series, Sample], size: int | None = None, *, in_cloud: bool = False
) -> Looked:
    """Measure a store: its tables, database, disk of `size` bytes unless it is `in_cloud`, and for how long there are partitions.

    `before` has the last numbers of what the archive has dropped. Raises StoreDown, Refused, ThroughPooler, LockBusy.
    """
    limits = {"statement_timeout": PATIENCE, "lock_timeout": LOCK_PATIENCE}
    with opened(dsn, store, "sizes", Lifeline(), **limits) as c:
        return measure_with(c, store, before) + look_at_disk(c, store, size, in_cloud=in_cloud)


def measure_with(c: Connection, store: str, before: Mapping[Series, Sample]) -> Looked:
    """The same without the disk, over a session that is open: five queries, of however many tables."""
    found, locked = list_tables(c)
    gone = archived_in(c)
    tables = {table.name: table for table in count_in(found, gone)}
    values = {Series(store, metric, table.name): value for table in tables.values() for metric, value in table.values()}
    values[Series(store, "database_bytes")] = one_size(c)
    values |= {Series(store, "partition_headroom_days", name): days for name, days in headrooms(c).items()}
    width = {table.name: table.bytes / table.rows for table in tables.values() if table.rows > 0}
    values |= {Series(store, "table_locked_count", name): 1.0 for name in locked}
    values |= carry_dropped(store, gone, width, before)
    return Looked(values, notes=_left_out(store, locked))


def list_tables(c: Connection) -> tuple[list[Sized], list[str]]:
    """Give every table, and the names of those that somebody has locked. Raises LockBusy where locks come and go too fast."""
    query = statement("collecting.list_tables")
    for tried in range(1, TRIES + 1):
        try:
            with c.transaction():  # what a lock ends is this one look
                found = rows(c, query)
            break
        # A lock that came while we looked, or an index that went.
        except (errors.LockNotAvailable, errors.UndefinedObject, errors.InternalError_):
            if tried == TRIES:
                raise
            time.sleep(REST)
    return [_sized(row) for row in found if not row["locked"]], [_name(row) for row in found if row["locked"]]


def count_in(tables: Sequence[Sized], archived: Sequence[Archived]) -> list[Sized]:
    """Count each month that waits beside its table to be dropped as a part of it still. Pure."""
    found = {one.name: one for one in tables}
    for month in archived:
        if not month.dropped and month.parent in found and month.partition in found:
            found[month.parent] = found[month.parent].with_part(found.pop(month.partition))
    return [*found.values()]


def one_size(c: Connection) -> float:
    """Give the bytes of the database that a session is in."""
    return float(one(c, statement("collecting.find_database_size"))["bytes"])


def headrooms(c: Connection) -> dict[str, float]:
    """Give for how many days each table that is cut by time has partitions; of one that is cut twice, its shortest part."""
    least: dict[str, float] = {}
    for row in rows(c, statement("collecting.list_spans_ahead")):
        days = days_covered(list(zip(row["lowers"] or (), row["uppers"] or (), strict=True)))
        least[_name(row)] = min(days, least.get(_name(row), days))
    return least


def _sized(row: Row) -> Sized:
    return Sized(_name(row), row["bytes"], row["indexes"], row["live"], row["dead"] or 0.0, row["heap"], row["filled"])


def _name(row: Row) -> str:
    return f"{row['schema']}.{row['name']}"


def _left_out(store: str, locked: Sequence[str]) -> tuple[str, ...]:
    if not locked:
        return ()
    more = f" and {len(locked) - TOLD} more" if len(locked) > TOLD else ""
    return (f"{store}: locked by somebody, and measured in an hour: {', '.join(locked[:TOLD])}{more}.",)
