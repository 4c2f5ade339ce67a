"""A database of Airflow's own, made by Airflow, with runs of all ages in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sluice.flow.cleaning import environment
from sluice.local import databases
from sluice.stores.postgres import Connection, connect

from tests.conftest import Server

TEMPLATE = "airflow_template"
DAG = """INSERT INTO dag_bundle (name) VALUES ('b');
INSERT INTO dag (dag_id, is_paused, is_stale, exceeds_max_non_backfill, bundle_name, timetable_type, timetable_partitioned,
    timetable_periodic, partition_mapper_info, max_active_tasks, max_consecutive_failed_dag_runs, has_task_concurrency_limits,
    fail_fast)
VALUES ('d', false, false, false, 'b', '', false, false, '{}', 1, 0, false, false)"""
RUN = """INSERT INTO dag_run
    (dag_id, run_id, run_type, run_after, clear_number, span_status, state, start_date, queued_at)
SELECT %(dag)s, %(run)s, %(type)s, at, 0, '', %(state)s, at, at
FROM (SELECT now() - %(days)s * interval '1 day' AS at) a RETURNING id"""
TASK = """INSERT INTO task_instance
    (id, task_id, dag_id, run_id, map_index, try_number, max_tries, pool, pool_slots, span_status, state, start_date)
VALUES (gen_random_uuid(), 't', %(dag)s, %(run)s, -1, 1, 1, 'p', 1, '', %(state)s, now() - %(days)s * interval '1 day')"""
XCOM = """INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
VALUES (%(id)s, 't', -1, 'k', %(dag)s, %(run)s, '1', now() - %(days)s * interval '1 day')"""
LOG = "INSERT INTO log (event, dttm) VALUES ('e', now() - %(days)s * interval '1 day')"


@dataclass
class AirflowDatabase:
    """One such database; the role `airflow` owns it, and may make others for trials."""

    server: Server
    name: str

    @property
    def dsn(self) -> str:
        """Airflow's own way in."""
        role = databases.AIRFLOW
        return self.server.cluster.dsn(self.name, role, self.server.passwords[role])

    def opened(self) -> Connection:
        """A session of Airflow's role."""
        return connect(self.dsn, purpose="test")

    def run(self, run: str, days: float, state: str = "success", task: str = "success", **rest: str) -> int:
        """Make a run that began so many days ago, with a task, a message and a line of the audit log; give its number."""
        told = {"dag": "d", "type": "scheduled", **rest, "run": run, "days": days}
        with self.opened() as c:
            (id,) = c.execute(RUN, {**told, "state": state}).fetchone().values()  # type: ignore
            c.execute(TASK, {**told, "state": task})
            c.execute(XCOM, {**told, "id": id})
            c.execute(LOG, told)
            return int(id)

    def ask(self, query: str) -> list[Any]:
        """Give the first column of what a query finds."""
        with self.opened() as c:
            return [next(iter(row.values())) for row in c.execute(query).fetchall()]  # type: ignore[arg-type]

    def runs(self) -> list[str]:
        """All runs by name, each with its number of tasks."""
        return self.ask(
            "SELECT run_id || ' ' || (SELECT count(*) FROM task_instance t WHERE t.run_id = r.run_id) FROM dag_run r ORDER BY id"
        )


_NUMBER = count(1)


@contextmanager
def template(server: Server) -> Iterator[str]:
    """Have Airflow make a database, once for all tests that copy it: that takes seconds."""
    databases.create_database(server.cluster, TEMPLATE, owner=databases.AIRFLOW)
    made = AirflowDatabase(server, TEMPLATE)
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=environment(made.dsn), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with made.opened() as c:
        for statement in DAG.split(";\n"):
            c.execute(statement)  # type: ignore[arg-type]
    yield TEMPLATE
    databases.drop_database(server.cluster, TEMPLATE)


@contextmanager
def copied(server: Server) -> Iterator[AirflowDatabase]:
    """A copy of it for one test."""
    made = AirflowDatabase(server, f"airflow_{next(_NUMBER)}")
    with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
        told = {"name": Identifier(made.name), "template": Identifier(TEMPLATE), "owner": Identifier(databases.AIRFLOW)}
        c.execute(SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}").format(**told))
    yield made
    databases.drop_database(server.cluster, made.name)
