"""The cutover while somebody holds the table: it tries briefly and often, names who it is, and goes through once they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import psycopg
from sluice.errors import Terminal
from sluice.local.certify import WorkloadProcess
from sluice.migration.engine.contract import Kind
from sluice.stores.postgres import LockBusy
from sluice.stores.statements import as_text, statement

TRIES = 20
"""Of the hundred that the YAML allows: each is as long as any other."""

Holding = Callable[[psycopg.Connection[Any]], Any]


def _reading(c: psycopg.Connection[Any]) -> None:
    def read() -> None:
        try:
            c.execute(as_text(statement("bench.read_long")))
        except psycopg.errors.QueryCanceled:
            c.rollback()

    Thread(target=read, daemon=True).start()
    time.sleep(0.5)


def _resting(c: psycopg.Connection[Any]) -> None:
    c.execute(as_text(statement("bench.touch_session")))


CASES: dict[str, Holding] = {"a long reader holds the table": _reading, "an idle transaction holds the table": _resting}


def blocked(
    dsn: str, kind: Kind, hasty: Kind, application: WorkloadProcess, told: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Try each case: `hasty` has few tries, and `kind` cuts over afterwards, and back. The diff is the caller's, before each."""
    for number, (case, hold) in enumerate(CASES.items()):
        kind.verify(kind.diff())
        name = f"blocked{number}"
        with _somebody(dsn, case) as c:
            hold(c)
            pid = c.info.backend_pid
            application.mark(f"held{number}")
            time.sleep(2)
            application.mark(name)
            said = _refused(hasty)
            application.mark("between")
        phases = application.snapshot().phases
        waited, quiet = phases[name].longest_gap_ms, phases[f"held{number}"].longest_gap_ms
        named = f"session {pid} (" in said and case in said
        swap = kind.cut_over()
        kind.cut_back()
        told(
            f"{case}: {TRIES} tries, writers waited {waited:.0f} ms at most ({quiet:.0f} without tries),"
            f" {'named' if named else 'NOT NAMED'};"
            f" swapped in {swap.pause_ms:.1f} ms when it had ended"
        )
        yield {
            "case": case,
            "writers_longest_ms": waited,
            "quiet_longest_ms": quiet,
            "named": named,
            "said": said,
            "then_ms": swap.pause_ms,
            "failed_then": len(swap.failed_tries_ms),
        }


@contextmanager
def _somebody(dsn: str, case: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, application_name=case) as c:
        try:
            yield c
        finally:
            c.cancel_safe()
            time.sleep(0.2)
            c.rollback()


def _refused(kind: Kind) -> str:
    try:
        swap = kind.cut_over()
    except LockBusy as busy:
        return str(busy)
    raise Terminal(f"it swapped in {swap.pause_ms:.0f} ms while somebody held the table")
