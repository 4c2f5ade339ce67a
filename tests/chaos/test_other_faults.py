"""A full disk, a network that resets, sessions that keep old snapshots, a worker that wakes in another age."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from sluice import failpoints
from sluice.errors import Transient
from sluice.estate import Migration
from sluice.failpoints import armed
from sluice.migration.engine.contract import Fenced, Kind, Phase
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import StoreDown, StoreFull, connect
from sluice.stores.privileges import unprivileged

from tests.chaos.drill import CHUNK_ROWS, fitted, live
from tests.chaos.proxy import Proxy, network
from tests.chaos.stage import Stage
from tests.chaos.traveller import take_leg, travelling
from tests.harness import advance

BEFORE = {
    "chunk.checked_off": (Step.BACKFILL, Phase.CAPTURING),
    "fence.committing": (Step.VERIFY, Phase.VERIFIED),
    "attempt.committing": (Step.CUT_OVER, Phase.CUT_OVER),
}
"""Edges right before a COMMIT: the leg they are on, and where it leads when the COMMIT happens."""


@pytest.fixture
def migration(migration: Migration) -> Migration:
    """Small chunks."""
    return fitted(migration)


@pytest.fixture
def small_disk(server, tmp_path_factory) -> Iterator[Path]:
    """A disk of 8 MB, and tablespace `small` on it. Asked for before the stage, whose database must go first."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here (root may): there is no disk that could be filled")
    try:
        folder.chmod(0o711)
        space = folder / "space"
        space.mkdir(mode=0o700)
        unprivileged(server.cluster.folder).give(space)
        with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
            c.execute(SQL("CREATE TABLESPACE small LOCATION {}").format(Literal(str(space))))
            c.execute("GRANT CREATE ON TABLESPACE small TO sluice_mover, certify_owner")
            yield folder
            c.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def for_movers(stage: Stage, setting: str, value: str) -> None:
    """What the people of this database have set for our role."""
    with psycopg.connect(stage.database.dsn("admin"), autocommit=True) as c:
        named = {"name": Identifier(stage.database.name), "setting": Identifier(setting), "value": Literal(value)}
        c.execute(SQL("ALTER ROLE sluice_mover IN DATABASE {name} SET {setting} = {value}").format(**named))


def fill(disk: Path) -> Path:
    """Write until nothing more fits; gives the ballast."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as written, pytest.raises(OSError, match="No space left"):
        while True:
            written.write(b"x" * 4096)
    return ballast


def test_a_full_disk_stops_the_copy_with_nothing_half_done(small_disk, stage):
    for_movers(stage, "default_tablespace", "small")
    stage.lay_out(chunk_rows=CHUNK_ROWS)
    stage.open().copy_chunk(0, stage.fence())
    before = stage.open().progress(), stage.ask("SELECT count(*) FROM app.user_sessions_by_month")
    ballast = fill(small_disk)
    with pytest.raises(StoreFull, match=r"app\.user_sessions, lane 0: .*No space left.*Make room there"):
        stage.copy_rest()
    full = stage.open().progress()
    assert before[0].done <= full.done < full.chunks
    assert stage.ask("SELECT count(*) FROM app.user_sessions_by_month") == [(full.rows,)]
    ballast.unlink()
    advance(stage.open, Phase.CUT_OVER)
    assert stage.open().progress().rows == 2_000
    assert stage.open().diff().clean


def by_way_of(proxy: Proxy, stage: Stage) -> Callable[[], Kind]:
    """Open the kind through a network."""
    dsn = proxy.dsn(stage.database.dsn())
    return lambda: open_kind(stage.migration, lambda purpose: stage._kept(connect(dsn, purpose=purpose)))


def test_a_network_that_resets_again_and_again_loses_nothing(stage):
    random, arrived = Random(26), threading.Event()
    with network(stage.database.server.cluster.port) as proxy, live(stage) as drill:
        opening = by_way_of(proxy, stage)

        def resets() -> None:
            for _ in range(12):
                arrived.wait(random.uniform(0.05, 0.6))
                proxy.cut()

        cutter = threading.Thread(target=resets)
        cutter.start()
        failures: list[Transient] = []
        while drill.phase is not Phase.CUT_OVER:
            try:
                advance(opening, Phase.CUT_OVER)
            except Transient as error:
                failures.append(error)
        arrived.set()
        cutter.join()
        assert len(failures) > 2, "hardly anybody noticed: nothing is proved"
        assert {type(error) for error in failures} <= {StoreDown, *Transient.__subclasses__()}
        drill.check("after the resets")
        drill.judge()


@pytest.mark.parametrize("edge", BEFORE)
def test_a_commit_whose_answer_was_lost_is_found_done(stage, monkeypatch, edge):
    leg, arrives = BEFORE[edge]
    with network(stage.database.server.cluster.port) as proxy, live(stage) as drill:
        drill.stand_before(leg)
        done = stage.open().progress().done
        monkeypatch.setitem(failpoints.ACTIONS, "go_deaf", lambda *_: proxy.lose_the_answer_to_commit())
        hit = 2 if leg == Step.BACKFILL else 1
        with armed(f"{edge}=go_deaf@{hit}"), pytest.raises(StoreDown):
            take_leg(by_way_of(proxy, stage), leg, 1)
        assert proxy.swallowed > 0, "no answer was lost: nothing is proved"
        assert drill.phase is arrives, "the COMMIT did not happen: nothing is proved"
        assert leg != Step.BACKFILL or stage.open().progress().done == done + 2
        drill.check(edge)
        take_leg(stage.open, leg, 2)
        drill.arrive(Phase.CUT_OVER)
        drill.judge()


@pytest.mark.parametrize("isolation", ("repeatable read", "serializable"))
def test_a_worker_of_a_role_with_old_snapshots_reads_behind_the_fence(stage, isolation):
    stage.lay_out()
    for_movers(stage, "default_transaction_isolation", isolation)
    worker, fence, somebody = stage.worker(), stage.fence(), stage.person("admin")
    somebody.execute("SELECT pg_advisory_xact_lock(sluice.fence('user_sessions'))")
    with stage.background(worker.pid, lambda: worker.kind.copy_chunk(0, fence)) as copying:
        somebody.execute("UPDATE sluice.migration SET epoch = epoch + 1")
        somebody.commit()
        with pytest.raises(Fenced, match="in epoch 2; this worker was started for epoch 1"):
            copying.result()
    assert stage.ask("SELECT count(*) FROM app.user_sessions_by_month") == [(0,)]


def test_a_role_with_serializable_transactions_migrates_under_load(stage):
    for_movers(stage, "default_transaction_isolation", "serializable")
    with live(stage, rate=150) as drill:
        drill.arrive(Phase.CUT_OVER)
        drill.judge()


def test_a_process_that_wakes_after_its_epoch_is_over_writes_nothing(stage):
    with live(stage, lanes=1) as drill:
        drill.stand_before(Step.BACKFILL)
        with travelling(drill.order(Step.BACKFILL, "lane.copied=hold:30@1")) as sleeper:
            assert sleeper.reaches() == "lane.copied"
            drill.arrive(Phase.PLANNED)
            drill.stand_before(Step.BACKFILL)
            planned = stage.open().plan_chunks()
            sleeper.goes_on()
            assert sleeper.ends().raised.startswith("Fenced: user_sessions is capturing in epoch 2")
        assert (planned.done, stage.open().progress().done) == (0, 0)
        drill.arrive(Phase.CUT_OVER)
        drill.judge()
