"""The pause of a swap: nobody waits for what could be asked before, nor longer than one lock timeout, nor for the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

import pytest
from sluice.migration.engine.contract import Drifted, Kind, NotYet, Phase
from sluice.migration.kinds.same_cluster import swap
from sluice.stores.postgres import LockBusy

from tests.chaos.mortal import mortal_server
from tests.chaos.stage import Stage, Worker
from tests.harness import advance

TIMEOUT = 0.4
"""Seconds of one try here: far above what a busy machine adds."""
NOISE = 0.3

MEANWHILE = {
    "capture off": ('ALTER TABLE app.user_sessions DISABLE TRIGGER "!sluice_capture"', NotYet, "capture on .* is off"),
    "a column more": ("ALTER TABLE app.user_sessions ADD COLUMN mood text", Drifted, "was changed since"),
    "a view more": ("CREATE VIEW app.sudden AS SELECT id FROM app.user_sessions", NotYet, r"app\.sudden"),
    "a row that does not fit": (
        "INSERT INTO app.user_sessions (tenant_id, user_id, started_at) VALUES ('tenant-001', gen_random_uuid(), '2050-05-05')",
        NotYet,
        "1 rows are in quarantine",
    ),
    "a chunk undone": ("UPDATE sluice.chunk SET done_at = NULL WHERE number = 1", NotYet, "1 chunks are pending"),
}
AFTERWARDS = {
    "capture off": (MEANWHILE["capture off"][0], NotYet, "reverse capture on .* is off"),
    "a column more": (MEANWHILE["a column more"][0], Drifted, "has columns that the old table has not: mood text"),
    "a grant more": ("GRANT TRUNCATE ON app.user_sessions TO certify_app", Drifted, "was changed since the cutover"),
    "a row that does not fit": (
        "INSERT INTO sluice.quarantine SELECT name, '[1]', 'planted' FROM sluice.migration",
        NotYet,
        "cannot hold 1 rows",
    ),
}


def patient(stage: Stage, tries: int = 1) -> Worker:
    """A kind whose tries last long enough to be told from noise."""
    worker = stage.worker()
    cutover = stage.migration.cutover.model_copy(update={"lock_timeout": timedelta(seconds=TIMEOUT), "tries": tries})
    object.__setattr__(worker.kind, "migration", stage.migration.model_copy(update={"cutover": cutover}))
    return worker


def before_the_locks(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Do something when all was looked at once, right before the locks are asked for."""
    lock = swap.lock_tables

    def later(c, *arguments):
        # What is in the pipeline by now is what the first look has passed.
        do()
        lock(c, *arguments)

    monkeypatch.setattr(swap, "lock_tables", later)


@contextmanager
def writing(stage: Stage) -> Iterator[list[float]]:
    """Somebody who writes one row after another; gives the seconds of each write."""
    waits: list[float] = []
    stopping = Event()
    writer = stage.person(autocommit=True)

    def write() -> None:
        while not stopping.wait(0.01):
            began = time.monotonic()
            writer.execute("UPDATE app.user_sessions SET note = 'at it' WHERE id = 900")
            waits.append(time.monotonic() - began)

    thread = Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        stopping.set()
        thread.join()


@pytest.mark.parametrize("change", MEANWHILE)
def test_what_changes_after_the_first_look_is_seen_under_the_locks(stage, monkeypatch, change):
    done, error, said = MEANWHILE[change]
    advance(stage.open, Phase.VERIFIED)
    with monkeypatch.context() as between:
        before_the_locks(between, lambda: stage.ask(done))
        with pytest.raises(error, match=said):
            stage.open().cut_over()
    assert stage.open().position().phase is Phase.VERIFIED


@pytest.mark.parametrize("change", AFTERWARDS)
def test_what_changes_after_the_first_look_is_seen_before_it_is_cut_back(stage, monkeypatch, change):
    done, error, said = AFTERWARDS[change]
    advance(stage.open, Phase.CUT_OVER)
    with monkeypatch.context() as between:
        before_the_locks(between, lambda: stage.ask(done))
        with pytest.raises(error, match=said):
            stage.open().cut_back()
    assert stage.open().position().phase is Phase.CUT_OVER


def test_a_cutover_that_may_not_be_asks_for_no_lock(stage):
    advance(stage.open, Phase.VERIFIED)
    stage.ask(MEANWHILE["capture off"][0])
    somebody = stage.person()
    somebody.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    with pytest.raises(NotYet, match=r"capture on .* is off"):
        stage.open().cut_over()  # it would have waited for somebody


