"""One leg of a migration in a process of its own, armed to meet its end at an edge.

Processes come from a server that has everything imported already, so that each dies within a fraction of a second.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
import pytest
from sluice import failpoints
from sluice.errors import Transient
from sluice.estate import Migration
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Kind
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import Connection, connect

from tests.chaos.edges import WINDOW
from tests.chaos.stage import wait_until
from tests.harness import take

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
PATIENCE = 60.0


@dataclass(frozen=True)
class Order:
    """What a traveller is to do: which leg, armed how, with how many lanes, and where."""

    leg: str
    armed: str
    migration: Migration
    dsn: str
    cluster: Cluster
    lanes: int = 2


@dataclass(frozen=True)
class Ended:
    """How it went: the signal's number as exit code (negative), or what it raised, by name, and whether that may pass."""

    code: int
    raised: str = ""
    transient: bool = False


class Traveller:
    """The parent's side of a leg under way."""

    def __init__(self, process: BaseProcess, pipe: Pipe) -> None:
        self._process = process
        self._pipe = pipe
        self._ended = Ended(0)

    def reaches(self) -> str | None:
        """Wait until an armed edge is reached and name it; None when the leg ended without."""
        while self._pipe.poll(PATIENCE):
            try:
                said = self._pipe.recv()
            except (EOFError, ConnectionResetError):  # reset: it never read our last word
                return None
            if isinstance(said, str):
                return said
            self._ended = said
        raise AssertionError("a leg came neither to its edge nor to an end")

    def goes_on(self) -> None:
        """Let go of one that is held."""
        with suppress(OSError):  # it may not have waited for that
            self._pipe.send("go")

    def ends(self) -> Ended:
        """Wait for its end."""
        while self.reaches() is not None:
            pass
        self._process.join(PATIENCE)
        code = self._process.exitcode
        assert code is not None, "a leg did not end"
        return Ended(code, self._ended.raised, self._ended.transient)

    def close(self) -> None:
        """Leave nobody behind."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


@contextmanager
def travelling(order: Order) -> Iterator[Traveller]:
    """Send somebody off; nobody is under way at the end."""
    ours, theirs = _context().Pipe()
    process = _context().Process(target=_travel, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    traveller = Traveller(process, ours)
    try:
        yield traveller
    finally:
        traveller.close()


def take_leg(opening: Callable[[], Kind], leg: str, lanes: int) -> None:
    """Take a step, or fill every hole of the target."""
    if leg == WINDOW:
        steps.fill_window(opening(), *EVER)
    else:
        take(opening, opening(), Step(leg), lanes)


def _travel(order: Order, pipe: Pipe) -> None:
    sessions = threading.local()

    def opened(purpose: str) -> Connection:
        sessions.last = connect(order.dsn, purpose=purpose)
        return sessions.last

    logging.disable(logging.WARNING)  # the drill says what it does, and what came of it
    failpoints.ACTIONS.update(_actions(order.cluster, sessions, pipe))
    failpoints.arm(order.armed)
    try:
        take_leg(lambda: open_kind(order.migration, opened), order.leg, order.lanes)
    except Exception as error:
        pipe.send(Ended(0, f"{type(error).__name__}: {error}", isinstance(error, Transient)))


def _actions(cluster: Cluster, sessions: Any, pipe: Pipe) -> dict[str, failpoints.Action]:
    """Every action tells first that the edge was reached; what needs the server is the drill's own."""

    def terminate(name: str, argument: str) -> None:
        with psycopg.connect(cluster.dsn(), autocommit=True) as c:
            pid = [sessions.last.info.backend_pid]
            c.execute("SELECT pg_terminate_backend(%s)", pid)
            wait_until(lambda: c.execute("SELECT FROM pg_stat_activity WHERE pid = %s", pid).rowcount == 0)

    def crash(name: str, argument: str) -> None:
        cluster._pg_ctl("stop", "--mode=immediate", "--wait")

    def hold(name: str, argument: str) -> None:
        pipe.poll(float(argument))

    def told(action: failpoints.Action) -> failpoints.Action:
        def act(name: str, argument: str) -> None:
            pipe.send(name)
            action(name, argument)

        return act

    known = {**failpoints.ACTIONS, "terminate": terminate, "crash": crash, "hold": hold}
    return {name: told(action) for name, action in known.items()}


@cache
def _context() -> ForkServerContext:
    """Start the server of processes, once. It imports beforehand only what it finds without our help: hence the path."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.traveller"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context
