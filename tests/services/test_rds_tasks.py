"""A store in RDS from the estate's file to a green gate: no worker waits, nothing is begun twice, a drill compares by time.

RDS is emulated (tests/managed.py); where a test says so the endpoints are those of a real PostgreSQL, so who connects, with which
password, and what is compared, are real too.
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
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from psycopg.conninfo import conninfo_to_dict
from sluice.flow import connections
from sluice.flow.connections import NoConnection, open_vault
from sluice.flow.safety import exposing, keeping, rds_waiting, stores
from sluice.flow.safety import rds as tasks
from sluice.flow.safety.backing_up import BackupGate
from sluice.flow.safety.counting import CountStore
from sluice.flow.safety.drilling import GATE as DRILLED
from sluice.flow.safety.drilling import DrillGate, DrillRestore
from sluice.flow.safety.exposing import facts_now
from sluice.flow.safety.keeping import GATE as KEPT
from sluice.flow.safety.keeping import KeepBackups, KeptBackupsGate
from sluice.flow.safety.moments import DrawMoments
from sluice.flow.safety.rds import DropRdsCopy, RestoreRdsStore, StartRdsCopy, TakeRdsSnapshot, VerifyRdsSnapshot
from sluice.flow.safety.rds_waiting import RdsTrigger
from sluice.flow.safety.reaping import DropScratch
from sluice.flow.safety.stores import driver_of
from sluice.flow.safety.tenants import CompareTenant
from sluice.local import databases
from sluice.safety.drill.certificate import certificates_of
from sluice.safety.exposure import exposure
from sluice.safety.rds.driver import NotRestored
from sluice.safety.rds.scratch import NotOurs
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect
from sluice.stores.rds import RdsDown

from tests.as_airflow import postgres_connection, ran, vault_connection
from tests.conftest import Database
from tests.managed import INSTANCE, OTHER_REGION, REGION, STORE, Emulated, emulated

ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: {bucket}}}
ledger: {{connection: sluice_ledger}}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 60m
    rpo: 10m
    backup:
      by: rds
      connection: pg_shop
      service: aws_shop
      instance: {instance}
      region: {region}
      drill_class: db.t4g.medium
      scratch: {scratch}
      copies: [{{region: {other}, kms_key: {key}, parameter_group: shop-13-there, option_group: shop-options-there,
                 subnet_group: private-there, security_groups: [sg-9]}}]
"""
FORM = {"target": "latest", "value": "", "confirm": "shop", "region": REGION, "days": 3, "warm": False, "drop": ""}
LATEST = {"kind": "latest", "value": ""}
COUNT = iter(range(100))


@pytest.fixture
def rds(vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulated]:
    """The service, an estate that backs a store up there, and Airflow's connections."""
    bucket = f"rds-tasks-{next(COUNT)}"
    vault.store.create_bucket(bucket)
    (tmp_path / "include/estate").mkdir(parents=True)
    for module in (connections, stores, exposing, keeping):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "EVERY", 0.01)
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH"}
    dsns = {"PG_SHOP": database.dsn("admin"), "SLUICE_LEDGER": database.dsn(databases.LEDGER)}
    told = {name: postgres_connection(dsn) for name, dsn in dsns.items()}
    for name, text in {"AWS_SHOP": json.dumps(login), "S3_VAULT": vault_connection(vault), **told}.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", text)
    with emulated(Vault(vault.client(), bucket), tmp_path / "copies") as made:
        key = made.client("kms", OTHER_REGION).create_key()["KeyMetadata"]["Arn"]
        told = {
            "bucket": bucket,
            "instance": INSTANCE,
            "region": REGION,
            "other": OTHER_REGION,
            "key": key,
            "scratch": tmp_path / "s",
        }
        (tmp_path / "include/estate/estate.yaml").write_text(ESTATE.format(**told))
        yield made


