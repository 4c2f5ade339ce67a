"""Who reads while months leave: a report that stays long, and short ones that never end. Each reads twice, in one snapshot."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import psycopg
from psycopg.rows import DictRow, dict_row

from sluice.stores.statements import statement
from sluice.upkeep.partitions.spans import Span

STAYS = 3.0
"""Seconds between the two looks of a short report: shorter than what the archive takes for a long one."""
HOLDS = 25.0
"""Seconds that the long report stays, once the archive has begun."""
Reader = psycopg.Connection[DictRow]


@dataclass
class Seen:
    """What reports saw. `met` are those whose month left under them, `differing` those that did not read the same twice."""

    reports: int = 0
    met: int = 0
    differing: int = 0
    longest_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


@dataclass
class LongReport:
    """What the long report read, first and last, and how many months had left the table by then."""

    seconds: float = 0.0
    rows: int = 0
    same: bool = False
    left: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def short_reports(dsn: str, old: Sequence[Span], number: int = 2) -> Iterator[Seen]:
    """Have threads read the month that leaves next, over and over, until the context ends."""
    seen, over = Seen(), Event()
    threads = [Thread(target=_reports, args=(dsn, old, seen, over), daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
        time.sleep(STAYS / number)  # one of them is always there
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(10 * STAYS)


@contextmanager
def long_report(dsn: str, old: Sequence[Span]) -> Iterator[LongReport]:
    """Have a thread read all old months, and stay until the archive has tried to begin for a while. It is waited for."""
    told, begun = LongReport(), Event()
    thread = Thread(target=_long, args=(dsn, Span(old[0].lower, old[-1].upper), told, begun), daemon=True)
    thread.start()
    begun.wait(60)
    try:
        yield told
    finally:
        thread.join(20 * HOLDS)


def _long(dsn: str, old: Span, told: LongReport, begun: Event) -> None:
    at = time.monotonic()
    try:
        with _connected(dsn) as c, _connected(dsn) as beside:
            before = _ask(beside, "demo.count_partitions")["partitions"]
            with c.transaction():
                first = _read(c, old)
                begun.set()
                while (
                    not _ask(beside, "archive.is_there")["there"]
                    or not beside.execute(_sql("demo.list_archived")).fetchall()
                ):
                    time.sleep(0.5)
                time.sleep(HOLDS)
                told.left = before - _ask(beside, "demo.count_partitions")["partitions"]
                told.rows, told.same = first["rows"], first == _read(c, old)
    except psycopg.Error as error:
        told.errors.append(str(error))
    finally:
        begun.set()
        told.seconds = time.monotonic() - at


def _reports(dsn: str, old: Sequence[Span], seen: Seen, over: Event) -> None:
    while not over.is_set():
        try:
            with _connected(dsn) as c, _connected(dsn) as beside:
                next_one = _ask(beside, "demo.find_next_month")
                month = next((span for span in old if next_one["name"].endswith(f"{span.lower:%Ym%m}")), None)
                if month is None:  # all of them have left
                    return
                _report(c, beside, month, next_one["oid"], seen, over)
        except psycopg.Error as error:
            seen.errors.append(str(error))
            over.wait(STAYS)


def _report(c: Reader, beside: Reader, month: Span, oid: int, seen: Seen, over: Event) -> None:
    with c.transaction():
        at = time.monotonic()
        first = _read(c, month)
        seen.longest_seconds = max(seen.longest_seconds, time.monotonic() - at)
        over.wait(STAYS)
        seen.met += _ask(beside, "demo.is_leaving", oid=oid)["leaving"]
        at = time.monotonic()
        seen.differing += first != _read(c, month)
        seen.longest_seconds = max(seen.longest_seconds, time.monotonic() - at)
        seen.reports += 1


def _connected(dsn: str) -> Reader:
    c = psycopg.connect(dsn, autocommit=True, row_factory=dict_row, application_name="a report")
    c.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return c


def _read(c: Reader, span: Span) -> DictRow:
    return _ask(c, "demo.read_through_table", since=span.lower, until=span.upper)


def _ask(c: Reader, name: str, **values: object) -> DictRow:
    (row,) = c.execute(_sql(name), values).fetchall()
    return row


def _sql(name: str) -> bytes:
    return statement(name).as_bytes()
