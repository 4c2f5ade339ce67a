"""One writer of the live workload: a connection of its own, a transaction at a time, and what became of it.

Certain yes, certain no, or not known: a commit whose answer was lost is not retried, its rows are left.
"""

from __future__ import annotations

import time
from contextlib import suppress
from enum import Enum
from functools import cache
from random import Random
from threading import Event
from typing import TypeAlias

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow, dict_row

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.application import Application, Change, Transaction, effects_of, net
from sluice.local.certify.shape import AUDIT, SESSIONS, TENANTS, Effect, Image, Key, tenant
from sluice.local.certify.tally import Tally
from sluice.stores.statements import statement

Connection: TypeAlias = psycopg.Connection[TupleRow]

LOST = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
RETRIED = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
FIRST_PAGES = 12
PAGE = 50
READS = 0.05  # pages read for each transaction
BEHIND = 1.0  # seconds of delay that are caught up; older ones are dropped


class Outcome(Enum):
    """What became of one attempt."""

    ACKNOWLEDGED = "the database said yes"
    ROLLED_BACK = "the user changed their mind"
    UNKNOWN = "the answer to COMMIT was lost"
    FAILED = "the user saw an error"
    RETRY = "it passes by itself"


class WrongRowCount(Exception):
    """A statement for one row met none, or several: the user's row is lost, or there twice."""


