"""Backups' tasks as Airflow runs them, from the files of an estate: take, ship, drill, bring back, take scratches away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from psycopg.conninfo import conninfo_to_dict
from sluice.flow import connections
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.safety import exposing, keeping, naming, stores
from sluice.flow.safety.backing_up import GATE as FRESH
from sluice.flow.safety.backing_up import BackupGate, TakeStoreBackup, VerifyBackup
from sluice.flow.safety.bringing_back import RestoreStore
from sluice.flow.safety.drilling import GATE as DRILLED
from sluice.flow.safety.drilling import CountStore, DrawMoments, DrillGate, DrillRestore, facts_of
from sluice.flow.safety.exposing import facts_now
from sluice.flow.safety.keeping import GATE as KEPT
from sluice.flow.safety.keeping import KeepBackups, KeptBackupsGate, PoisonBackup
from sluice.flow.safety.naming import NamePoint, VerifyPoint
from sluice.flow.safety.reaping import DropScratch, ListBackedUp
from sluice.flow.safety.reporting import MakeRunbooks, ShowDrills
from sluice.flow.safety.shipping import ShipLog
from sluice.flow.safety.stores import NotBackedUp, driver_of, of_backup, pointed
from sluice.flow.safety.stores import shipped as shipped_stores
from sluice.flow.safety.tenants import CompareTenant
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.safety.backup import Broken
from sluice.safety.drill.certificate import certificates_of
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.exposure import exposure
from sluice.safety.keeping import verifying
from sluice.safety.keeping.verifying import LogNotYet
from sluice.safety.physical.choosing import AlreadyNamed, NotThere
from sluice.safety.standing import reap
from sluice.safety.target import Target
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection

from tests.backed_up import Shop, opened_shop
from tests.conftest import Database

ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: {bucket}}}
ledger: {{connection: sluice_ledger}}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 5m
    rpo: 30s
    backup: {{by: physical, connection: pg_shop_backup, scratch: {scratch}, checks: {checks}}}
  dumped:
    engine: postgres
    connection: pg_shop
    rto: 5m
    rpo: 1d
    backup: {{by: logical, connection: pg_shop_backup, scratch: {scratch}}}
  plain: {{engine: postgres, connection: pg_shop, rto: 5m, rpo: 30s}}
"""
PAGE = Path(__file__).parents[2] / "docs/howto/back-up-a-store.md"
CHECKS = "{public.notes: {suites: [notes_rules], newest_by: at}}"
RULES = {
    "meta": {"sluice": {"over": "window", "days": 1, "rows_at_most": 1000, "ahead_at_most_days": 1}},
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}, "severity": "critical"}
    ],
}
FORM = {"target": "as scheduled", "value": ""}


