"""What makes a rule fire and clear in a test: a store that is looked at, pgbench as its application, and a word that is held to.

The numbers are real, the minutes are not: each look is kept as if a minute had passed, so that what must last half an hour does.
Where only the level is out of a test's reach (days, gigabytes, half of all transaction numbers), another one is set, and said.
"""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from sluice.estate.health import Levels
from sluice.estate.models import Store
from sluice.insight.collecting.collecting import Look, collect, keep
from sluice.insight.collecting.postgres import look_at_postgres
from sluice.insight.collecting.sizes import measure_sizes
from sluice.insight.health.evaluating import evaluate
from sluice.insight.health.looking import gathered
from sluice.insight.health.rules import Rule, read_rules
from sluice.insight.health.troubles import troubles
from sluice.ledger.incidents import Key, State
from sluice.ledger.samples import Samples, Series, Span
from sluice.stores.binaries import binaries

from tests.watched import HOUR, MINUTE, NOON, ROOT, a_store

NAME = "certify"
PLACES = 20
"""Sessions that the server takes from clients."""
LONG_AGO = timedelta(days=14)
PATIENCE = 10.0
POSTGRES = "PostgreSQL, PgBouncer and pgbench"
MOTO, PAGE, NUMBERS = "moto's CloudWatch", "a page of health like Airflow's", "its numbers alone"
"""By what a rule is shown where there is nothing here that could break."""


@dataclass
class _Seen:
    """Which rules said that something is wrong since a test began, and which of them say so no more."""

    wrong: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)

    @property
    def cleared(self) -> set[str]:
        return self.fired - self.wrong

    def begin(self) -> None:
        """A test begins."""
        self.wrong, self.fired = set(), set()


_SEEN = _Seen()


def shows(*rules: str, by: str = POSTGRES) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say that a test makes these rules fire and clear, and `by` what; it fails where one of them did not.

    `tests/unit/test_health_shown.py` holds that every rule is shown, and by what.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*args: Any, **fixtures: Any) -> None:
            _SEEN.begin()
            test(*args, **fixtures)
            assert {*rules} <= _SEEN.cleared, "it says of rules that they fire and clear, and they did not"

        run.shows = (rules, by)  # type: ignore[attr-defined]
        return run

    return decorate


class Watched:
    """A store, what is measured of it, and the rules."""

    def __init__(self, samples: Samples, store: Store | None = None, *looks: Look) -> None:
        self.samples, self.looks = samples, [*looks]
        self.stores = {NAME: store or a_store()}
        self.rules: dict[str, Rule] = dict(read_rules(ROOT, self.stores).rules)
        self.now = NOON
        self.states: dict[Key, State] = {}

    def level(self, rule: str, **levels: float) -> None:
        """Set another level, and nothing else of a rule."""
        self.rules[rule] = replace(self.rules[rule], levels=Levels(**levels))

    def minutes(self, count: int, meanwhile: Callable[[], Any] = lambda: None) -> set[str]:
        """Look once a minute, with something done before each look; give which rules say that something is wrong."""
        for _ in range(count):
            meanwhile()
            self.look()
        return self.wrong()

    def look(self) -> None:
        """Look once; a minute has passed then."""
        self.now += MINUTE
        keep(self.samples, collect(self.looks, self.now - MINUTE))

    def wrong(self, at: Any = None) -> set[str]:
        """Judge what is there by now."""
        now = at or self.now
        look = gathered(self.samples, self.rules, self.stores, now)
        self.states = evaluate(self.rules, look, self.states)
        _SEEN.wrong = {one.rule for one in troubles(self.states, self.rules, look)}
        _SEEN.fired |= _SEEN.wrong
        return _SEEN.wrong

    def usually(self, metric: str, mean: float) -> None:
        """Have something be usual for the last two weeks."""
        days = [NOON - LONG_AGO + timedelta(days=n, hours=h) for n in range(14) for h in range(24)]
        made = [(Series(NAME, metric), Span(at, mean, mean, mean, mean, 60)) for at in days]
        self.samples.record_spans("hour", made)


class Server(Watched):
    """A server of PostgreSQL that is looked at."""

    def __init__(self, samples: Samples, dsn: str, store: Store | None = None) -> None:
        server = Look(NAME, "server", lambda line: look_at_postgres(self.dsn, NAME, line, self.disk), up="up_count")
        super().__init__(samples, store, server)
        self.dsn = dsn
        self.disk: int | None = None
        """How large its disk is, where that is told."""

    def hours(self, count: int) -> set[str]:
        """Measure everything once an hour."""
        for _ in range(count):
            self.samples.record(self.now, measure_sizes(self.dsn, NAME, {}).values)
            self.look()
            self.wrong()
            self.now += HOUR - MINUTE
        return self.wrong(self.now - HOUR + MINUTE)


class NoLine:
    """A look that nobody cuts off."""

    @contextmanager
    def holding(self, _: Any) -> Iterator[None]:
        """Hold nothing."""
        yield


def seen(dsn: str, metric: str, subject: str = "", disk: int | None = None) -> float:
    """Look at a server at once, for one number of it."""
    return look_at_postgres(dsn, NAME, NoLine(), disk).values[Series(NAME, metric, subject)]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Load:
    """An application: pgbench, with scripts of its own."""

    folder: Path
    dsn: str
    admin: str
    """How its sessions are counted; that of the server itself, where it comes through a pooler."""

    def runs(self, script: str, *, clients: int = 1, times: int = 1) -> None:
        """Have each client run the script so many times; then all that they did is counted."""
        done = self._begin(script, clients, f"--transactions={times}")
        said = done.communicate(timeout=60)[1]
        assert done.returncode == 0, said
        self.until(lambda count: count == 0)

    @contextmanager
    def goes_on(self, script: str, *, clients: int = 1) -> Iterator[subprocess.Popen[str]]:
        """Have clients run the scripts again and again while the block is; at its beginning all of them are there."""
        before = self._count()
        running = self._begin(script, clients, "--time=600")
        try:
            if self.dsn == self.admin:
                self.until(lambda count: count >= before + clients, running)
            yield running
        finally:
            running.terminate()
            running.communicate(timeout=10)
            if self.dsn == self.admin:
                self.until(lambda count: count <= before)

    def until(self, well: Callable[[int], bool], running: subprocess.Popen[str] | None = None) -> None:
        """Wait until the server has so many of its sessions."""
        end = time.monotonic() + PATIENCE
        while not well(self._count()):
            assert running is None or running.poll() is None, running.communicate()[1]
            assert time.monotonic() < end, "the sessions of pgbench neither come nor go"
            time.sleep(0.02)

    def kill(self) -> None:
        """End all its sessions."""
        with psycopg.connect(self.admin, autocommit=True) as c:
            c.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'pgbench'")

    def _count(self) -> int:
        with psycopg.connect(self.admin, autocommit=True) as c:
            found = c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'").fetchone()
        assert found
        return int(found[0])

    def _begin(self, script: str, clients: int, long: str) -> subprocess.Popen[str]:
        path = self.folder / "script.sql"
        path.write_text(script)
        how = ["--no-vacuum", "--max-tries=1000", f"--client={clients}", f"--file={path}", long]
        command = [str(binaries() / "pgbench"), *how, self.dsn]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