@pytest.fixture
def real(rds: Emulated, database: Database, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """The same, where every endpoint leads to one real database."""
    where = conninfo_to_dict(database.dsn("admin"))

    def to_postgres(parsed: dict[str, Any], **_: Any) -> None:
        for one in parsed.get("DBInstances", ()):
            one["Endpoint"] = {"Address": where["host"], "Port": int(where["port"])}

    def client(connection: str, region: str) -> Any:
        made = rds.client(region=region)
        made.meta.events.register("after-call.rds.DescribeDBInstances", to_postgres)
        return made

    monkeypatch.setattr(rds_waiting, "rds_of", client)
    monkeypatch.setattr(tasks, "rds_of", client)
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute("CREATE TABLE still AS SELECT generate_series(1, 50) AS id; CREATE TABLE moving (id int)")
    return rds


def deferred(work: Any) -> tuple[str, dict[str, Any]]:
    """Do a task's work until it gives its worker back; wait as the triggerer does; give what it is called with then."""
    with pytest.raises(TaskDeferred) as gave:
        work()
    return waited(gave.value)


def waited(gave: TaskDeferred) -> tuple[str, dict[str, Any]]:
    """Wait for what a task waits for."""
    name, told = gave.trigger.serialize()
    then = dict(gave.kwargs or {})
    if name.endswith("RdsTrigger"):
        json.dumps(told)
        then["event"] = asyncio.run(anext(RdsTrigger(**told).run())).payload
    return gave.method_name, then


def through(task: Any, run: str = "night", **params: object) -> Any:
    """Run a task to its end, through all that it waits for."""
    method, told = "execute", dict[str, Any]()
    while True:
        try:
            return ran(task, run, method, told, **{**FORM, **params})
        except TaskDeferred as gave:
            method, told = waited(gave)


def copy(what: type = StartRdsCopy, **moment: str) -> Any:
    return what(task_id="copy", store=STORE, **{**LATEST, **moment})


def test_a_copy_is_brought_up_while_no_worker_waits_and_a_second_try_finds_it(rds: Emulated) -> None:
    rds.slow = 3
    for _ in range(2):
        method, told = deferred(lambda: ran(copy(), **FORM))
        assert method == "settle", "cleared, or killed: it goes on with what was begun"
        assert (told["event"]["state"], told["event"]["status"]) == ("there", "available")
    assert ran(copy(), "night", method, told, **FORM) == {"name": rds.begun[0], "unlike": []}
    assert len(rds.begun) == 1
    assert driver_of(STORE).scratches() == rds.begun
    for _ in range(2):
        ran(copy(DropRdsCopy), **FORM)
    assert driver_of(STORE).scratches() == []


def test_the_latest_moment_waits_until_rds_has_what_was_counted(rds: Emulated) -> None:
    late = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y%m%dT%H%M%S000Z")
    rds.vault.put_once(f"backups/stores/shop/census/{late}.json.zst", b"of later", "application/zstd")
    method, told = deferred(lambda: ran(copy(), **FORM))
    assert (method, told, rds.begun) == ("execute", {"looks": 1}, [])
    deferred(lambda: ran(copy(), "night", "execute", {"looks": tasks.LOOKS}, **FORM))
    assert len(rds.begun) == 1, "not for ever"


def test_a_copy_that_rds_gives_up_on_ends_the_task_with_its_reason(rds: Emulated) -> None:
    with pytest.raises(TaskDeferred):
        ran(copy(), **FORM)
    rds.inside(rds.begun[0]).status = "incompatible-restore"
    with pytest.raises(NotRestored, match=f"{rds.begun[0]}: incompatible-restore"):
        through(copy())


def test_a_snapshot_is_taken_copied_and_judged_and_a_second_try_takes_no_other(rds: Emulated) -> None:
    taken = [through(TakeRdsSnapshot(task_id="take_backup", store=STORE)) for _ in range(2)]
    there = rds.client(region=OTHER_REGION).describe_db_snapshots()["DBSnapshots"]
    assert [one["DBSnapshotIdentifier"] for one in there] == taken[:1] == taken[1:]
    gate = BackupGate(task_id=f"gate_{tasks.GATE}", store=STORE, gate=tasks.GATE)
    verify = VerifyRdsSnapshot(task_id="verify_backup", store=STORE, backup_id=taken[0])
    rds.have_lasted(timedelta(hours=1))
    told = ran(verify)
    assert (told["backup"], round(told["window_seconds"] / 3600)) == (taken[0], 1)
    assert ran(gate)["passed"]
    kept = ran(KeepBackups(task_id="prune_backups", store=STORE), agree=False)
    assert (kept["kept"], kept["gone"], kept["lost"]) == (1, 0, 0)
    assert ran(KeptBackupsGate(task_id=f"gate_{KEPT}", store=STORE, gate=KEPT))["passed"]
    (line,) = keeping.kept_of(STORE)
    assert (line.id, line.tiers) == (taken[0], ("daily", "weekly", "monthly"))
    assert line.expires_at - line.whole_at == timedelta(days=366), "as many as RDS allows"
    rds.inside(INSTANCE).backup_retention_period = 0
    assert ran(verify)["window_seconds"] == 0
    with pytest.raises(AirflowFailException, match="keeps backups by itself"):
        ran(gate)


def test_a_certificate_that_nobody_can_read_holds_up_neither_what_goes_nor_what_is_told_of_it(
    rds: Emulated, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = through(TakeRdsSnapshot(task_id="take_backup", store=STORE))
    open_vault().put_once(f"drills/{STORE}/broken.json", b"{", "application/json")
    assert ran(KeepBackups(task_id="prune_backups", store=STORE), agree=False)["kept"] == 1
    assert f"drills/{STORE}/broken.json is no certificate" in capsys.readouterr().out
    assert [line.id for line in keeping.kept_of(STORE)] == [taken]


def test_a_trigger_outlives_a_service_that_does_not_answer(rds: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaskDeferred):
        ran(copy(), **FORM)
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

    monkeypatch.setattr(rds_waiting, "rds_of", client)
    event = asyncio.run(anext(RdsTrigger("instance", rds.begun[0], "aws_shop", REGION, 0.01).run()))
    assert (event.payload["state"], len(asked)) == ("there", 2)


def test_a_connection_that_airflow_does_not_have_is_named(rds: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AWS_SHOP")
    with pytest.raises(NoConnection, match="aws_shop"):
        ran(copy(), **FORM)


def test_a_night_of_drills_is_green_with_what_two_counts_agree_in_and_leaves_nothing(
    real: Emulated, tmp_path: Path
) -> None:
    count = CountStore(task_id="take_census", store=STORE)
    ran(count, **FORM)
    before = datetime.now(UTC)
    while datetime.now(UTC).replace(microsecond=0) <= before + timedelta(seconds=1):
        pass  # a whole second lies between two counts
    ran(count, **FORM)
    moments = ran(DrawMoments(task_id="list_moments", store=STORE), **{**FORM, "target": "as scheduled"})
    assert [one["kind"] for one in moments] == ["latest", "time"]
    for moment in moments:
        through(copy(**moment))
        told = ran(DrillRestore(task_id="drill_restore", store=STORE, **moment), **FORM)
        assert told["wrong"] == []
        assert ran(DrillGate(task_id=f"gate_{DRILLED}", store=STORE, gate=DRILLED, **moment), **FORM)["passed"]
        ran(copy(DropRdsCopy, **moment), **FORM)
    assert len(real.begun) == 2, "the drill joins the copy that a task before it has begun"
    made = certificates_of(open_vault(), STORE)
    assert [one.compared is not None and one.compared.rows >= 50 for one in made] == [True, True]
    assert all(next(iter(one.phases)) == "available" for one in made), made
    assert driver_of(STORE).scratches() == []
    assert list((tmp_path / "s/drills/shop").iterdir()) == [], "the password of a copy"


def test_the_newest_count_says_what_the_latest_copy_holds(real: Emulated, database: Database) -> None:
    ran(CountStore(task_id="take_census", store=STORE), **FORM)
    through(copy())
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute("INSERT INTO moving VALUES (51)")
    told = ran(DrillRestore(task_id="drill_restore", store=STORE, **LATEST), **FORM)
    assert told["wrong"] == [], "it changed between the two counts: nobody knows which of them the copy has"
    made = json.loads(open_vault().get(told["certificate"]))
    assert made["compared"]["tables"] == len(driver_of(STORE).count(print).tables) - 1


def test_one_tenant_is_compared_with_a_copy_that_was_begun_before(real: Emulated, database: Database) -> None:
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute("CREATE TABLE orders (id int PRIMARY KEY, tenant_id int); INSERT INTO orders VALUES (1, 42)")
    through(copy())
    compare = CompareTenant(task_id="compare_tenant", store=STORE)
    told = ran(compare, **{**FORM, "tenant": "42", "column": "tenant_id"})
    assert told["tables"]["public.orders"]["same"] == 1
    assert len(real.begun) == 1


def test_on_the_real_day_a_copy_is_the_original_in_everything_and_never_goes_by_itself(
    real: Emulated, capsys: pytest.CaptureFixture[str]
) -> None:
    restore = RestoreRdsStore(task_id="restore_store", store=STORE)
    with pytest.raises(AirflowFailException, match="Type the store's name"):
        ran(restore, **{**FORM, "confirm": "shpo"})
    told = through(restore)
    assert told["name"] == real.begun[0]
    assert "passfile" not in told["address"]
    (changed,) = real.said("ModifyDBInstance")
    assert changed["MonitoringInterval"] == 15
    assert through(restore)["name"] == told["name"], "run again: it is found"
    assert len(real.begun) == 1
    assert ran(DropScratch(task_id="drop_scratch", store=STORE), **FORM) == [], "it is named in the log"
    said = capsys.readouterr().out
    assert f"{told['name']} was brought back for people: it stands until" in said
    assert f"Delete {told['name']} in RDS" in said
    assert '"drop"' not in said, "that is refused"
    with pytest.raises(NotOurs, match="Delete it by hand"):
        ran(DropScratch(task_id="drop_scratch", store=STORE), **{**FORM, "drop": told["name"]})


def test_a_region_that_is_gone_is_left_behind_with_the_snapshot_that_lies_in_another(
    real: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = through(TakeRdsSnapshot(task_id="take_backup", store=STORE))
    real.make_groups(OTHER_REGION, "-there")

    def gone(*_: Any) -> None:
        raise RdsDown("cannot look at shop in RDS. It is tried again by itself.")

    home = tasks.driver_of(STORE)
    monkeypatch.setattr(tasks, "driver_of", lambda store: replace(home, client=None))
    asked = {"target": "point", "value": taken, "region": OTHER_REGION}
    told = through(RestoreRdsStore(task_id="restore_store", store=STORE), **asked)
    assert (told["from"], told["name"]) == ([taken], real.begun[0])
    there = real.client(region=OTHER_REGION).describe_db_instances()["DBInstances"]
    assert [one["DBSubnetGroup"]["DBSubnetGroupName"] for one in there] == ["private-there"]
    with pytest.raises(AirflowFailException, match="copied into us-east-1"):
        ran(RestoreRdsStore(task_id="restore_store", store=STORE), **{**FORM, **asked, "region": "us-east-1"})
    monkeypatch.setattr("sluice.safety.rds.driver.Rds.window", gone)
    found = exposure(facts_now(STORE), datetime.now(UTC))
    assert found.lost == "unknown"
    assert "nobody knows what would be lost: cannot look at shop" in found.warnings[0]
