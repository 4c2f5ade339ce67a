"""The model's invariants against real PostgreSQL: an application, workers and phases in any order that Hypothesis thinks of.

`tests/model` visits every state of a small world; this walks long ways through the real one. The numbers are the model's.
`SLUICE_MACHINE_EXAMPLES=300 pytest tests/chaos/test_state_machine.py` walks further.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Search
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.sql import SQL, Identifier
from sluice.estate import Migration
from sluice.ledger.marks import Marks
from sluice.local import databases
from sluice.local.certify import seed
from sluice.migration.engine.contract import ChunkBusy, Diff, Drifted, Fence, Fenced, Kind, NotYet, Phase, Window
from sluice.stores.postgres import LockBusy, StoreDown, connect

from tests.chaos.application import STATEMENTS, Application, Writer
from tests.chaos.stage import Stage
from tests.conftest import Database, Server
from tests.model.invariants import INVARIANTS

EXAMPLES = int(os.environ.get("SLUICE_MACHINE_EXAMPLES", "10"))
LARGE = "SLUICE_MACHINE_EXAMPLES" in os.environ
STEPS = 30
ROWS = 40
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=True,
    database=None,
    deadline=None,
    # A failure is told as it was found: making it shorter takes minutes.
    phases=tuple(Search) if LARGE else (Search.generate,),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
MUST_COME = {
    "cut over",
    "cut back",
    "aborted",
    "killed",
    "fenced",
    "compared",
    "delete, captured",
    "change the id, cut_over",
}
COPIES = (Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED)  # SHADOWING: its drills run with a kill at every edge
COUNT = itertools.count(1)
BEGINS = some.sampled_from((Phase.PLANNED, Phase.CAPTURING, Phase.CAPTURING, Phase.VERIFIED, Phase.CUT_OVER))
CHOICES, SEEDS = some.integers(0, 99), some.integers(0, 2**64 - 1)

# A few rows a page, so that forty rows are several chunks; and a chunk that waits gives up soon.
PREPARE = (
    "ALTER TABLE app.user_sessions SET (fillfactor = 15)",
    "VACUUM FULL app.user_sessions",
    "CREATE TABLE app.kept AS SELECT * FROM app.user_sessions",
    "GRANT SELECT ON app.kept TO PUBLIC",
)
RESTORE = (
    "TRUNCATE app.user_sessions",
    "INSERT INTO app.user_sessions (id, tenant_id, user_id, started_at, note) OVERRIDING SYSTEM VALUE"
    " SELECT id, tenant_id, user_id, started_at, note FROM app.kept ORDER BY id",
)
WISHES = ("begin", *["begin isolated"] * 3, "look", *["commit"] * 2, "roll back", *["write"] * 6)
UNEQUAL = """
SELECT (SELECT count(*) FROM (SELECT s::text FROM {source} AS s EXCEPT ALL SELECT t::text FROM {target} AS t) AS missing),
       (SELECT count(*) FROM (SELECT t::text FROM {target} AS t EXCEPT ALL SELECT s::text FROM {source} AS s) AS extra)
