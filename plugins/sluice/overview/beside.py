"""What the ledger has of a DAG, a run or a task: for the tabs that stand beside them in Airflow.

A run's id is not its DAG's alone, and the ledger keeps what was measured by whose it is: what has no evidence of this very DAG
and run counts as its own where the DAG is a migration's, and else is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.overview.asked import Asked, Waiting
from sluice.overview.history import Answer, Facts, History, Transition
from sluice.overview.migrations.compared import Verdict, verdict_of
from sluice.stores.postgres import rows, translated
from sluice.stores.statements import statement

SINCE = timedelta(days=28)
OF_ONE = ("migrate__", "backfill_window__")
"""The DAGs of one migration begin so."""
STEPS = {
    "expand": ("expanded", ""),
    "capture": ("capturing", ""),
    "backfill": ("backfilled", ""),
    "verify": ("verified", ""),
    "shadow": ("shadowing", ""),
    "cutover": ("cut_over", "cut_over"),
    "retire": ("retired", "retire"),
    "go_back": ("cut_back", ""),
    "fill_window": ("window", ""),
}
"""The groups of those DAGs: the gate that judges what is measured there, and what a person is asked."""
PAGES = (
    (("migrate__", "backfill_window__", "replicate_changes", "validate_data"), "migrations"),
    (("create_partitions", "archive_", "restore_archive", "restore_items", "validate_expiry"), "partitions"),
    (("backup", "restore_", "ship_log", "failover", "promote", "watch_replicas", "reap", "name_point"), "drills"),
    (("capacity_", "scale_", "measure_"), "capacity"),
)
"""Which page of the console shows more of a DAG, by how its name begins."""


@dataclass(frozen=True)
class OfDag:
    """What gates found of late in runs of a DAG."""

    at: datetime
    dag: str
    more: str
    """The page that shows more."""
    verdicts: tuple[Verdict, ...]
    waiting: tuple[Waiting, ...]

    @property
    def red(self) -> int:
        """How many are red."""
        return sum(not one.passed for one in self.verdicts)


@dataclass(frozen=True)
class OfRun:
    """What one run has left."""

    at: datetime
    dag: str
    run: str
    task: str
    """'' for all of the run."""
    more: str
    transitions: tuple[Transition, ...]
    verdicts: tuple[Verdict, ...]
    facts: tuple[Facts, ...]
    answers: tuple[Answer, ...]
    waiting: tuple[Waiting, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.transitions or self.verdicts or self.facts or self.answers or self.waiting)


def migration_of(dag: str) -> str | None:
    """Name the migration whose DAG this is; None of any other."""
    return next((dag.removeprefix(begins) for begins in OF_ONE if dag.startswith(begins)), None)


def page_for(dag: str, pages: Iterable[str]) -> str:
    """Name the page of the console that shows more of a DAG: a migration's own, or one of those that there are."""
    there = list(pages)
    if name := migration_of(dag):
        return f"migrations/{name}"
    page = next((page for begins, page in PAGES if dag.startswith(begins)), "estate")
    return page if page in there else there[0]


def of_dag(asked: Asked, dag: str, more: str) -> OfDag:
    """Answer of a DAG. Raises StoreDown."""
    with translated(f"reading what gates found in runs of {dag}"):
        found = rows(
            asked.ledger, statement("remembered.list_judged"), since=asked.now - SINCE, prefix=f"evidence/{dag}/"
        )
    verdicts = sorted(map(verdict_of, found), key=lambda one: (one.passed, one.whose, one.gate))
    return OfDag(asked.now, dag, more, tuple(verdicts), _waiting(asked, dag))


def of_run(asked: Asked, dag: str, run: str, more: str) -> OfRun:
    """Answer of a run. Raises StoreDown."""
    name = migration_of(dag)
    history = History(asked.ledger, asked.may_read, whose=name, run=run, dag=dag)
    verdicts = history.verdicts()
    judged = {(one.whose, one.gate) for one in verdicts}
    windows = dag.startswith("backfill_window__")
    facts = tuple(
        one for one in history.facts() if (one.whose, one.gate) in judged or (name and _is_measured_by(dag, one.gate))
    )
    whose = {one.whose for one in verdicts}
    return OfRun(
        asked.now,
        dag,
        run,
        "",
        more,
        history.transitions() if name and not windows else (),
        verdicts,
        facts,
        tuple(one for one in history.answers() if one.whose in whose or (name and not windows)),
        tuple(one for one in _waiting(asked, dag) if one.run_id == run),
    )


def of_task(asked: Asked, dag: str, run: str, task: str, map_index: int, more: str) -> OfRun:
    """Answer of a task in a run; `map_index` is below 0 where it is alone. Raises StoreDown."""
    it = of_run(asked, dag, run, more)
    own = f"{task}.{map_index}" if map_index >= 0 else task
    mine = re.compile(re.escape(own) + r"(\.\d+)?")  # a second record, of a second try, has a number
    verdicts = tuple(one for one in it.verdicts if mine.fullmatch(one.task))
    gate, action = STEPS.get(task.split(".")[0], ("", "")) if migration_of(dag) else ("", "")
    leaves = "gate_" not in task and "approve_" not in task
    gates = {gate} | ({"aborted"} if task.endswith(".abort") else set())
    facts = tuple(
        one
        for one in it.facts
        if (one.whose, one.gate) in {(v.whose, v.gate) for v in verdicts} or (leaves and one.gate in gates)
    )
    return OfRun(
        it.at,
        dag,
        run,
        own,
        more,
        (),
        verdicts,
        facts,
        tuple(one for one in it.answers if "approve_" in task and (one.action == action or not action)),
        tuple(one for one in it.waiting if (one.task_id, max(one.map_index, -1)) == (task, max(map_index, -1))),
    )


def _is_measured_by(dag: str, gate: str) -> bool:
    """Whether what a gate judges is measured in a migration's DAG: windows in that of windows, all in its own, but one."""
    return gate == "window" if dag.startswith("backfill_window__") else gate not in ("window", "validated")


def _waiting(asked: Asked, dag: str) -> tuple[Waiting, ...]:
    return tuple(one for one in asked.waiting if one.dag_id == dag)
