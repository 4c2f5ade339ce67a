"""The tasks of backups and drills of DynamoDB's tables, as Airflow runs them: from the page's own file, against real tables."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException
from sluice.flow import connections
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.safety import drivers, exposing, keeping, shipping, stores
from sluice.flow.safety.backing_up import GATE as FRESH
from sluice.flow.safety.backing_up import SERVICE, BackupGate, TakeStoreBackup, VerifyBackup
from sluice.flow.safety.bringing_back import RestoreStore
from sluice.flow.safety.counting import CountStore
from sluice.flow.safety.drilling import GATE as DRILLED
from sluice.flow.safety.drilling import DrillGate, DrillRestore, of_drill
from sluice.flow.safety.exporting import TakeExports
from sluice.flow.safety.exposing import facts_now
from sluice.flow.safety.keeping import GATE as KEPT
from sluice.flow.safety.keeping import KeepBackups, KeptBackupsGate, PoisonBackup
from sluice.flow.safety.moments import DrawMoments
from sluice.flow.safety.reaping import DropScratch
from sluice.flow.safety.reporting import MakeRunbooks, ShowDrills
from sluice.flow.safety.shipping_tables import ShipStreams, StartBase
from sluice.flow.safety.stores import shipped, tables_of
from sluice.local import databases
from sluice.safety.documents.exporting import NotExported
from sluice.safety.documents.tables import BOTH
from sluice.safety.drill.certificate import certificates_of
from sluice.safety.exposure import exposure
from sluice.stores.objects import Vault

from tests.as_airflow import postgres_connection, ran, vault_connection
from tests.conftest import Database
from tests.documented import ODD, Shop, closed_shop, one_second, opened_shop

PAGE = Path(__file__).parents[2] / "docs/howto/back-up-dynamodb.md"
FORM = {"target": "as scheduled", "value": ""}
BASE = "estate: sample\nvault: {{connection: s3_vault, bucket: {bucket}}}\nledger: {{connection: sluice_ledger}}\n"


@pytest.fixture(scope="module")
def shop(documents, vault) -> Iterator[Shop]:
    """Two tables with something in them."""
    vault.store.create_bucket("tables-tasks")
    made = opened_shop(documents, Vault(vault.client(), "tables-tasks"))
    with one_second():
        yield made
    closed_shop(made)


@pytest.fixture
def project(shop: Shop, documents, database: Database, vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own estate, with the tables' names in it, and Airflow's connections."""
    (tmp_path / "include/estate").mkdir(parents=True)
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    named = block.replace("[orders, customers]", json.dumps(shop.driver.tables.names))
    named = named.replace("by: service,", "by: service, beside: [],").replace(
        "by: documents,", "by: documents, beside: [],"
    )
    assert named.count(shop.table) == named.count("beside: []") == 2, "the page names other tables"
    (tmp_path / "include/estate/estate.yaml").write_text(BASE.format(bucket="tables-tasks") + named)
    for module in (connections, exposing, stores, keeping):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    engine = {one: {"endpoint_url": documents.endpoint} for one in ("dynamodb", "dynamodbstreams")}
    extra = {"region_name": "us-east-1", "service_config": engine}
    told = {"conn_type": "aws", "login": documents.key, "password": documents.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SHOP", json.dumps(told))
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", vault_connection(vault))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn(databases.LEDGER)))
    monkeypatch.setattr(shipping, "RESTS", 0.0)


def ship(store: str = "shop", seconds: float = 0.1) -> str | None:
    """Ship what the streams tell; give the log that wants a base."""
    found: str | None = ran(ShipStreams(task_id="ship_log", store=store, seconds=seconds))
    return found


def started(log: str | None) -> str:
    """Give the name of the run of a backup that is asked for."""
    with pytest.raises(DagRunTriggerException) as asked:
        ran(StartBase(task_id="start_backup", store="shop", begun=log or ""))
    assert asked.value.trigger_dag_id == "backup__shop"
    return str(asked.value.dag_run_id)


def drilled(store: str, moment: dict[str, str]) -> dict[str, Any]:
    """Drill a moment, and have it judged."""
    told: dict[str, Any] = ran(DrillRestore(task_id="drill_restore", store=store, **moment))
    assert told["wrong"] == []
    assert ran(DrillGate(task_id="gate_restore_drill", store=store, gate=DRILLED, **moment))["passed"]
    return told


def test_a_night_of_tables_is_green_and_says_what_it_has_not_put_back(project: None, shop: Shop) -> None:
    assert shipped() == ["shop", "shop_service"]
    log = ship()
    assert started(log) == f"log_begun__{log}__{shipping.this_hour()}", "a log that is begun wants a base at once"
    with pytest.raises(AirflowSkipException, match="A run of backup__shop is queued or running"):
        ran(StartBase(task_id="start_backup", store="shop", begun=log), runs=[("backup__shop", "running")])
    with pytest.raises(AirflowSkipException, match="takes the first"):
        ran(DrawMoments(task_id="list_moments", store="shop"), **FORM)
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    facts = ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))
    assert facts["bytes_read"] > 10_000
    assert ran(BackupGate(task_id="gate_backup_fresh", store="shop", gate=FRESH))["passed"]
    with pytest.raises(AirflowSkipException, match="backed up by documents: nothing of it is poisoned by us"):
        ran(PoisonBackup(task_id="p", store="shop", backup=taken))
    kept = ran(KeepBackups(task_id="prune_backups", store="shop"), agree=False)
    assert (kept["kept"], kept["gone"], kept["lost"]) == (1, 0, 0)
    assert ran(KeptBackupsGate(task_id="gate_backups_kept", store="shop", gate=KEPT))["passed"]
    (line,) = keeping.kept_of("shop")
    assert (line.id, line.verified_at is not None) == (taken, True)
    assert ship() is None
    with pytest.raises(AirflowSkipException, match="has its base"):
        ran(StartBase(task_id="start_backup", store="shop", begun=""))

    ran(CountStore(task_id="take_census", store="shop"))
    shop.put(900)
    assert ran(CountStore(task_id="take_census", store="shop"))["rows"] == 303
    moments = ran(DrawMoments(task_id="list_moments", store="shop"), **FORM)
    assert [one["kind"] for one in moments] == ["latest", "time"]
    told, _ = (drilled("shop", moment) for moment in moments)
    assert tables_of("shop").scratches() == []
    made = next(one for one in certificates_of(open_vault(), "shop") if one.key == told["certificate"])
    assert made.lost is not None
    assert len(made.put_back) > 7
    assert [line.partition(":")[0] for line in made.left] == [f"{shop.table} kinesis destination"]
    with opened_control(of_drill("shop", "latest", ""), "night") as control:
        assert "kinesis destination: a copy would tell" in control.facts(DRILLED).facts["left_told"]

    assert b"<title>Drills of shop" in open_vault().get(ran(ShowDrills(task_id="show", store="shop"))["picture"])
    found = exposure(facts_now("shop"), datetime.now(UTC))
    assert (found.proven_at is not None, found.warnings) == (True, ())
    folder = ran(MakeRunbooks(task_id="make_runbooks"))
    said = open_vault().get(f"{folder}corruption.md").decode() + open_vault().get(f"{folder}breach.md").decode()
    assert 'restore__shop --conf \'{"target": "time"' in said
    assert not re.search(r"restore_tenant__|port|roles|slot", said), "tables have none of these"


