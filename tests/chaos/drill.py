"""A drill: a migration under live writers, in which somebody meets a fault at an edge, and what must hold then.

After each fault the marks say what the tables are; at the end no acknowledged write is lost and both tables are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from signal import SIGKILL
from typing import Any, TypeVar

import psycopg
from sluice.errors import Transient
from sluice.estate import Migration, Shadow
from sluice.local.certify import Workload, verify
from sluice.migration.engine.contract import Fenced, NotYet, Phase
from sluice.migration.engine.way import Step
from sluice.stores.postgres import connect

from tests.chaos.edges import COPIED, PROVOKED, STARTS
from tests.chaos.stage import Stage
from tests.chaos.traveller import Ended, Order, Traveller, take_leg, travelling
from tests.harness import advance

HELD_SECONDS = 0.3
CHUNK_ROWS = 160
"""A few pages: so that a chunk can be halved, and there are some to die in."""
TRIES = 8

Answer = TypeVar("Answer")


@dataclass
class Drill:
    """A stage with users on it."""

    stage: Stage
    workload: Workload
    lanes: int = 2

    def meet(self, leg: str, edge: str, fault: str, hit: int = 1) -> Ended:
        """Begin a leg and have the fault happen at the edge; fails when nobody came there. What holds always, holds then."""
        where = f"{fault} at {edge}@{hit} of {leg}"
        self.workload.mark(where)
        if leg == Step.BACKFILL and edge in (*COPIED, "lane.copied"):
            # The other lane copies too until it dies: there must be something left to copy.
            self.stage.ask(_SOME_UNDONE)
        action = f"hold:{HELD_SECONDS}" if fault == "twice" else fault
        with ExitStack() as obstacle, travelling(self.order(leg, f"{edge}={action}@{hit}")) as traveller:
            if edge in PROVOKED:
                obstacle.enter_context(_OBSTACLES[PROVOKED[edge]](self.stage))
            reached = traveller.reaches()
            if fault == "crash":
                traveller.ends()
                self.stage.database.server.cluster.start()  # before somebody asks it to clear the obstacle away
            obstacle.close()
            assert reached == edge, f"{where}: never came there, {traveller.ends()}"
            if fault == "twice":
                self._second(leg, traveller)
            ended = traveller.ends()
        self._check_end(where, fault, ended)
        self.check(where)
        return ended

    def stand_before(self, leg: str, *, afresh: bool = False) -> None:
        """Go to where a leg begins, by whichever way there is; `afresh`, from the very beginning."""
        start, there = STARTS[leg], self.phase
        if afresh or there.rank > start.rank:
            verified = Phase.VERIFIED.rank <= start.rank and not afresh
            self.arrive(Phase.VERIFIED if verified else Phase.PLANNED)
        self.arrive(start)

    def arrive(self, phase: Phase) -> None:
        """Run the migration as far as that, trying again what may pass by itself."""
        self.workload.mark(f"to {phase}")
        patiently(lambda: advance(self.stage.open, phase, lanes=self.lanes))
        verified = (Phase.VERIFIED, Phase.SHADOWING)  # what is shadowing is verified still
        assert self.phase in (verified if phase is Phase.VERIFIED else (phase,))
        self.check(f"arriving at {phase}")

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return patiently(lambda: self.stage.open().position().phase)

    def check(self, when: str) -> None:
        """The marks say what is there: which table has the name, whose triggers are on, which functions exist."""
        phase, *found = self.stage.ask(_STANDING)[0]
        self.stage.close()
        assert tuple(found) == _AS_IT_SHOULD_BE[phase], f"{when}: it is {phase}, and not as that should be"

    def judge(self) -> None:
        """Nothing acknowledged is lost, no user saw an error, and while two tables are in step they are the same."""
        self.workload.burst(20)
        self.workload.stop()
        with connect(self.stage.database.dsn(), purpose="oracle") as c:
            report = verify(c, self.workload.acknowledged)
        assert report.ok, report
        seen = self.workload.snapshot()
        when = {name: phase.errors for name, phase in seen.phases.items() if phase.errors}
        assert seen.total.user_errors == 0, f"users saw errors: {when}, such as {seen.total.samples}"
        if Phase.CAPTURING.rank < self.phase.rank < Phase.RETIRED.rank:
            diff = self.stage.open().diff()
            assert diff.clean, diff.samples
            assert diff.source_rows == diff.target_rows == diff.compared

    def order(self, leg: str, armed: str) -> Order:
        """What to tell somebody who is to take a leg here, armed."""
        stage = self.stage
        return Order(leg, armed, stage.migration, stage.database.dsn(), stage.database.server.cluster, self.lanes)

    def _second(self, leg: str, first: Traveller) -> None:
        """Do here what somebody is held at doing; either may find it done, or be told to look again."""
        with _may_be_told_to_look_again():
            patiently(lambda: take_leg(self.stage.open, leg, self.lanes))
        first.goes_on()

    def _check_end(self, where: str, fault: str, ended: Ended) -> None:
        if fault == "kill":
            assert ended.code == -SIGKILL, f"{where}: {ended}"
        elif ended.raised:
            told = fault == "twice" and ended.raised.startswith((NotYet.__name__, Fenced.__name__))
            assert ended.transient or told, f"{where}: nobody would know what to do with {ended.raised}"


@contextmanager
def live(stage: Stage, *, seed: int = 1, rate: float = 60.0, lanes: int = 2) -> Iterator[Drill]:
    """A drill with its users, who go home at the end."""
    with Workload(stage.database.dsn("certify_app"), seed=seed, writers=2, rate=rate) as workload:
        try:
            yield Drill(stage, workload, lanes)
        finally:
            stage.close()


def fitted(migration: Migration, chunk_rows: int = CHUNK_ROWS) -> Migration:
    """A migration with small chunks, the patience for locks that the sample's own YAML has, and any for reads.

    How long a read takes in the middle of a drill is no finding; what it answers is.
    """
    patient = migration.cutover.model_copy(update={"tries": 100})
    small = migration.backfill.model_copy(update={"chunk_rows": chunk_rows})
    answers = Shadow(samples=3, slower_than=100.0, allowance=timedelta(hours=1))
    gates = migration.gates.model_copy(update={"shadow": answers})
    return migration.model_copy(update={"cutover": patient, "backfill": small, "gates": gates})


def patiently(call: Callable[[], Answer]) -> Answer:
    """Try again what may pass by itself, as a task does."""
    for _ in range(TRIES - 1):
        try:
            return call()
        except Transient:
            time.sleep(0.1)
    return call()


@contextmanager
def _may_be_told_to_look_again() -> Iterator[None]:
    with suppress(NotYet, Fenced):
        yield


@contextmanager
def _held(stage: Stage, *queries: str) -> Iterator[None]:
    with ExitStack() as rooms:
        somebody = rooms.enter_context(stage.person())
        for query in queries:
            somebody.execute(query)
        yield
        with suppress(psycopg.OperationalError):  # gone with the server
            somebody.rollback()


@contextmanager
def _wrong_copy(stage: Stage) -> Iterator[None]:
    """A copy with one wrong row; it is mended by touching the row in the source, which captures it again."""
    ((id_,),) = stage.ask("UPDATE app.user_sessions_by_month SET note = note || '?' WHERE id ="
                          " (SELECT max(id) FROM app.user_sessions_by_month WHERE note <> '') RETURNING id")  # fmt: skip
    try:
        yield
    finally:
        stage.ask("UPDATE app.user_sessions SET note = note WHERE id = %s", id_)


_OBSTACLES: dict[str, Callable[[Stage], Any]] = {
    "somebody holds a row": lambda stage: _held(
        stage,
        "SELECT FROM app.user_sessions WHERE ctid >= coalesce((SELECT lo::tid FROM sluice.chunk WHERE done_at IS NULL"
        " ORDER BY number LIMIT 1), '(0,0)') ORDER BY ctid LIMIT 1 FOR UPDATE",
    ),
    "somebody holds the table": lambda stage: _held(stage, "LOCK TABLE app.user_sessions IN ROW EXCLUSIVE MODE"),
    "the copy is wrong": _wrong_copy,
}

_ON = ["!sluice_capture A", "!sluice_capture_truncate A"]
_FORWARD = (
    "r",
    "p",
    None,
    ["!sluice_capture A", "!sluice_capture_insert A", "!sluice_capture_truncate A"],
    ["app.user_sessions"],
    ["capture"],
)
_AS_IT_SHOULD_BE = {
    "planned": ("r", None, None, None, None, None),
    "expanded": ("r", "p", None, None, None, None),
    "capturing": _FORWARD,
    "backfilled": _FORWARD,
    "verified": _FORWARD,
    "shadowing": _FORWARD,
    "cut_over": ("p", None, "app", _ON, ["app.user_sessions"], ["reverse"]),
    "retired": ("p", None, "sluice_attic", None, None, None),
}
"""By phase: kind of the live table, of the copy, schema of the old one; capture's triggers, on which table, its functions."""

_SOME_UNDONE = """
UPDATE sluice.chunk SET done_at = NULL WHERE (SELECT count(*) FROM sluice.chunk WHERE done_at IS NULL) < 6
"""
_STANDING = """
SELECT coalesce((SELECT phase FROM sluice.migration), 'planned'),
       (SELECT relkind::text FROM pg_class WHERE oid = to_regclass('app.user_sessions')),
       (SELECT relkind::text FROM pg_class WHERE oid = to_regclass('app.user_sessions_by_month')),
       (SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'user_sessions__old' OR
        relname = 'user_sessions' AND relnamespace = to_regnamespace('sluice_attic')),
       array_agg(tgname || ' ' || tgenabled::text ORDER BY tgname), array_agg(DISTINCT tgrelid::regclass::text),
       (SELECT array_agg(split_part(proname, '__', 1)) FROM pg_proc
        WHERE pronamespace = to_regnamespace('sluice') AND prorettype = 'trigger'::regtype AND proname LIKE '%\\_\\_%')
FROM pg_trigger WHERE tgname LIKE '!sluice%' AND tgparentid = 0
"""
