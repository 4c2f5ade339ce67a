"""A store in RDS as Airflow brings it up: no worker waits, nothing is begun twice, and a drill compares what came up by time.

RDS is emulated (tests/managed.py); the copy's endpoint is a real PostgreSQL, so who connects, with which password, is real too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from psycopg.conninfo import conninfo_to_dict
from sluice.flow.connections import NoConnection
from sluice.flow.safety import rds as tasks
from sluice.flow.safety.rds import BringUpRdsCopy, RdsCopyTo, RdsStore, TakeAwayRdsCopy, TakeRdsSnapshot
from sluice.flow.safety.rds_waiting import RdsTrigger
from sluice.safety.census import take_census
from sluice.safety.drill.certificate import Goals
from sluice.safety.drill.drilling import Asked, Counted, drill
from sluice.safety.driver import name_scratch
from sluice.safety.rds.driver import NotRestored
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.managed import INSTANCE, OTHER_REGION, REGION, STORE, Emulated, emulated

NAME = name_scratch(STORE, datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC), "one")
LATEST = {"kind": "latest", "value": ""}
AT = RdsStore(STORE, INSTANCE, REGION, "aws_shop", "pg_shop", "db.t4g.medium", every=0.01)
COUNT = iter(range(100))


@pytest.fixture
def rds(vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulated]:
    """The service, and Airflow's connections to it."""
    bucket = f"rds-tasks-{next(COUNT)}"
    vault.store.create_bucket(bucket)
    kept = Vault(vault.client(), bucket)
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SHOP", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_CONN_PG_SHOP", "postgresql://sluice:secret@shop.example/shop")
    monkeypatch.setattr(tasks, "open_vault", lambda: kept)
    with emulated(kept, tmp_path / "copies") as made:
        yield made