HOLD = {
    "a long reader": "SELECT id, pg_sleep(60) FROM app.user_sessions LIMIT 1",
    "an idle transaction": "UPDATE app.user_sessions SET note = 'idle' WHERE id = 700",
}


@pytest.mark.parametrize("who", HOLD)
@pytest.mark.parametrize("leg", ("cut_over", "cut_back"))
def test_while_somebody_holds_the_table_no_writer_waits_longer_than_one_lock_timeout(stage, who, leg):
    advance(stage.open, Phase.VERIFIED if leg == "cut_over" else Phase.CUT_OVER)
    swapper, somebody = patient(stage, tries=3), stage.person()
    holding = Thread(target=lambda: quietly(lambda: somebody.execute(HOLD[who])))
    holding.start()
    time.sleep(0.2)
    named = rf"session {somebody.info.backend_pid} \(sluice_mover, a person, .*Nothing was changed"
    with writing(stage) as waits, pytest.raises(LockBusy, match=named):
        getattr(swapper.kind, leg)()
    assert TIMEOUT / 2 < max(waits) < TIMEOUT + NOISE, "nobody queued, or for more than one try"
    somebody.cancel_safe()
    holding.join()
    somebody.rollback()
    assert getattr(stage.open(), leg)().pause_ms > 0
    assert stage.open().diff().clean


def test_of_many_who_hold_it_the_one_who_began_first_is_named(stage):
    advance(stage.open, Phase.VERIFIED)
    people = [stage.person() for _ in range(7)]
    for person in sorted(people, key=lambda person: -person.info.backend_pid):
        person.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    first = max(person.info.backend_pid for person in people)
    with pytest.raises(LockBusy, match=f"In the way: session {first} "):
        stage.open().cut_over()


def quietly(call: Callable[[], object]) -> None:
    """Let somebody be cancelled."""
    from psycopg import errors

    try:
        call()
    except errors.QueryCanceled:
        return


def test_two_who_hold_it_one_after_the_other_do_not_add_up(stage):
    """PostgreSQL counts a lock timeout for each lock anew: the second wait begins where the first ended."""
    advance(stage.open, Phase.VERIFIED)
    swapper, first, second = patient(stage), stage.person(), stage.person()
    first.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    second.execute("LOCK TABLE app.user_sessions_by_month IN ACCESS SHARE MODE")
    with writing(stage) as waits:
        with stage.background(swapper.pid, swapper.kind.cut_over) as swapping:
            time.sleep(TIMEOUT * 0.7)
            first.rollback()
            with pytest.raises(LockBusy):
                swapping.result()
        second.rollback()
    assert TIMEOUT / 2 < max(waits) < TIMEOUT + NOISE / 2


def test_cutting_back_asks_for_the_live_table_first_as_its_writers_do(stage):
    """They hold it, and capture takes them to the other one: the other way round, each would wait for the other."""
    advance(stage.open, Phase.CUT_OVER)
    swapper, reader = patient(stage), stage.person()
    ((old,),) = stage.ask("SELECT 'app.user_sessions__old'::regclass::oid::bigint")
    reader.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    with stage.background(swapper.pid, swapper.kind.cut_back) as swapping:
        held = stage.ask("SELECT mode FROM pg_locks WHERE pid = %s AND relation = %s AND granted", swapper.pid, old)
        reader.rollback()
        swapping.result()
    assert ("AccessExclusiveLock",) not in held


def test_nobody_waits_for_the_disk_and_yet_a_swap_that_was_told_is_on_it(tmp_path, migration):
    """The server dies at the very moment at which it was told."""
    with mortal_server(tmp_path) as mortal, mortal.database() as database:
        stage = Stage(database, migration)
        advance(stage.open, Phase.VERIFIED)
        swapped(stage.open(), mortal.server.cluster.kill)
        mortal.server.cluster.start()
        assert stage.open().position().phase is Phase.CUT_OVER
        stage.close()


def swapped(kind: Kind, then: Callable[[], None]) -> None:
    """Cut over, and do something as soon as the swap is told of; what would come after is lost with the server."""
    told = swap.patiently

    def telling(*arguments):
        done = told(*arguments)
        then()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swap, "patiently", telling)
        with pytest.raises(Exception, match=r"server|connection"):
            kind.cut_over()