class Writer:
    """Writes for the tenants whose rank is `number` modulo `writers`. `run` is a thread's whole life.

    Users look at nothing that is older than `since`, nor change it.
    """

    def __init__(
        self, number: int, writers: int, dsn: str, seed: int, rate: float,
        acknowledged: Acknowledged, tally: Tally, since: str = "-infinity",
    ) -> None:  # fmt: skip
        self._number = number
        self._dsn = dsn
        self._interval = 1 / rate
        self._random = Random(f"{seed}:{number}")
        mine = [tenant(rank) for rank in range(1, TENANTS + 1) if rank % writers == number]
        self._application = Application(self._random, mine)
        self._acknowledged = acknowledged
        self._tally = tally
        self._since = since
        self._connection: Connection | None = None

    def run(self, stopping: Event, hurry: Event) -> None:
        """Write at the writer's rate, or without a pause while `hurry` is set, until `stopping`."""
        try:
            self._look_around(stopping)
            due = time.monotonic()
            while not stopping.is_set():
                due = max(due + self._interval, time.monotonic() - BEHIND)
                if hurry.is_set():
                    due = time.monotonic()  # a burst is no advance on later writes: silence would look like peace
                else:
                    stopping.wait(max(0.0, due - time.monotonic()))
                self._act(stopping)
        except Exception as error:
            self._tally.asked(self._number)
            self._tally.failed(self._number, error, "the writer died")  # or its silence would look like peace
            raise
        finally:
            self._tally.gave_up(self._number)
            self._hang_up()

    def cancel(self) -> None:
        """Break off the statement that the writer waits in, from another thread."""
        connection = self._connection
        if connection is not None and not connection.closed:
            connection.cancel_safe(timeout=2.0)

    def _look_around(self, stopping: Event) -> None:
        with suppress(psycopg.OperationalError):
            self._connected()  # the first connection keeps no user waiting
        for page in range(FIRST_PAGES):
            self._read(stopping, self._since if page < 2 else self._application.moment().isoformat())

    def _act(self, stopping: Event) -> None:
        if self._random.random() < READS:
            self._read(stopping, self._application.moment().isoformat())
        if not stopping.is_set():
            self._write(self._application.next(), stopping)

    def _write(self, transaction: Transaction, stopping: Event) -> None:
        self._tally.asked(self._number)
        outcome = self._attempt(transaction, stopping)
        while outcome is Outcome.RETRY and not stopping.wait(self._random.uniform(0.001, 0.02)):
            outcome = self._attempt(transaction, stopping)

    def _attempt(self, transaction: Transaction, stopping: Event) -> Outcome:
        effects: list[Effect] = []
        sent = False
        try:
            connection = self._connected()
            with connection.transaction():
                connection.execute(_sql("enter_tenant"), {"tenant": transaction.tenant})
                for change in transaction.changes:
                    effects += self._apply(connection, change)
                if transaction.roll_back:
                    raise psycopg.Rollback
                sent = True  # from here on only the answer to COMMIT tells
        except RETRIED as error:
            self._tally.retried(self._number, error)
            return self._settle(Outcome.RETRY, transaction, effects)
        except psycopg.Rollback:  # the connection was lost within ROLLBACK: never committed all the same
            self._hang_up()
        except (psycopg.Error, WrongRowCount) as error:
            return self._settle(self._judge(error, sent, transaction, stopping), transaction, effects)
        outcome = Outcome.ROLLED_BACK if transaction.roll_back else Outcome.ACKNOWLEDGED
        return self._settle(outcome, transaction, effects)

    def _apply(self, connection: Connection, change: Change) -> list[Effect]:
        cursor = connection.execute(_sql(change.statement), change.values)
        if cursor.rowcount != 1:
            key = change.values.get("key")
            raise WrongRowCount(f"{change.statement} of {change.table} {key} met {cursor.rowcount} rows")
        after = change.after
        if after is not None and after["id"] is None:
            after = {**after, "id": cursor.fetchall()[0][0]}
        return effects_of(change, after)

    def _judge(self, error: Exception, sent: bool, transaction: Transaction, stopping: Event) -> Outcome:
        if isinstance(error, errors.QueryCanceled) and stopping.is_set():
            return Outcome.RETRY  # we cancelled it ourselves; there will be no retry
        if self._is_lost(error):
            self._hang_up()
            self._tally.retried(self._number, error)
            return Outcome.UNKNOWN if sent else Outcome.RETRY
        doing = " + ".join(change.statement for change in transaction.changes)
        self._tally.failed(self._number, error, doing)
        return Outcome.FAILED

    def _is_lost(self, error: Exception) -> bool:
        gone = self._connection is None or self._connection.closed
        return isinstance(error, LOST) or (isinstance(error, psycopg.OperationalError) and bool(gone))

    def _settle(self, outcome: Outcome, transaction: Transaction, effects: list[Effect]) -> Outcome:
        """Write down what is known now of every key that the attempt touched."""
        effects = net(effects)
        if outcome is Outcome.ACKNOWLEDGED:
            self._acknowledged.committed(effects)
            self._application.happened(effects)
            self._tally.answered(self._number, [change.kind for change in transaction.changes])
        elif outcome is Outcome.UNKNOWN:
            self._acknowledged.unknown(effects)
            self._application.forget(effects)
            self._tally.ended(self._number, "unknown")
        else:
            self._acknowledged.rolled_back(effects)
        if outcome is Outcome.ROLLED_BACK:
            self._tally.ended(self._number, "rollbacks")
        if outcome is Outcome.FAILED:
            self._application.forget([e for change in transaction.changes for e in _known(change)])
        return outcome

    def _read(self, stopping: Event, since: str) -> None:
        """Read a page of each table as a user would, and learn the rows that nobody has touched yet."""
        tenant = self._application.tenant()
        for table, query in ((SESSIONS, "read_sessions"), (AUDIT, "read_audit_log")):
            self._tally.asked(self._number)
            while not stopping.is_set():
                try:
                    page = self._page(tenant, query, since)
                except psycopg.OperationalError as error:
                    self._hang_up()
                    self._tally.retried(self._number, error)
                    stopping.wait(self._random.uniform(0.001, 0.02))
                    continue
                except psycopg.Error as error:
                    return self._tally.failed(self._number, error, query)
                self._tally.read(self._number)
                self._learn(table, page)
                break

    def _page(self, tenant: str, query: str, since: str) -> list[Image]:
        connection = self._connected()
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(_sql("enter_tenant"), {"tenant": tenant})
            return cursor.execute(_sql(query), {"tenant": tenant, "since": since, "rows": PAGE}).fetchall()

    def _learn(self, table: str, page: list[Image]) -> None:
        for image in page:
            key = Key(table, str(image["id"]))
            # What was written before is known better than the page, and what is in doubt stays out.
            if key not in self._acknowledged and not self._application.knows(key):
                self._application.learn(table, image)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn, autocommit=True, application_name=f"certify app {self._number}",
                options="-c TimeZone=UTC", connect_timeout=5,
            )  # fmt: skip
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _known(change: Change) -> list[Effect]:
    has_id = change.before is not None or (change.after or {}).get("id") is not None
    return effects_of(change, change.after) if has_id else []


@cache
def _sql(name: str) -> bytes:
    return statement(f"certify.{name}").as_bytes()
