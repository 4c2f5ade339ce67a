"""What Airflow costs: an empty table through every phase, from the trigger to the last task, against the same steps alone."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sluice.errors import Terminal
from sluice.estate import read_estate
from sluice.estate.models import Migration
from sluice.local import airflow_processes, databases, machine
from sluice.local.airflow_api import FINISHED, AirflowApi
from sluice.local.certify import seed
from sluice.local.ports import free_port
from sluice.local.settings import Ports, Settings, load
from sluice.local.tables import table
from sluice.local.venvs import ROOT
from sluice.local.waiting import wait_for
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Kind, Phase
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.engine.way import ARRIVES_AT, Step, way
from sluice.migration.kinds import open_kind
from sluice.proof.gates.run import judge
from sluice.proof.gates.suites import load_great_expectations
from sluice.stores.postgres import connect
from sluice.stores.statements import statement

from benchmarks._scratch import setting, summary, timed

DAG = "migrate__empty"
EMPTY = """\
migration: empty
from: {store: certify, table: app.user_sessions}
into: {table: app.user_sessions_by_month, partition: {range: started_at, every: month}}
accept: [weaker_key]
"""
"""No suite of a person's: those that the sample has want rows."""
ALLOWED_SECONDS = 60

AIRFLOW, ALONE = "every phase through Airflow", "the same steps and gates, alone"
BETWEEN, STARTING = "of it between tasks: the scheduler", "of it until a task works: imports, the DAG file"
WORKING = {
    "gate": "of it gates at work, evidence and all",
    "approve": "of it two questions, answered at once",
    "": "of it steps at work",
}
PARSED = "Worker startup parse complete"


@dataclass(frozen=True)
class Task:
    """One task of a run, all lanes as one: seconds since the trigger at which it was started, worked and was over."""

    name: str
    started: float
    working: float
    over: float

    @property
    def phase(self) -> str:
        """The group of the graph."""
        return self.name.partition(".")[0]

    @property
    def sort(self) -> str:
        """Which of WORKING it counts as."""
        return next(sort for sort in WORKING if self.name.partition(".")[2].startswith(sort))


def main() -> dict[str, Any]:
    """Go all the way, several times; the first time every process is new. Each task and phase of the last is printed."""
    seen: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="sluice-overhead-") as name, _airflow(Path(name)) as settings:
        migration = read_estate(settings.root).migrations["empty"]
        for _ in range(setting("ROUNDS", 3)):
            alone, tasks = _alone(settings, migration), _through_airflow(settings)
            parts = {AIRFLOW: tasks[-1].over, ALONE: sum(alone.values()), **_parts(tasks)}
            for part, seconds in parts.items():
                seen.setdefault(part, []).append(seconds)
            print(f"{tasks[-1].over:.1f} s through Airflow, {sum(alone.values()):.1f} s alone, {_load()}", flush=True)
    phases = _phases(tasks, alone)
    print(f"\n{_table(tasks)}\n\n{table(('phase', 'through Airflow', 'alone'), _rounded(phases))}\n")
    longest = max(seen[AIRFLOW])
    print(
        f"the longest took {longest:.1f} of {ALLOWED_SECONDS} s: {'kept' if longest < ALLOWED_SECONDS else 'NOT KEPT'}\n"
    )
    return summary("overhead", AIRFLOW, ALONE, seen) | {
        "longest": longest,
        "allowed": ALLOWED_SECONDS,
        "phases": phases,
    }


@contextmanager
def _airflow(folder: Path) -> Iterator[Settings]:
    """A machine of its own on a copy of the project, in which the empty table is the whole estate."""
    for part in ("dags", "plugins", "include", "expectations"):
        shutil.copytree(ROOT / part, folder / "project" / part)
    migrations = folder / "project" / "include/estate/migrations"
    for path in migrations.iterdir():
        path.unlink()
    (migrations / "empty.yaml").write_text(EMPTY)
    os.environ["SLUICE_STATE_DIR"] = str(folder / "state")
    project, ports = folder / "project", Ports(free_port(), free_port(), free_port())
    settings = replace(load(), root=project, dags_dir=project / "dags", ports=ports)
    try:
        machine.start_postgres(settings)
        machine.start_objects(settings)
        airflow_processes.prepare(settings)
        airflow_processes.start(settings)
        api = machine.api(settings)
        airflow_processes.create_pools(api, [("certify", read_estate(project).stores["certify"].pool_slots)])
        wait_for("DAGs", lambda: not airflow_processes.unparsed(settings, api), seconds=60)
        yield settings
    finally:
        airflow_processes.stop(settings)
        machine.object_store(settings).stop()
        settings.cluster.stop()