@pytest.fixture(scope="module")
def shop(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server with something in it."""
    vault.store.create_bucket("tasks")
    with opened_shop(tmp_path_factory.mktemp("tasks"), free_port(), Vault(vault.client(), "tasks")) as made:
        with made.connect() as c:
            c.execute(page_says("sql")[0].replace("…", "secret"))  # type: ignore[call-overload]
        yield made


def page_says(language: str) -> list[str]:
    """Give the page's blocks: who follows it needs no more than it says."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def project(shop: Shop, database: Database, vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An estate that backs the shop up, with Airflow's connections."""
    (tmp_path / "include/estate").mkdir(parents=True)
    scratch = shop.folder / "scratch"
    (tmp_path / "include/estate/estate.yaml").write_text(
        ESTATE.format(bucket=shop.vault.bucket, scratch=scratch, checks=CHECKS)
    )
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations/notes_rules.json").write_text(json.dumps(RULES))
    for module in (connections, exposing, stores, keeping):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    dsns = {
        "PG_SHOP": shop.cluster.dsn(),
        "PG_SHOP_BACKUP": shop.cluster.dsn(user="shop_backup"),
        "SLUICE_LEDGER": database.dsn(databases.LEDGER),
    }
    for name, dsn in dsns.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", _connection(dsn))
    extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
    login = {"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(login))
    return tmp_path


def _connection(dsn: str) -> str:
    told = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return json.dumps({"conn_type": "postgres", **{names[name]: told[name] for name in names if name in told}})


def ran(task: Any, run: str = "night", **params: object) -> Any:
    """Run one task as Airflow does."""
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(
        dag_id="d", run_id=run, task_id=task.task_id, map_index=-1, try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )  # fmt: skip
    known = {**FORM, "confirm": "", "drop": "", "port": 0, "days": 3, "warm": False, **params}
    told = {"ti": ti, "run_id": run, "params": known, "dag_run": SimpleNamespace(conf={}, start_date=datetime.now(UTC))}
    return task.execute({**told, "dag": SimpleNamespace(params=known)})


def shipped(seconds: float = 1.0) -> None:
    """Bring the log into the vault as far as it is."""
    assert ran(ShipLog(task_id="ship_log", store="shop", seconds=seconds))


@pytest.fixture
def backed_up(project: Path, shop: Shop) -> None:
    """One backup at least, with its log, and a row after it."""
    if not driver_of("shop").backups():
        ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    with shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES ('after it')")
    shipped()


def test_without_a_backup_there_is_nothing_to_drill(project: Path) -> None:
    with pytest.raises(AirflowSkipException, match="backup__shop takes the first"):
        ran(DrawMoments(task_id="list_moments", store="shop"))


def test_a_night_of_backup_and_drill_is_green_and_leaves_nothing_standing(project: Path, shop: Shop) -> None:
    assert shipped_stores() == ["shop"], "the other one is dumped"
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    shipped()
    facts = ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))
    assert facts["bytes_read"] > facts["bytes_stored"] > 0
    assert facts["behind_seconds"] < 30
    assert ran(BackupGate(task_id="gate_backup_fresh", store="shop", gate=FRESH))["passed"]

    with shop.shipped():
        assert ran(CountStore(task_id="take_census", store="shop"))["rows"] > 0
    assert ran(DrawMoments(task_id="list_moments", store="shop")) == [{"kind": "latest", "value": ""}], (
        "of two counts one is there"
    )
    with shop.shipped():
        ran(CountStore(task_id="take_census", store="shop"))
    shipped()
    latest, drawn = ran(DrawMoments(task_id="list_moments", store="shop"))
    assert (latest["kind"], drawn["kind"]) == ("latest", "time")
    for moment in (latest, drawn):
        told = ran(DrillRestore(task_id="drill_restore", store="shop", **moment))
        assert told["wrong"] == []
        assert ran(DrillGate(task_id="gate_restore_drill", store="shop", gate=DRILLED, **moment))["passed"]
    certificate = certificates_of(shop.vault, "shop")[-1]
    assert certificate.key == told["certificate"]
    (rule,) = certificate.checked
    assert (rule.table, rule.suite, rule.rows, rule.wrong) == ("public.notes", "notes_rules", 1000, ())
    broken = replace(certificate, target="the latest moment", checked=(replace(rule, wrong=("text is missing",)),))
    assert (facts_of(broken)["rules_broken"], broken.wrong) == (1, ("text is missing",))
    assert driver_of("shop").scratches() == []

    drawn = ran(ShowDrills(task_id="show_drills", store="shop"))
    assert (drawn["breach"], drawn["told"].split(":")[0]) == (None, "no date")
    assert b"<title>Drills of shop" in shop.vault.get(drawn["picture"])

    folder = ran(MakeRunbooks(task_id="make_runbooks"))
    assert folder.startswith("docs/runbooks/20")
    assert "region-failure.md" in shop.vault.list(folder)[-1]
    assert b"last passed" in shop.vault.get(f"{folder}corruption.md")

    shipped()
    before = exposure(facts_now("shop"), datetime.now(UTC))
    assert (before.proof, before.warnings) == (told["certificate"], ())
    assert before.lose_at_most is not None
    shop.cluster.stop()
    try:
        dead = exposure(facts_now("shop"), datetime.now(UTC))
    finally:
        shop.cluster.start()
    assert dead.back_in == pytest.approx(before.back_in, rel=0.5)
    assert dead.lose_at_most is not None
    assert before.lose_at_most <= dead.lose_at_most < 300


def test_a_backup_whose_log_does_not_come_is_red(project: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.connect() as c:
        c.execute("SELECT pg_switch_wal()")
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    monkeypatch.setattr(VerifyBackup, "patience", timedelta(seconds=1))
    with pytest.raises(LogNotYet, match=r"the vault does not have it yet.*see that the log is shipped"):
        ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))
    shipped()
    assert ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))


def test_what_is_kept_is_locked_swept_and_poisoned_and_nothing_young_goes(
    project: Path, shop: Shop, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = driver_of("shop").backups()[-1].id
    ran(VerifyBackup(task_id="verify_backup", store="shop", backup=newest))
    kept = ran(KeepBackups(task_id="prune_backups", store="shop"), agree=False)
    assert (kept["gone"], kept["lost"]) == (0, 0)
    # Read in goes of no time at all, though all of it was read before: it comes to an end.
    with monkeypatch.context() as hurried:
        hurried.setattr(verifying.verify, "__defaults__", (timedelta(0), None))
        assert ran(VerifyBackup(task_id="verify_backup", store="shop", backup=newest))["bytes_read"] > 0
    assert kept["kept"] == len(driver_of("shop").backups())
    assert ran(KeptBackupsGate(task_id="gate_backups_kept", store="shop", gate=KEPT))["passed"]
    caught = ran(PoisonBackup(task_id="poison_copy", store="shop", backup=newest))
    assert len(caught) == 3
    assert all("Damaged" in one or "Unreadable" in one or "NoSuchKey" in one for one in caught), caught


def test_a_store_that_is_dumped_goes_the_same_way(project: Path, shop: Shop) -> None:
    taken = ran(TakeStoreBackup(task_id="take_backup", store="dumped"))
    assert ran(VerifyBackup(task_id="verify_backup", store="dumped", backup=taken))["bytes_read"] > 0
    assert ran(BackupGate(task_id="gate_backup_fresh", store="dumped", gate=FRESH))["passed"]
    with pytest.raises(AirflowSkipException, match="nothing of it is kept, or goes, by us"):
        ran(KeepBackups(task_id="prune_backups", store="dumped"), agree=False)
    with pytest.raises(AirflowSkipException, match="each dump was counted in its own snapshot"):
        ran(CountStore(task_id="take_census", store="dumped"))
    (latest,) = ran(DrawMoments(task_id="list_moments", store="dumped"))
    told = ran(DrillRestore(task_id="drill_restore", store="dumped", **latest))
    assert told["wrong"] == []
    assert ran(DrillGate(task_id="gate_restore_drill", store="dumped", gate=DRILLED, **latest))["passed"]
    assert driver_of("dumped").scratches() == []


def test_a_drill_that_brings_nothing_back_leaves_a_certificate(backed_up: None, shop: Shop) -> None:
    with pytest.raises(Broken, match="That moment cannot be restored to"):
        ran(DrillRestore(task_id="drill_restore", store="shop", kind="position", value="0/1"))
    failed = certificates_of(shop.vault, "shop")[-1]
    assert (failed.target, failed.wrong[0].split(":")[:2]) == ("position 0/1", ["nothing was compared", " Broken"])


def test_a_drill_that_differs_is_red_and_says_what(project: Path) -> None:
    with opened_control("drill/shop/latest", "night") as control:
        facts = {
            "tables_compared": 2, "rows_compared": 9, "differences": 1, "differences_told": "public.notes: 1 row fewer",
            "damaged": 0, "rto_over_seconds": 0, "rpo_over_seconds": 0,
            "rules_broken": 0, "rules_broken_then": 0, "rules_warned": 0, "wrong": 1, "wrong_told": "public.notes: 1 row fewer",
        }  # fmt: skip
        control.record_facts(DRILLED, facts, epoch=1)
    with pytest.raises(AirflowFailException, match="nothing differs"):
        ran(DrillGate(task_id="gate_restore_drill", store="shop", kind="latest", value="", gate=DRILLED))


def test_on_the_real_day_a_store_comes_back_beside_durable_with_its_own_rules(
    project: Path, shop: Shop, backed_up: None
) -> None:
    restore, port = RestoreStore(task_id="restore_store", store="shop"), free_port()
    with pytest.raises(AirflowFailException, match="Type the store's name, shop"):
        ran(restore, target="latest", confirm="shpo")
    with pytest.raises(AirflowFailException, match="is no time with a time zone"):
        ran(restore, target="time", value="2026-01-01 10:00", confirm="shop")
    told = ran(restore, target="latest", confirm="shop", port=port, warm=True)
    try:
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="secret", dbname="postgres") as c:
            assert c.execute("SELECT text FROM notes WHERE text = 'after it'").fetchone()
            settings = dict(c.execute("SELECT name, setting FROM pg_settings").fetchall())
        assert told["warmed_blocks"] > 100
        assert (settings["archive_mode"], settings["listen_addresses"]) == ("off", "*")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="wrong", dbname="postgres")
        assert ran(DropScratch(task_id="drop_scratch", store="shop")) == [], "it stands for three days"
        told_of = []
        late = datetime.now(UTC) + timedelta(days=400)
        assert reap(driver_of("shop"), open_vault(), late, told_of.append) == [], "users may be on it"
        assert "its time is over" in told_of[0] and told["name"] in told_of[0]
        assert driver_of("shop").scratches() == [told["name"]]
        assert settings["max_logical_replication_workers"] == "0"
    finally:
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop=told["name"]) == [told["name"]]
    assert driver_of("shop").scratches() == []


def test_a_point_is_named_once_and_green_when_the_store_comes_back_to_it(
    project: Path, shop: Shop, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pointed() == ["shop"], "a dump has no log"
    assert ran(NamePoint(task_id="name_point", store="shop"), name="before-7.2") == "before-7.2"
    with shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES ('of the release')")
    with pytest.raises(AlreadyNamed, match=r"before-7.2 of shop is position \w+/\w+ of its log already"):
        ran(NamePoint(task_id="name_point", store="shop"), name="before-7.2")
    verify = VerifyPoint(task_id="verify_point", store="shop", point="before-7.2")
    with monkeypatch.context() as hurried:
        hurried.setattr(naming, "COMES_WITHIN", timedelta(0))
        with pytest.raises(NotThere, match="the point is"):
            ran(verify)
    shipped()
    assert '"target": "point", "value": "before-7.2"' in ran(verify)
    driver, name = driver_of("shop"), name_scratch("shop", datetime.now(UTC), "point")
    try:
        back = driver.restore(Target("point", "before-7.2"), name, Clock(), print)
        with psycopg.connect(back.address) as c:
            assert c.execute("SELECT text FROM notes ORDER BY id DESC LIMIT 1").fetchone() == ("after it",)
    finally:
        driver.destroy(name)


def test_without_a_backup_no_point_is_named(project: Path) -> None:
    estate = project / "include/estate/estate.yaml"
    estate.write_text(estate.read_text().replace("  shop:", "  fresh:"))
    with pytest.raises(AirflowFailException, match="backup__fresh takes the first"):
        ran(NamePoint(task_id="name_point", store="fresh"), name="before-7.2")


def test_one_tenant_is_compared_and_nothing_is_put_back(project: Path, shop: Shop, backed_up: None) -> None:
    compare = CompareTenant(task_id="compare_tenant", store="shop")
    with pytest.raises(AirflowFailException, match="Say which tenant"):
        ran(compare, target="latest", tenant="", column="id")
    with shop.connect() as c:
        c.execute("UPDATE tenants SET name = 'another' WHERE id = 7")
        told = ran(compare, target="latest", tenant="7", column="id")
        assert told["tables"]["public.tenants"] == {"same": 0, "missing": 0, "changed": 1, "added": 0}
        assert c.execute("SELECT name FROM tenants WHERE id = 7").fetchone() == {"name": "another"}
    assert b"SET \"name\" = 'tenant 7'" in shop.vault.get(told["files"][0])


def test_a_restore_that_fails_leaves_nothing(project: Path, shop: Shop, backed_up: None) -> None:
    restore = RestoreStore(task_id="restore_store", store="shop")
    with pytest.raises(Exception, match="No backup of shop was whole before"):
        ran(restore, target="time", value="2001-01-01T00:00:00+00:00", confirm="shop")
    assert driver_of("shop").scratches() == []


def test_what_a_killed_drill_has_left_goes_after_a_day(project: Path, shop: Shop) -> None:
    driver, now = driver_of("shop"), datetime.now(UTC)
    old, young = (name_scratch("shop", now - timedelta(hours=hours), "x") for hours in (25, 1))
    for name in (old, young):
        (shop.folder / "scratch/drills/shop" / name / "data").mkdir(parents=True)
    assert ran(ListBackedUp(task_id="list_stores")) == ["shop", "dumped"]
    (shop.folder / "scratch/drills/other" / old).mkdir(parents=True)
    assert ran(DropScratch(task_id="drop_scratch", store="shop")) == [old]
    assert (shop.folder / "scratch/drills/other" / old).exists(), "of another store"
    assert driver.scratches() == [young]
    driver.destroy(young)


def test_a_store_without_backup_is_told(project: Path) -> None:
    for wrong in ("plain", "nobody"):
        with pytest.raises(NotBackedUp, match=f"no `backup` for a store '{wrong}'. It has shop, dumped."):
            driver_of(wrong)
    estate = project / "include/estate/estate.yaml"
    estate.write_text("\n".join(line for line in estate.read_text().splitlines() if "backup:" not in line))
    with pytest.raises(AirflowSkipException, match="No store is backed up"):
        ran(ListBackedUp(task_id="list_stores"))


def test_the_heart_beats_beside_the_log_and_never_stops_it(project: Path, shop: Shop) -> None:
    shipped(0.5)
    with shop.connect() as c:
        before = beats(c)
        c.execute("ALTER TABLE sluice_safety.heartbeat RENAME TO away")
        shipped(0.5)
        c.execute("ALTER TABLE sluice_safety.away RENAME TO heartbeat")
        shipped(0.5)
        assert beats(c) == before + 1


def beats(c: Connection) -> int:
    """Count the beats."""
    found = c.execute("SELECT count(*) AS n FROM sluice_safety.heartbeat").fetchone()
    return int(found["n"]) if found else 0


def test_the_ledger_names_backups_as_no_table(project: Path) -> None:
    assert of_backup("shop") == "backup/shop"
    with pytest.raises(NoSuchKey):
        open_vault().get("backups/stores/shop/standing/nothing.json")