"""
NOT_COPIED = """
SELECT count(*) FROM sluice.chunk AS c JOIN {source} AS s ON s.ctid >= c.lo::tid AND s.ctid < c.hi::tid
WHERE c.done_at IS NOT NULL AND NOT EXISTS (SELECT FROM {target} AS t WHERE t.id = s.id)
"""


@pytest.fixture(scope="module")
def few_rows(server: Server) -> Iterator[str]:
    """A database with few rows on several pages, to be cloned."""
    name = "machine_seeded"
    databases.create_certify(server.cluster, name)
    with connect(server.cluster.dsn(name), purpose="seed") as c:
        seed(c, rows=ROWS, months=3, report=lambda _: None)
        for statement in PREPARE:
            c.execute(statement)
    yield name
    databases.drop_database(server.cluster, name)


@dataclass
class Stages:
    """One stage after another: an example that ended well leaves its own to the next."""

    server: Server
    template: str
    migration: Migration
    stage: Stage | None = None

    def take(self) -> Stage:
        """The stage as it was at first, with nothing begun; a new clone after a failure."""
        taken, self.stage = self.stage, None
        return taken or self._make()

    def clear(self) -> None:
        """Drop what is left."""
        if self.stage is not None:
            self.drop(self.stage)

    def drop(self, stage: Stage) -> None:
        """Hang up on everybody and drop the database."""
        stage.close()
        databases.drop_database(self.server.cluster, stage.database.name)

    def _make(self) -> Stage:
        name = f"machine_{next(COUNT)}"
        with psycopg.connect(self.server.cluster.dsn(), autocommit=True) as c:
            made = {
                "name": Identifier(name),
                "template": Identifier(self.template),
                "owner": Identifier(databases.OWNER),
            }
            c.execute(SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}").format(**made))
            c.execute(SQL("ALTER DATABASE {name} SET deadlock_timeout = '120ms'").format(**made))
        databases.create_certify(self.server.cluster, name)
        return Stage(Database(self.server, name), self.migration)


class Machine(RuleBasedStateMachine):
    """What anybody may do next. `holds` is asked after each step."""

    stages: Stages
    seen: Counter[str]

    @initialize(begins=BEGINS, late=some.booleans())
    def set_the_stage(self, begins: Phase, late: bool) -> None:
        self.stage = self.stages.take()
        self.eye, self.kind = self.stage.person(autocommit=True), self.stage.open()
        for statement in RESTORE:
            self.eye.execute(statement)
        rows = self.eye.execute("SELECT id, started_at, note FROM app.user_sessions").fetchall()
        latest = max(at for _, at, _ in rows)
        months = [latest - timedelta(days=days) for days in (0, 31, 45, 62)]
        writers = [Writer(self.stage.person()) for _ in range(2)]
        self.application = Application(writers, {id_: (at, note) for id_, at, note in rows}, months)
        position = self.kind.position()
        self.phase, self.epoch, self.copies = position.phase, position.epoch, 0
        self.rewritten = False
        self.late: list[tuple[Kind, Fence, Diff]] = []
        self._go_to(begins, late)

    def teardown(self) -> None:
        if not hasattr(self, "application"):
            return
        try:
            # I6: whatever happened, there is a way on; and what was promised is there at its end, and on the way back.
            self.application.end_all()
            self._go_far()
            assert self.phase is Phase.CUT_OVER, INVARIANTS["I6"]
            self.holds()
            self._remember()
            self.kind.cut_back()
            self.kind.abort()
            self.phase = Phase.PLANNED
            for late in self.late:
                self._wake(*late)
            self._promises_are_kept()
        except BaseException:
            self.stages.drop(self.stage)
            raise
        self.stage.close()
        self.stage.connections.clear()
        self.stages.stage = self.stage

    # ---- what anybody may do; between any two steps the application lives on ----

    @rule(seed=SEEDS)
    def the_application_lives_on(self, seed: int) -> None:
        self._live(Random(seed), statements=6)

    @precondition(lambda self: self.phase in COPIES)
    @rule(
        what=some.sampled_from(("copies", "copies", "dies early", "dies late", "halves", "plans again", "fills")),
        choice=CHOICES,
        seed=SEEDS,
    )
    def a_worker(self, what: str, choice: int, seed: int) -> None:
        self._live(Random(seed))
        pending = self._pending()
        if what == "copies":
            self._copy()
        elif what.startswith("dies"):
            self._die_in_a_chunk(late=what == "dies late")
        elif what == "halves" and pending:
            self.kind.halve_chunk(pending[choice % len(pending)][0])
        elif what == "plans again":
            self.kind.plan_chunks(8)
            self.rewritten = False
        elif what == "fills" and not self.rewritten:
            self._fill_a_window(self.application.months[choice % 4])

    @precondition(lambda self: self.late)
    @rule(choice=CHOICES, seed=SEEDS)
    def somebody_of_an_older_epoch_wakes(self, choice: int, seed: int) -> None:
        self._live(Random(seed))
        self._wake(*self.late[choice % len(self.late)])

    @rule(what=some.sampled_from(("vacuum", "vacuum", "rewrite", "compare", "compare")), seed=SEEDS)
    def somebody_looks_after_the_table(self, what: str, seed: int) -> None:
        self._live(Random(seed), hold_tables=what != "rewrite")
        if what == "vacuum":
            self.eye.execute("VACUUM app.user_sessions")
        elif what == "rewrite" and self.phase in COPIES:
            self.eye.execute("VACUUM FULL app.user_sessions")
            self.rewritten = True
            self._note("rewritten")
        elif what == "compare" and self.phase in (*COPIES, Phase.CUT_OVER):
            assert self.kind.diff().clean == (self._ask(UNEQUAL) == (0, 0)), INVARIANTS["I9"]
            self._note("compared")

    @rule(what=some.sampled_from(("on", "on", "on to the cutover", "back", "back and over again", "abort")), seed=SEEDS)
    def the_migration_goes(self, what: str, seed: int) -> None:
        self._live(Random(seed), hold_tables=False)
        if what == "on":
            self._go_forward()
        elif what == "on to the cutover" and self.phase is not Phase.PLANNED:
            self._go_far()
        elif what.startswith("back") and self.phase is Phase.CUT_OVER:
            self._remember()
            self.kind.cut_back()
            self.phase, self.epoch = Phase.VERIFIED, self.epoch + 1
            self._note("cut back")
            if what == "back and over again":
                self._go_far()
        elif what == "abort" and self.phase in (Phase.EXPANDED, *COPIES):
            self._remember()
            self.kind.abort()
            self.phase, self.epoch = Phase.PLANNED, self.epoch + 1
            self._go_forward()
            self._note("aborted")

    # ---- what must hold ----

    @invariant()
    def holds(self) -> None:
        self._promises_are_kept()
        position = self.kind.position()
        assert (position.phase, position.epoch) == (self.phase, self.epoch)
        if self.phase not in (*COPIES, Phase.CUT_OVER):
            return
        missing, extra = self._ask(UNEQUAL)
        assert extra == 0, INVARIANTS["I1"]
        if self.phase is Phase.CUT_OVER or not self._pending():
            assert missing == 0, INVARIANTS["I1"]
        if self.phase in COPIES and not self.rewritten:
            assert self._ask(NOT_COPIED) == (0,), INVARIANTS["I5"]

    # ---- within ----

    def _promises_are_kept(self) -> None:
        rows = self.eye.execute("SELECT id, started_at, note FROM app.user_sessions").fetchall()
        live, truth = {id_: (at, note) for id_, at, note in rows}, self.application.truth
        assert len(live) == len(rows), INVARIANTS["I3"]
        assert {id_: live.get(id_) for id_ in truth} == truth, INVARIANTS["I2"]
        assert live.keys() <= truth.keys(), INVARIANTS["I3"]

    def _live(self, random: Random, *, statements: int = 2, hold_tables: bool = True) -> None:
        """The application does something, or nothing. What waits for the table's lock comes when nobody holds it."""
        app = self.application
        for _ in range(random.randint(0, statements)):
            number = random.randrange(len(app.writers))
            what = random.choice(WISHES)
            if what == "write":
                verb = random.choice(tuple(STATEMENTS))
                refused = app.refused
                app.write(number, verb, random.randrange(99), random.randrange(len(app.months)))
                if app.refused > refused:
                    self._note("refused (40001) and repeated")
                self._note(f"{verb}, {'captured' if self.phase in COPIES else self.phase}")
            elif what.startswith("begin") and not app.writers[number].is_open:
                app.open(number, isolated=what == "begin isolated", copies=self.copies)
            elif what == "look" and app.writers[number].is_open:
                found, expected = app.look(number)
                assert found == expected, INVARIANTS["I7"]
            elif what in ("commit", "roll back") and app.writers[number].is_open:
                app.end(number, commits=what == "commit")
        for number, writer in enumerate(app.writers):
            if writer.touches and not hold_tables:
                app.end(number, commits=random.random() < 0.7)

    def _go_to(self, phase: Phase, late: bool) -> None:
        """The way to where the example begins; a session dies on it."""
        while self.phase is not phase:
            before = self.phase
            self._go_forward()
            if self.phase is Phase.CAPTURING and before is not Phase.CAPTURING:
                self._die_in_a_chunk(late=late)

    def _go_far(self) -> None:
        for _ in range(60):
            if self.phase is Phase.CUT_OVER or not self._go_forward():
                break

    def _go_forward(self) -> bool:
        """The next step of the way; false when it is held up, as it must be."""
        if self.phase is Phase.PLANNED:
            self.kind.expand()
        elif self.phase is Phase.EXPANDED:
            self.kind.start_capture()
            self.kind.plan_chunks(16)
            self.rewritten = False
        elif self.phase is Phase.CAPTURING and self._pending():
            return self._copy()
        elif self.phase is Phase.CAPTURING:
            self.kind.finish_backfill(Fence(self.epoch))
        elif self.phase is Phase.BACKFILLED or (self.phase is Phase.VERIFIED and self._unproven()):
            if self.rewritten or self._pending():
                return self._copy()
            self.kind.verify(self.kind.diff())
        elif self.phase is Phase.VERIFIED:
            return self._cut_over()
        else:
            return False
        self.phase = self.kind.position().phase
        return True

    def _cut_over(self) -> bool:
        old = [w for w in self.application.writers if w.seen is not None and w.copies_seen < self.copies]
        assert bool(self.kind.drain(0).pending) >= bool(old), INVARIANTS["I7"]
        if old:
            return False
        if self._pending():
            with pytest.raises(NotYet, match="chunks are pending"):
                self.kind.cut_over()
            return self._copy()
        self.kind.cut_over()
        self.phase = Phase.CUT_OVER
        self._note("cut over")
        if any(writer.seen is not None for writer in self.application.writers):
            self._note("cut over under a snapshot that is younger than the copy")
        return True

    def _copy(self) -> bool:
        if self.rewritten and self._pending():
            with pytest.raises(Drifted, match="was rewritten"):
                self.kind.copy_chunk(0, Fence(self.epoch))
        if self.rewritten:
            self.kind.plan_chunks(16)
            self.rewritten = False
        try:
            copied = self.kind.copy_chunk(0, Fence(self.epoch))
        except ChunkBusy as busy:
            self.kind.halve_chunk(busy.chunk)
            self._note("busy")
            return True
        self.copies += copied is not None
        return True

    def _die_in_a_chunk(self, *, late: bool) -> None:
        before = self._pending()
        with self._killed_at("check_off_chunk", after=late):
            try:
                killed = self.kind.copy_chunk(0, Fence(self.epoch)) is not None
            except (StoreDown, ChunkBusy, Drifted) as error:
                killed = isinstance(error, StoreDown)
        self.kind = self.stage.open()
        assert self._pending() == before, INVARIANTS["I5"]
        self._note("killed" if killed else "nothing to kill")

    def _fill_a_window(self, at: datetime) -> None:
        try:
            result = self.kind.backfill_window(Window(at - timedelta(days=20), at + timedelta(days=20)))
        except LockBusy:
            self._note("window, busy")
        else:
            self.copies += 1
            assert result.diff.clean, (INVARIANTS["I1"], result.diff.samples)
            self._note("window")

    def _wake(self, kind: Kind, fence: Fence, diff: Diff) -> None:
        with pytest.raises(Fenced):
            kind.copy_chunk(1, fence)
            raise AssertionError(INVARIANTS["I4"])
        with pytest.raises(Fenced):
            kind.verify(diff)
            raise AssertionError(INVARIANTS["I8"])
        self._note("fenced")

    def _remember(self) -> None:
        """A worker and a verifier of this epoch stay behind."""
        kind = self.stage.open()
        diff = kind.diff()
        self.late.append(
            (kind, Fence(self.epoch), replace(diff, missing=0))
        )  # clean, though it was begun before the copy

    @contextmanager
    def _killed_at(self, verb: str, *, after: bool) -> Iterator[None]:
        """Its session is ended before or after a statement of the marks."""
        execute = Marks.execute

        def killing(marks: Marks, c: psycopg.Connection, asked: str, **values: object) -> int:
            if asked != verb:
                return execute(marks, c, asked, **values)
            touched = execute(marks, c, asked, **values) if after else 0
            self.eye.execute("SELECT pg_terminate_backend(%s, 5000)", [c.info.backend_pid])
            return touched or execute(marks, c, asked, **values)

        with mock.patch.object(Marks, "execute", killing):
            yield

    def _pending(self) -> list[tuple[int, str, str]]:
        asked = "SELECT number, lo, hi FROM sluice.chunk WHERE done_at IS NULL ORDER BY number"
        return self.eye.execute(asked).fetchall()

    def _unproven(self) -> bool:
        return self.kind.position().verified_at is None

    def _ask(self, question: str) -> tuple[int, ...]:
        names = (
            ("user_sessions__old", "user_sessions")
            if self.phase is Phase.CUT_OVER
            else ("user_sessions", "user_sessions_by_month")
        )
        source, target = (Identifier("app", name) for name in names)
        found = self.eye.execute(SQL(question).format(source=source, target=target)).fetchone()
        assert found is not None
        return tuple(found)

    def _note(self, what: str) -> None:
        self.seen[what] += 1


def test_whatever_happens_in_whatever_order_the_invariants_hold(server, few_rows, migration):
    # Without the shadow read: what it compares is the application's statements, and here is no such application.
    wanted = {
        "cutover": migration.cutover.model_copy(update={"tries": 20}),
        "gates": migration.gates.model_copy(update={"shadow": None}),
    }
    patient = migration.model_copy(update=wanted)
    stages, seen = Stages(server, few_rows, patient), Counter()
    try:
        run_state_machine_as_test(type("Machine", (Machine,), {"stages": stages, "seen": seen}), settings=SETTINGS)
    finally:
        stages.clear()
    print("\n" + "\n".join(f"{count:5} {what}" for what, count in sorted(seen.items())))
    assert seen.keys() >= MUST_COME, f"it never came to {MUST_COME - seen.keys()}: nothing is proved of them"