def test_on_the_real_day_tables_come_back_in_another_region_with_all_that_was_set(
    project: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = json.loads(os.environ["AIRFLOW_CONN_AWS_SHOP"])
    elsewhere["extra"]["region_name"] = "eu-west-1"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SHOP", json.dumps(elsewhere))
    client = tables_of("shop").tables.clients.dynamodb
    assert client.list_tables()["TableNames"] == [], "their region is gone, and they with it"
    restore = RestoreStore(task_id="restore_store", store="shop")
    with pytest.raises(AirflowFailException, match="Type the store's name, shop"):
        ran(restore, target="latest", value="", confirm="sohp", days=3)
    told = ran(restore, target="latest", value="", confirm="shop", days=3)
    copy = told["address"].split(",")[0]
    try:
        assert client.get_item(TableName=copy, Key={"id": ODD["id"]})["Item"]["digits"] == ODD["digits"]
        streams = client.describe_kinesis_streaming_destination(TableName=copy)["KinesisDataStreamDestinations"]
        assert [one["DestinationStatus"] for one in streams] == ["ACTIVE"], "what a drill leaves is put back"
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop="") == [], "users may be on it"
        assert ran(DropScratch(task_id="drop_scratch", store="shop_service"), drop="") == []
    finally:
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop=told["name"]) == [told["name"]]


def test_a_stream_that_was_switched_off_is_told_and_a_base_is_asked_for_once(
    project: None, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    for spec in ({"StreamEnabled": False}, {"StreamEnabled": True, "StreamViewType": BOTH}):
        shop.client.update_table(TableName=shop.table, StreamSpecification=spec)
    shop.put(901, "while nobody shipped")
    log = ship()
    assert f"P1: the log of shop: {shop.table}: its stream was switched off and on again" in capsys.readouterr().out
    assert ship() == log, "as long as nobody has taken it, it is the same one"
    assert started(log) == f"log_begun__{log}__{shipping.this_hour()}"
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    assert ship() is None
    ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))
    ran(CountStore(task_id="take_census", store="shop"))
    drilled("shop", {"kind": "latest", "value": ""})


def test_what_the_service_keeps_is_taken_judged_and_drilled(project: None, monkeypatch: pytest.MonkeyPatch) -> None:
    second, made = timedelta(seconds=1), drivers._service
    # Nobody writes for a second on each side: a minute, as AWS promises, is long to wait.
    monkeypatch.setitem(drivers.DRIVERS, "service", lambda *told: replace(made(*told), within=second))  # type: ignore[arg-type]
    assert ship("shop_service") is None, "no base goes with this log: copies are compared by it"
    time.sleep(1.5)
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop_service"))
    facts = ran(VerifyBackup(task_id="verify_backup", store="shop_service", backup=taken))
    assert facts["window_seconds"] >= 0, "its history is switched on"
    assert ran(BackupGate(task_id="gate_service_fresh", store="shop_service", gate=SERVICE))["passed"]
    time.sleep(1)
    exports = TakeExports(task_id="take_exports", store="shop_service")
    assert ["is asked for" in line for line in ran(exports)] == [True, True]
    # This engine calls it complete after a while, and has written nothing.
    with pytest.raises(NotExported, match="it is not there"):
        while ran(exports):
            time.sleep(0.1)

    ran(CountStore(task_id="take_census", store="shop_service"))
    told = ran(DrillRestore(task_id="drill_restore", store="shop_service", kind="point", value=taken))
    assert told["wrong"] == []
    assert tables_of("shop_service").scratches() == []
    kept = ran(KeepBackups(task_id="prune_backups", store="shop_service"), agree=False)
    assert (kept["kept"], kept["gone"], kept["lost"]) == (1, 0, 0)
    assert ran(KeptBackupsGate(task_id="gate_backups_kept", store="shop_service", gate=KEPT))["passed"]
    (line,) = keeping.kept_of("shop_service")
    assert (line.id, "the newest that a drill has brought back whole" in line.why) == (taken, True)
