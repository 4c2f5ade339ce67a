"""Lanes, sessions and whole servers die in the middle of the copy; what comes after goes on and loses nothing."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from sluice.local import databases
from sluice.local.certify import Workload, seed, verify
from sluice.local.ports import free_port
from sluice.migration.engine.contract import Phase
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import StoreDown, connect

from tests.chaos.lane import DSN_VARIABLE
from tests.chaos.stage import Stage, wait_until
from tests.conftest import Database, Server
from tests.harness import advance

ROOT = Path(__file__).parents[2]
LANE = Path(__file__).with_name("lane.py")
SLOWLY = "0.8"
ROWS = 2_000


@contextmanager
def lane_process(stage: Stage, number: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A lane that takes its time, in a process of its own; killed at the end, unless it was before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), DSN_VARIABLE: stage.database.dsn()}
    with subprocess.Popen(
        [sys.executable, str(LANE), str(number), SLOWLY], env=environment, stderr=subprocess.PIPE
    ) as lane:
        try:
            yield lane
        finally:
            lane.kill()


def kill_after(stage: Stage, chunks: int, random: Random) -> None:
    """Let two lanes check off so many chunks, then kill both at some moment."""
    wanted = stage.open().progress().done + chunks
    with lane_process(stage, 0) as one, lane_process(stage, 1) as other:
        looking = stage.open()
        wait_until(lambda: looking.progress().done >= wanted)
        for lane in (one, other):
            time.sleep(random.uniform(0, 0.02))
            assert lane.poll() is None, "it was done before it could be killed: nothing is proved"
            lane.kill()


def layout(stage: Stage) -> list[tuple[int, int, bool]]:
    """The chunks in the order of their pages: from, to, done."""
    return stage.ask(
        "SELECT split_part(trim(lo, '()'), ',', 1)::int AS first, split_part(trim(hi, '()'), ',', 1)::int, done_at IS NOT NULL"
        " FROM sluice.chunk ORDER BY first"
    )


def oracle(stage: Stage, workload: Workload) -> None:
    """Every acknowledged write is there, and no user saw an error."""
    with connect(stage.database.dsn(), purpose="oracle") as c:
        report = verify(c, workload.acknowledged)
    assert report.ok, report
    assert report.checked > 50
    assert workload.snapshot().total.user_errors == 0, workload.snapshot()


def test_lanes_killed_again_and_again_lose_nothing(stage):
    random = Random(2026)
    planned = stage.lay_out(chunk_rows=40)
    pages = layout(stage)
    with Workload(stage.database.dsn("certify_app"), seed=3, writers=2, rate=100) as workload:
        for _ in range(3):
            kill_after(stage, random.randint(3, 6), random)
        progress = stage.open().progress()
        assert 9 <= progress.done < progress.chunks, progress
        end = advance(stage.open, Phase.CUT_OVER)
        workload.burst(100)
    oracle(stage, workload)
    assert all(facts.get("rows_missing", 0) == 0 for facts in end.values())
    done = layout(stage)
    assert all(is_done for *_, is_done in done)
    assert [upper for _, upper, _ in done[:-1]] == [lower for lower, *_ in done[1:]], "a range of pages is lost"
    assert (done[0][0], done[-1][1]) == (pages[0][0], pages[-1][1])
    assert len(done) >= planned.chunks
    assert ROWS / 2 < stage.open().progress().rows <= ROWS


def test_killed_lanes_copy_each_row_once(stage):
    stage.lay_out(chunk_rows=40)
    kill_after(stage, 5, Random(7))
    stage.copy_rest()
    assert stage.open().progress().rows == ROWS
    assert stage.open().diff().clean


def test_a_session_ended_in_the_middle_of_a_chunk_takes_its_chunk_back(stage):
    stage.lay_out()
    worker, fence, somebody = stage.worker(), stage.fence(), stage.person()
    somebody.execute("SELECT FROM app.user_sessions WHERE id = %s FOR UPDATE", [stage.rows_of_first_chunk()[-1]])
    with stage.background(worker.pid, lambda: worker.kind.copy_chunk(0, fence)) as copying:
        stage.ask("SELECT pg_terminate_backend(%s)", worker.pid)
        with pytest.raises(StoreDown, match=r"app\.user_sessions, lane 0"):
            copying.result()
    somebody.rollback()
    assert stage.open().progress().done == 0
    assert stage.ask("SELECT count(*) FROM app.user_sessions_by_month") == [(0,)]
    stage.copy_rest()
    assert stage.open().progress().rows == ROWS
    assert stage.open().diff().clean


@pytest.fixture
def mortal(tmp_path_factory, migration) -> Iterator[Stage]:
    """A stage on a durable server of its own, which may crash."""
    cluster = Cluster(tmp_path_factory.mktemp("mortal"), free_port(), secrets.token_urlsafe(), durable=True)
    cluster.create()
    cluster.start()
    try:
        passwords = {role: secrets.token_urlsafe() for role in databases.LOGINS}
        databases.create_roles(cluster, passwords)
        databases.create_certify(cluster)
        with connect(cluster.dsn("certify"), purpose="seed") as c:
            seed(c, rows=ROWS, months=3)
        stage = Stage(Database(Server(cluster, passwords), "certify"), migration)
        yield stage
        stage.close()
    finally:
        cluster.stop()


def test_a_server_that_crashes_twice_under_load_loses_no_acknowledged_write(mortal):
    cluster = mortal.database.server.cluster
    mortal.lay_out(chunk_rows=40)
    crashes = (lambda: cluster._pg_ctl("stop", "--mode=immediate", "--wait"), cluster.kill)
    with Workload(mortal.database.dsn("certify_app"), seed=5, writers=2, rate=100) as workload:
        for crash in crashes:
            with lane_process(mortal) as lane:
                looking = mortal.open()
                wanted = looking.progress().done + 5
                wait_until(lambda looking=looking, wanted=wanted: looking.progress().done >= wanted)
                crash()
                _, said = lane.communicate(timeout=20)
                assert b"sluice.stores.postgres.StoreDown" in said, said.decode()
            cluster.start()
            progress = mortal.open().progress()
            assert wanted <= progress.done < progress.chunks, progress
        workload.burst(50)
        end = advance(mortal.open, Phase.CUT_OVER)
        workload.burst(50)
    oracle(mortal, workload)
    assert all(facts.get("rows_missing", 0) == 0 for facts in end.values())
    assert mortal.open().diff().clean
