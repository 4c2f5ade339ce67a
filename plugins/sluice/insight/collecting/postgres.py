"""A look at a PostgreSQL server, every minute: one statement for its state, one for its statements' statistics.

As a role with pg_monitor it sees all. What a role may not see is absent and said, never guessed: sessions of others without
`pg_read_all_stats`, a statement's mean without the extension pg_stat_statements. PostgreSQL 15 to 18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import psycopg
from psycopg import errors, sql

from sluice.insight.collecting.disk import look_at_disk
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.sessions import opened
from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, Row, one
from sluice.stores.statements import statement

PATIENCE = "5s"
"""For how long a statement of a look may run."""
LOCK_WAIT = 30.0
"""Seconds from which on a session that waits for a lock is counted."""
UP = "up_count"
SHIPPED = "sluice_log_"
"""How the slots of Sluice's own log begin: pg_receivewal streams without them, and they are moved on. Nobody reads them."""
EVERYBODYS: Mapping[str, str] = {"wraparound_percent": "wraparound", "detach_pending_count": "detach_pending"}
"""Metrics that every role sees, and the column of each."""
SESSIONS: Mapping[str, str] = {
    "connections_count": "connections",
    "connections_used_percent": "connections_used",
    "slow_statements_count": "slow",
    "longest_statement_seconds": "longest_statement",
    "longest_transaction_seconds": "longest_transaction",
    "lock_waits_count": "lock_waits",
    "longest_lock_wait_seconds": "longest_wait",
}
"""Those that only a role with pg_monitor sees: PostgreSQL hides other people's sessions."""
COUNTERS: Mapping[str, str] = {
    "transactions_rate": "transactions",
    "rollbacks_rate": "rollbacks",
    "deadlocks_rate": "deadlocks",
    "fatal_sessions_rate": "fatal",
    "temporary_bytes_rate": "temp_bytes",
    "blocks_found_rate": "blks_hit",
    "blocks_read_rate": "blks_read",
    "wal_bytes_rate": "position",
}
STATEMENTS: Mapping[str, str] = {"statements_rate": "calls", "statement_milliseconds_rate": "milliseconds"}


def look_at_postgres(dsn: str, store: str, line: Lifeline, disk: int | None = None) -> Looked:
    """Look at a server for its minute, and at its disk where the bytes of that are told.

    One that lets us in and is too slow for the rest is up, and nothing else is known. Raises StoreDown, Refused, ThroughPooler.
    """
    try:
        with opened(dsn, store, "look", line, statement_timeout=PATIENCE, lock_timeout="2s") as c:
            found = look_with(c, store)
            return found + look_at_disk(c, store, disk) if disk else found
    except errors.QueryCanceled:
        slow = f"{store}: it is too slow to say how it is: a statement for that took longer than {PATIENCE}."
        return Looked({Series(store, UP): 1.0}, notes=(slow,))


def look_with(c: Connection, store: str) -> Looked:
    """The same, over a session that is open."""
    found = one(c, statement("collecting.find_state"), lock_wait=LOCK_WAIT)
    values = {Series(store, UP): 1.0, **_told(store, found, EVERYBODYS), **_slots(store, found["slots"])}
    state = Looked(values, _told(store, found, COUNTERS))
    return state + _sessions(store, found) + _statements(c, store, found["statements_in"])


def derive(rates: Mapping[Series, float]) -> dict[Series, float]:
    """Give what two rates come to: blocks found of all, milliseconds of a statement; nothing where nothing went on. Pure."""
    made: dict[Series, float] = {}
    for store in {series.store for series in rates}:
        found, read, statements, busy = (
            rates.get(Series(store, name)) for name in ("blocks_found_rate", "blocks_read_rate", *STATEMENTS)
        )
        if found is not None and read is not None and found + read > 0:
            made[Series(store, "cache_hit_percent")] = 100 * found / (found + read)
        if statements and busy is not None:
            made[Series(store, "mean_statement_milliseconds")] = busy / statements
    return made


def _sessions(store: str, found: Row) -> Looked:
    if not found["sees_all"]:
        return Looked(
            notes=(
                f"{store}: the role of its connection does not see other people's sessions, nor replicas: they are not"
                " measured. GRANT pg_monitor TO it.",
            )
        )
    replicas = found["replicas"]
    values = _told(store, found, SESSIONS) | {Series(store, "replicas_count"): float(len(replicas))}
    values |= _worst(store, "replica_lag_bytes", replicas, lambda one: one["bytes"])
    values |= _worst(store, "replica_lag_seconds", replicas, lambda one: one["seconds"])
    return Looked(values)


def _slots(store: str, slots: Iterable[Row]) -> dict[Series, float]:
    kept = _worst(store, "slot_retained_bytes", slots, lambda one: None if one["lost"] else one["bytes"])
    kept |= _worst(store, "slot_lost_count", slots, lambda one: float(one["lost"]))
    read = [one for one in slots if not one["name"].startswith(SHIPPED)]
    return kept | _worst(store, "slot_inactive_count", read, lambda one: float(not one["active"]))


def _statements(c: Connection, store: str, schema: str | None) -> Looked:
    if schema is None:
        return _lacks_statements(store, "it has no extension pg_stat_statements")
    try:
        with c.transaction():  # what is refused here ends no more than this
            found = one(c, statement("collecting.find_statements", schema=sql.Identifier(schema)))
    except (errors.ObjectNotInPrerequisiteState, errors.InsufficientPrivilege, errors.QueryCanceled) as error:
        return _lacks_statements(store, _first_line(error))
    return Looked(counters=_told(store, found, STATEMENTS))


def _lacks_statements(store: str, why: str) -> Looked:
    advice = "docs/howto/collect-numbers.md says what it wants"
    return Looked(notes=(f"{store}: how long its statements take is not measured, {why}; {advice}.",))


def _told(store: str, found: Row, columns: Mapping[str, str]) -> dict[Series, float]:
    return {
        Series(store, metric): float(found[column]) for metric, column in columns.items() if found[column] is not None
    }


def _worst(store: str, metric: str, found: Iterable[Row], number: Callable[[Row], float | None]) -> dict[Series, float]:
    """Give each by its name; two who follow under one name are one subject, as bad as the worse of them."""
    made: dict[Series, float] = {}
    for row in found:
        series, value = Series(store, metric, row["name"]), number(row)
        if value is not None:
            made[series] = max(float(value), made.get(series, 0.0))
    return made


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0]
