"""Drives a migration as its operator does, through Airflow, and looks at the tables behind Airflow's back."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sluice.flow.project import migration_named
from sluice.local.airflow_api import FINISHED, AirflowApi, Approval, TaskState
from sluice.local.settings import Settings
from sluice.local.waiting import wait_for
from sluice.migration.engine.contract import Kind
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import Connection, Row, connect, rows
from sluice.stores.statements import statement

MIGRATION = "user_sessions"
DAG = f"migrate__{MIGRATION}"
PATIENCE = 300  # seconds for any run: a busy machine is not a broken one


@dataclass(frozen=True)
class Driver:
    """One migration of one machine."""

    settings: Settings
    api: AirflowApi
    mover: Connection

    def start(self, to_phase: str, **conf: Any) -> str:
        """Start a run; give its id."""
        return self.api.trigger(DAG, {"to_phase": to_phase, **conf})

    def finish(self, run: str) -> str:
        """Wait for a run that asks nobody; give its state."""
        return self.api.wait_run(DAG, run, seconds=PATIENCE)

    def fill(self, dag_id: str, first: datetime, last: datetime) -> None:
        """Fill windows by a backfill, and wait for its runs: Airflow looks each half minute only whether it is over."""
        self.api.create_backfill(dag_id, first, last, "completed")
        wait_for(
            "its runs", lambda: {run.state for run in self.api.runs(dag_id, first, last)} <= FINISHED, seconds=PATIENCE
        )

    def last_run(self) -> str:
        """Give the id of the run that was started last, by whomever."""
        found = self.api._call("GET", f"/dags/{DAG}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        return str(found[0]["dag_run_id"]) if found else ""

    def scheduled(self) -> dict[str, str]:
        """Give the state of the runs that nobody asked for, by their DAG."""
        found = self.api._call("GET", "/dags/~/dagRuns?run_type=scheduled")["dag_runs"]
        return {run["dag_id"]: run["state"] for run in found}

    def tasks(self, run: str) -> dict[str, TaskState]:
        """Give every task that is not mapped, by its id."""
        return {task.task_id: task for task in self.api.tasks(DAG, run)}

    def log(self, run: str, task_id: str) -> str:
        """Give what the first try of a task said."""
        return self.api.task_log(DAG, run, task_id)

    def asked(self, run: str) -> Approval:
        """Wait for the run's question. Fails when the run ends without asking."""
        wait_for(
            "the question",
            lambda: bool(self.api.approvals(DAG, run)) or self.api.run_state(DAG, run) == "failed",
            seconds=PATIENCE,
        )
        [question] = self.api.approvals(DAG, run)
        return question

    def kill_lane(self, run: str, number: int) -> None:
        """Wait until a lane is at work, and kill its process: no signal handler, no goodbye."""
        wait_for("work in progress", lambda: self.kind.progress().done >= 3, seconds=PATIENCE)
        path = f"/dags/{DAG}/dagRuns/{run}/taskInstances/backfill.copy_lane/{number}"
        title = f"airflow worker -- {self.api._call('GET', path)['id']}"
        wait_for("the lane", lambda: bool(_titled(title)), seconds=PATIENCE)
        [worker] = _titled(title)
        os.kill(worker, signal.SIGKILL)

    @property
    def kind(self) -> Kind:
        """The migration's kind, opened afresh: what it says is what is there now."""
        return open_kind(migration_named(MIGRATION), lambda purpose: self.mover)

    @property
    def phase(self) -> str:
        """Where the marks say that it stands."""
        return str(self.kind.position().phase)

    def ask(self, query: str, **values: Any) -> list[Row]:
        """Ask the store, as the mover."""
        return rows(self.mover, query, **values)

    def relations(self) -> list[Row]:
        """List everything in the application's schemas, and each trigger: what a dry run must leave alone."""
        return self.ask(
            "SELECT relnamespace::regnamespace::text AS room, relname, relkind::text, relfilenode::text,"
            " (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid) AS triggers"
            " FROM pg_class c WHERE relnamespace::regnamespace::text LIKE 'app%%' ORDER BY 1, 2"
        )

    def windows(self) -> list[Row]:
        """Give the ledger's windows: the last time each was filled, and the hash of the time before."""
        with connect(self.settings.dsn("sluice"), purpose="e2e") as ledger:
            return rows(ledger, statement("control.list_windows"), migration=MIGRATION)

    def answers(self) -> list[tuple[str, str, str]]:
        """Give the ledger's approvals: action, answer, by whom."""
        with connect(self.settings.dsn("sluice"), purpose="e2e") as ledger:
            found = rows(ledger, "SELECT action, answer, by_whom FROM control.approval ORDER BY id")
        return [(row["action"], row["answer"], row["by_whom"]) for row in found]


def _titled(title: str) -> list[int]:
    """Give the processes that call themselves so."""
    return [int(entry.parent.name) for entry in Path("/proc").glob("[0-9]*/cmdline") if _title(entry) == title]


def _title(cmdline: Path) -> str:
    with suppress(OSError):  # gone meanwhile
        return cmdline.read_bytes().rstrip(b"\0 ").decode(errors="replace")
    return ""