def _through_airflow(settings: Settings) -> list[Task]:
    """Run it to the end, another person saying yes as soon as it asks; give its tasks in their order."""
    _begin_afresh(settings, "certify")
    api, approver = machine.api(settings), machine.api(settings, "operator")
    began = time.time()
    run = api.trigger(DAG, {"to_phase": "retired", "retire_early": True})
    while (state := api.run_state(DAG, run)) not in FINISHED:
        for question in approver.approvals(DAG, run):
            approver.answer(DAG, run, question, "Approve")
        time.sleep(0.1)
    if state != "success":
        raise Terminal(f"{run} of {DAG} ended as {state}: nothing was measured.")
    return _tasks(api, run, began)


def _tasks(api: AirflowApi, run: str, began: float) -> list[Task]:
    found = api._call("GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
    tasks: dict[str, Task] = {}
    for one in found:
        if one["state"] == "success":
            started, over = (_moment(one[when]) - began for when in ("start_date", "end_date"))
            log = api.task_log(DAG, run, one["task_id"], one["map_index"])
            parsed = next(_moment(line.split()[0]) for line in log.splitlines() if PARSED in line) - began
            lane = tasks.get(one["task_id"], Task(one["task_id"], started, parsed, over))
            tasks[lane.name] = Task(
                lane.name, min(lane.started, started), min(lane.working, parsed), max(lane.over, over)
            )
    return sorted(tasks.values(), key=lambda task: task.started)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} processes at work on {os.cpu_count()} cores"


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _alone(settings: Settings, migration: Migration) -> dict[str, float]:
    """Take the same steps and judge the same gates without Airflow; give the seconds of each phase."""
    load_great_expectations()  # as the scheduler has, before it forks
    databases.create_certify(settings.cluster, "alone")
    with connect(_dsn(settings, "alone"), purpose="bench") as c:
        _begin_afresh(settings, "alone")
        kind = open_kind(migration, lambda _: c)
        looked = timed(lambda: steps.check_findings(migration.name, kind.preflight(), migration.accept))
        taken = {step: timed(partial(_take, kind, migration, step, settings.root)) for step in way(*_WAY)}
    return {"preflight": looked, **{_GROUPS.get(step, str(step)): seconds for step, seconds in taken.items()}}


_WAY = (Phase.PLANNED, Phase.RETIRED)
_GROUPS = {Step.CUT_OVER: "cutover"}


def _take(kind: Kind, migration: Migration, step: Step, root: Path) -> None:
    if step is Step.BACKFILL:
        steps.plan_backfill(kind)
        work_lane(kind, 0, Fence(kind.position().epoch), Throttle(migration.backfill.limits))
        facts = steps.finish_backfill(kind)
    else:
        facts = steps.TAKES[step](kind)
    gate, now = str(ARRIVES_AT[step]), kind.position().now
    assert now is not None  # the migration has marks by now
    judged = judge(
        gate,
        facts,
        subject=migration.source.table,
        suites=[gate],
        window=kind.sample(),
        freshness=migration.gates.freshness,
        now=now,
        facts_at=now,
        root=root,
    )
    if not judged.verdict.passed:
        raise Terminal(judged.verdict.describe())


def _begin_afresh(settings: Settings, database: str) -> None:
    with connect(_dsn(settings, database), purpose="bench") as mover:
        mover.execute(statement("demo.clear_sample"))
        seed(mover, rows=0, report=lambda _: None)


def _dsn(settings: Settings, database: str) -> str:
    return settings.cluster.dsn(database, databases.MOVER, settings.password(databases.MOVER))


def _parts(tasks: list[Task]) -> dict[str, float]:
    """Split the time of a run: it is linear, so what no task has is the scheduler's."""
    working = {told: sum(t.over - t.working for t in tasks if t.sort == sort) for sort, told in WORKING.items()}
    starting = sum(task.working - task.started for task in tasks)
    return {**working, STARTING: starting, BETWEEN: tasks[-1].over - starting - sum(working.values())}


def _phases(tasks: list[Task], alone: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give the seconds of each phase, from the end of the one before: through Airflow, and alone."""
    ends = {task.phase: task.over for task in tasks}
    begins = dict(zip(ends, [0.0, *ends.values()], strict=False))
    return {phase: (over - begins[phase], alone[phase]) for phase, over in ends.items()}


def _table(tasks: list[Task]) -> str:
    before = [0.0, *(task.over for task in tasks)]
    rows = [
        (t.name, *(f"{s:.2f}" for s in (t.started - b, t.working - t.started, t.over - t.working)))
        for t, b in zip(tasks, before, strict=False)
    ]
    return table(("task", "waiting", "starting", "at work"), rows)


def _rounded(phases: Mapping[str, tuple[float, float]]) -> list[tuple[str, str, str]]:
    return [(name, f"{seconds:.2f}", f"{alone:.2f}") for name, (seconds, alone) in phases.items()]
