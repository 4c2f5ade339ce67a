"""That nobody watches is told once and every four hours, by the last channels that could be read, and that it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sluice.estate import EstateErrors
from sluice.flow import alerting, connections, project
from sluice.flow.insight import blind, ledger, watching
from sluice.flow.insight.watching import WatchHealth
from sluice.local.ports import free_port
from sluice.stores.postgres import StoreDown

from tests.as_airflow import postgres_connection, ran
from tests.conftest import Database
from tests.people import Told, connect_people
from tests.variables import keep_variables

ROOT = Path(__file__).parents[2]
ESTATE = """estate: test
alerts: people
vault: {connection: s3_vault, bucket: sluice-vault}
ledger: {connection: sluice_ledger}
stores:
  certify: {engine: postgres, connection: pg_certify, rto: 5m, rpo: 30s}
"""
BLIND = "P1: nobody watches the estate's health: "


class Watch:
    """A project whose `watch_health` runs once in five minutes, as Airflow runs it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.now = datetime.now().astimezone()

    def now_is(self, after: timedelta) -> None:
        now = self.now + after
        clock = SimpleNamespace(now=lambda _: now, fromisoformat=datetime.fromisoformat)
        self.monkeypatch.setattr(blind, "datetime", clock)

    def run(self, hours: float) -> None:
        """Look once, some hours after the first look; tell people where it fails."""
        self.now_is(timedelta(hours=hours))
        task = WatchHealth(task_id="watch_health")
        try:
            ran(task)
        except (EstateErrors, StoreDown) as error:
            ti = SimpleNamespace(dag_id="watch_health", run_id="r", task_id="watch_health")
            task.on_failure_callback[0]({"task": task, "ti": ti, "exception": error})

    def estate(self, text: str) -> None:
        (self.root / "include/estate/estate.yaml").write_text(text)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database) -> Watch:
    for module in (alerting, blind, connections, ledger, project, watching):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for folder in ("include/estate", "include/health"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "include/health/rules.yaml").write_text((ROOT / "include/health/rules.yaml").read_text())
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn("sluice_ledger")))
    keep_variables(monkeypatch)
    made = Watch(tmp_path, monkeypatch)
    made.estate(ESTATE)
    return made


@pytest.fixture
def told(people: tuple[Told, int], monkeypatch: pytest.MonkeyPatch) -> Told:
    connect_people(monkeypatch, people[1])
    return people[0]


def test_a_mistake_in_the_estate_s_file_is_told_by_the_channels_of_before_once_in_four_hours(watch, told):
    watch.run(0)
    watch.estate("estate: test\nstores: [")
    for hours in (0.1, 0.2, 3.9, 4.0, 4.2, 8.3):
        watch.run(hours)
    assert [body["text"].startswith(BLIND) for body in told.bodies] == [True] * 3
    assert "include/estate/estate.yaml" in told.bodies[0]["text"] and told.bodies[0]["severity"] == "P1"
    watch.estate(ESTATE)
    watch.run(8.4)
    watch.run(8.5)
    assert [body["text"] for body in told.bodies[3:]] == ["The estate's health is watched again."]
    watch.estate("estate: test\nstores: [")
    watch.run(8.6)
    assert len(told.bodies) == 5, "what fails anew is told at once"


def test_a_ledger_that_is_down_is_told_once(watch, told, monkeypatch, database):
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", f"postgres://x@127.0.0.1:{free_port()}/x")
    watch.run(0)
    watch.run(1)
    (body,) = told.bodies
    assert body["text"].startswith(BLIND) and body["dag_id"] == "watch_health"


def test_what_nobody_took_is_told_at_the_next_run(watch, told):
    watch.run(0)
    watch.estate("estate: test\nstores: [")
    told.answers = 503
    watch.run(0.1)
    told.answers = 200
    watch.run(0.2)
    watch.run(0.3)
    assert len(told.bodies) == 2


def test_where_airflow_keeps_nothing_people_are_told_each_time_rather_than_never(watch, told, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", f"postgres://x@127.0.0.1:{free_port()}/x")
    monkeypatch.setenv("AIRFLOW_VAR_SLUICE_WATCH_HEALTH", "[what")
    monkeypatch.delattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS")
    watch.run(0)
    watch.run(0.1)
    assert len(told.bodies) == 2
