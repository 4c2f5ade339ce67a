"""Lanes of one migration on two workers of Celery, under live writers; one worker is killed in the middle of the copy.

What it lets go is taken up by the other, the run comes to its end, and no acknowledged write is lost. How long a lane was
missed is printed: docs/howto/run-on-many-workers.md says what it is made of. Wants a Redis: `python -m tests.redis_server`
fetches one, and `./sluice test --all` too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sluice.local import airflow_processes, databases, machine, workers
from sluice.local.airflow_api import Unreachable
from sluice.local.certify import WorkloadProcess, seed, verify
from sluice.local.ports import free_port
from sluice.local.processes import family_of, look
from sluice.local.settings import PORT_SETTINGS, Settings
from sluice.local.waiting import wait_for
from sluice.stores.postgres import connect

from tests.e2e.driver import DAG, PATIENCE, Driver
from tests.e2e.killing import _dags
from tests.redis_server import redis_server

ROWS = 300_000
RATE = 40.0
LANES = 4
CHUNK_ROWS = 1_000
"""So that there are hundreds of chunks to die among."""
LANE = "backfill.copy_lane"
SOON = 180
"""Seconds in which a lost lane is at work again: a heartbeat that is missed, the look for it, and the wait before a next try."""


@dataclass(frozen=True)
class Try:
    """One try of a lane: where, in which state, and when it began."""

    lane: int
    number: int
    host: str
    state: str
    began: datetime | None


def test_a_worker_dies_in_the_middle_of_a_copy_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with two_workers(tmp_path) as driver, application(driver, tmp_path) as app:
        run = driver.start("cut_over", lanes=LANES, chunk_rows=CHUNK_ROWS)
        wait_for("lanes on both workers", lambda: set(hosts(driver, run)) == {"worker-1", "worker-2"}, seconds=PATIENCE)
        wait_for("work in progress", lambda: driver.kind.progress().done >= 20, seconds=PATIENCE)
        lost = [one for one in tries(driver, run) if one.host == "worker-2" and one.state == "running"]
        died = kill(driver.settings, "worker-2")
        copied = driver.kind.progress()
        assert lost and copied.done < copied.chunks, "it was not in the middle of it"
        told = [f"worker-2 died with {len(lost)} lanes at {copied}"]
        question = driver.asked(run)
        driver.api.answer(DAG, run, question, "Approve")
        assert driver.finish(run) == "success", driver.tasks(run)
        told += missed(lost, tries(driver, run), died)
        logs = [driver.api.task_log(DAG, run, LANE, one.lane, one.number + 1) for one in lost]
        assert all("LaneResult" in log for log in logs), "what a task said on a worker is not to be read"
        diff = driver.kind.diff()
        assert diff.clean and diff.source_rows == diff.target_rows == diff.compared >= ROWS
        app.burst(20)
        seen = app.stop()
        report = verify(driver.mover, app.acknowledged)
        told.append(f"{report}; {seen.total.writes:,} writes; {diff.compared:,} rows compared, all alike")
        with capsys.disabled():  # what is measured is to be seen, also when all is well
            print("", *told, sep="\n")
        assert report.ok and seen.total.user_errors == 0, seen.total.samples
        up_brings_it_back(driver.settings)


@contextmanager
def two_workers(folder: Path) -> Iterator[Driver]:
    """Bring up the machine with two workers, and the sample; down again at the end, and nobody is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_STATE_DIR", str(folder / "state"))
        patch.setenv("SLUICE_DAGS_DIR", str(_dags(folder / "dags")))
        patch.setenv("SLUICE_WORKERS", "2")
        patch.setenv("SLUICE_REDIS", redis_server())
        for name in PORT_SETTINGS.values():
            patch.setenv(name, str(free_port()))
        try:
            settings = machine.up(quiet=True)
            with connect(settings.dsn("certify"), purpose="e2e") as mover:
                seed(mover, rows=ROWS, report=lambda line: None)
                yield Driver(settings, machine.api(settings), mover)
        finally:
            everyone = family_of(airflow_processes.processes(machine.load()))
            machine.down()
            assert not [pid for pid in everyone if look(pid)]
            assert not any(part.pid or part.died for part in machine.status())


@contextmanager
def application(driver: Driver, folder: Path) -> Iterator[WorkloadProcess]:
    """Write all the while, as users do."""
    dsn = driver.settings.dsn("certify", databases.APPLICATION)
    with WorkloadProcess(dsn, folder / "acknowledged.jsonl", rate=RATE) as app:
        yield app


def tries(driver: Driver, run: str) -> list[Try]:
    """Give every try of every lane so far."""
    path = f"/dags/{DAG}/dagRuns/{run}/taskInstances/{LANE}"
    return [
        _try(told)
        for task in driver.api.tasks(DAG, run)
        if task.task_id == LANE and task.map_index >= 0
        for told in driver.api._call("GET", f"{path}/{task.map_index}/tries")["task_instances"]
    ]


def hosts(driver: Driver, run: str) -> list[str]:
    """Give where lanes are at work; nothing while Airflow is too busy to say."""
    with suppress(Unreachable):
        found = driver.api._call("GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances?state=running")["task_instances"]
        return [one["hostname"] for one in found if one["task_id"] == LANE]
    return []


def kill(settings: Settings, name: str) -> datetime:
    """Kill a worker and every task of it: no signal handler, no goodbye. Gives the moment."""
    process = airflow_processes.process(settings, name)
    died = datetime.now(UTC)
    for pid in family_of([process]):
        os.kill(pid, signal.SIGKILL)
    wait_for("its death", lambda: process.pid() is None and not family_of([process]), seconds=10)
    return died


def missed(lost: list[Try], all_tries: list[Try], died: datetime) -> list[str]:
    """Say when each lane that was lost was at work again; it was at the worker that is left, and soon."""
    told = []
    for one in lost:
        [again] = [later for later in all_tries if (later.lane, later.number) == (one.lane, one.number + 1)]
        assert again.began is not None and (again.host, again.state) == ("worker-1", "success"), again
        seconds = (again.began - died).total_seconds()
        told.append(f"lane {one.lane}, lost with {one.host}, was taken up by {again.host} after {seconds:.0f} s")
        assert seconds < SOON
    return told


def up_brings_it_back(settings: Settings) -> None:
    """`status` tells who died, `up` starts it again, and it answers."""
    assert [part.name for part in machine.status() if part.died and not part.pid] == ["worker-2"]
    machine.up(quiet=True)
    assert workers.are_well(settings)


def _try(told: dict[str, Any]) -> Try:
    began = datetime.fromisoformat(told["start_date"]) if told["start_date"] else None
    return Try(told["map_index"], told["try_number"], told["hostname"] or "", told["state"], began)