def deferred(work: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Do a task's work until it gives its worker back; wait as the triggerer does; give what it is called with then."""
    with pytest.raises(TaskDeferred) as gave:
        work()
    name, told = gave.value.trigger.serialize()
    assert name == "sluice.flow.safety.rds_waiting.RdsTrigger"
    json.dumps(told)
    event = asyncio.run(anext(RdsTrigger(**told).run()))
    return gave.value.method_name, dict(gave.value.kwargs or {}), event.payload


def test_a_copy_is_brought_up_while_no_worker_waits_and_a_second_try_finds_it(rds: Emulated) -> None:
    rds.slow = 3
    task = BringUpRdsCopy(task_id="bring_up", at=AT, target=LATEST, name=NAME)
    method, told, event = deferred(lambda: task.execute({}))
    assert (method, told, event) == ("settle", {}, {"name": NAME, "state": "there", "status": "available"})
    again, _, _ = deferred(lambda: task.execute({}))
    assert again == "settle", "cleared, or killed: it goes on with what was begun"
    assert task.settle({}, event) == {"name": NAME, "unlike": []}
    assert rds.begun == [NAME]
    assert rds.driver().scratches() == [NAME]
    for _ in range(2):
        TakeAwayRdsCopy(task_id="take_away", at=AT, name=NAME).execute({})
    assert rds.driver().scratches() == []


def test_what_can_only_be_changed_afterwards_is_put_back_while_no_worker_waits(rds: Emulated) -> None:
    task = BringUpRdsCopy(task_id="bring_up", at=AT, target=LATEST, name=NAME, likeness="whole")
    method, _, event = deferred(lambda: task.execute({}))
    assert method == "settle"
    method, told, event = deferred(lambda: task.settle({}, event))
    assert (method, told) == (
        "settle",
        {"given": ["MonitoringInterval", "MonitoringRoleArn", "PreferredMaintenanceWindow"]},
    )
    assert task.settle({}, event, **told) == {"name": NAME, "unlike": []}


def test_a_copy_that_rds_gives_up_on_ends_the_task_with_its_reason(rds: Emulated) -> None:
    task = BringUpRdsCopy(task_id="bring_up", at=AT, target=LATEST, name=NAME)
    with pytest.raises(TaskDeferred):
        task.execute({})
    rds.inside(NAME).status = "incompatible-restore"
    _, _, event = deferred(lambda: task.execute({}))
    assert event["state"] == "failed"
    with pytest.raises(NotRestored, match=f"{NAME}: incompatible-restore"):
        task.settle({}, event)


def test_a_snapshot_is_taken_and_copied_and_a_second_try_takes_no_other(rds: Emulated) -> None:
    key = rds.client("kms", OTHER_REGION).create_key()["KeyMetadata"]["Arn"]
    at = RdsStore(STORE, INSTANCE, REGION, "aws_shop", "pg_shop", copies=(RdsCopyTo(OTHER_REGION, key),), every=0.01)
    for _ in range(2):
        task = TakeRdsSnapshot(task_id="take", at=at, moment="2026-11-23T02:00:00+00:00", tags={"sluice:tier": "daily"})
        method, _, event = deferred(lambda task=task: task.execute({}))
        assert method == "copy_it"
        method, told, event = deferred(lambda task=task, event=event: task.copy_it({}, event))
        assert (method, told) == ("look_on", {"number": 1})
        answer = task.look_on({}, event, **told)
        assert answer["id"] == "sluice-shop-20261123t020000z"
    there = rds.client(region=OTHER_REGION).describe_db_snapshots()["DBSnapshots"]
    assert [one["DBSnapshotIdentifier"] for one in there] == ["sluice-shop-20261123t020000z"]
    assert {"Key": "sluice:tier", "Value": "daily"} in there[0]["TagList"]


def test_a_trigger_outlives_a_service_that_does_not_answer(rds: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    rds.driver().begin(Target("latest"), NAME)
    asked = []

    def client(connection: str, region: str) -> Any:
        asked.append(region)
        made = rds.client(region=region)
        if len(asked) == 1:
            made.meta.events.register("before-send.rds", lambda **_: (_ for _ in ()).throw(timeout()))
        return made

    def timeout() -> Exception:
        from botocore.exceptions import ConnectTimeoutError

        return ConnectTimeoutError(endpoint_url="https://rds")

    monkeypatch.setattr("sluice.flow.safety.rds_waiting.rds_of", client)
    event = asyncio.run(anext(RdsTrigger("instance", NAME, "aws_shop", REGION, 0.01).run()))
    assert (event.payload["state"], len(asked)) == ("there", 2)


def test_a_connection_that_airflow_does_not_have_is_named(rds: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AWS_SHOP")
    with pytest.raises(NoConnection, match="aws_shop"):
        BringUpRdsCopy(task_id="bring_up", at=AT, target=LATEST, name=NAME).execute({})


def test_a_drill_compares_by_time_what_came_up_and_forgets_the_password(rds: Emulated, database: Database) -> None:
    """The copy's endpoint leads to the store itself: as of a moment between two counts it holds what the two agree in."""
    admin = database.dsn("admin")
    where = conninfo_to_dict(admin)

    def to_postgres(parsed: dict[str, Any], **_: Any) -> None:
        for one in parsed.get("DBInstances", ()):
            one["Endpoint"] = {"Address": where["host"], "Port": int(where["port"])}

    client = rds.client()
    client.meta.events.register("after-call.rds.DescribeDBInstances", to_postgres)
    driver = replace(rds.driver(client=client), dsn=admin)
    with connect(admin, purpose="test") as c:
        c.execute("CREATE TABLE still (id int PRIMARY KEY); INSERT INTO still SELECT generate_series(1, 50)")
        c.execute("CREATE TABLE moving (id int PRIMARY KEY)")
        first = counted(admin, "first")
        moment = c.execute("SELECT clock_timestamp() AS now").fetchone()["now"]  # type: ignore[index]
        c.execute("INSERT INTO moving VALUES (1)")
        counts = (first, counted(admin, "second"))
    driver.begin(Target.at(moment), NAME)
    asked = Asked(Target.at(moment), moment + timedelta(seconds=1), Goals(300, 30), counts, "a night", NAME)
    made = drill(driver, asked, print)
    assert (made.wrong, made.name, rds.begun) == ((), NAME, [NAME])
    assert made.compared
    assert "public.still" in first.census.tables
    assert made.compared.tables == len(first.census.tables) - 1
    assert list(made.phases) == ["accepted", "available", "first query", "fully read", "verified"]
    assert list(rds.folder.iterdir()) == []
    assert driver.scratches() == []


def counted(dsn: str, key: str) -> Counted:
    return Counted(key, take_census(lambda purpose: connect(dsn, purpose=purpose), print))
