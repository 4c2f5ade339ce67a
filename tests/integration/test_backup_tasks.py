"""Backups' tasks as Airflow runs them, from the files of an estate: take, ship, drill, bring back, take scratches away."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.providers.common.compat.sdk import DagRunTriggerException
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from psycopg.conninfo import conninfo_to_dict
from sluice.flow import alerting, connections
from sluice.flow.alerting import note_told
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.safety import exposing, keeping, naming, shipping, stores
from sluice.flow.safety.backing_up import GATE as FRESH
from sluice.flow.safety.backing_up import BackupGate, TakeStoreBackup, VerifyBackup
from sluice.flow.safety.bringing_back import NotHandedOver, RestoreStore, WarmStore
from sluice.flow.safety.counting import CountStore
from sluice.flow.safety.drilling import GATE as DRILLED
from sluice.flow.safety.drilling import DrillGate, DrillRestore, facts_of
from sluice.flow.safety.exposing import facts_now
from sluice.flow.safety.keeping import GATE as KEPT
from sluice.flow.safety.keeping import CopyElsewhere, KeepBackups, KeptBackupsGate, PoisonBackup
from sluice.flow.safety.moments import DrawMoments
from sluice.flow.safety.naming import NamePoint, VerifyPoint
from sluice.flow.safety.reaping import DetectLeftOver, DropScratch, ListBackedUp
from sluice.flow.safety.reporting import MakeRunbooks, ShowDrills
from sluice.flow.safety.shipping import ShipLog, StartBackup
from sluice.flow.safety.stores import NotBackedUp, driver_of, of_backup, pointed
from sluice.flow.safety.stores import shipped as shipped_stores
from sluice.flow.safety.tenants import CompareTenant
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.local.safety import kept_told
from sluice.safety.backup import Broken, backups_of, folder_of
from sluice.safety.censuses import censuses_of, counted_at, key_of
from sluice.safety.drill.certificate import certificates_of
from sluice.safety.driver import Clock, Driver, name_scratch
from sluice.safety.exposure import exposure
from sluice.safety.keeping import verifying
from sluice.safety.keeping.elsewhere import copy_backup
from sluice.safety.keeping.encrypting import wrongly_encrypted
from sluice.safety.keeping.looking import look
from sluice.safety.keeping.reading import readers
from sluice.safety.keeping.residency import OtherRegion, OutsideResidency
from sluice.safety.keeping.verifying import LogNotYet
from sluice.safety.left_over import LeftOver
from sluice.safety.pgbackrest.program import NotInstalled
from sluice.safety.physical import driver as physical
from sluice.safety.physical.choosing import AlreadyNamed, NotThere
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.opening import PortTaken
from sluice.safety.physical.scratch import NotGone
from sluice.safety.room import NoFolder
from sluice.safety.standing import LONGEST_RESTORE, begin_standing, reap
from sluice.safety.target import A_BACKUP, Target
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection

from tests.as_airflow import Runs, counted
from tests.backed_up import Shop, opened_shop
from tests.conftest import Database
from tests.faulty_s3 import Fault, faulty

ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: {bucket}, kms_key: {key}}}
ledger: {{connection: sluice_ledger}}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 5m
    rpo: 30s
    residency: {{group: us, also: [eu-central-1]}}
    backup: {{by: physical, connection: pg_shop_backup, scratch: {scratch}, checks: {checks}, elsewhere: {elsewhere}}}
  dumped:
    engine: postgres
    connection: pg_shop
    rto: 5m
    rpo: 1d
    backup: {{by: logical, connection: pg_shop_backup, scratch: {scratch}}}
  plain: {{engine: postgres, connection: pg_shop, rto: 5m, rpo: 30s}}
"""
ELSEWHERE = "{{connection: s3_vault, bucket: {bucket}, region: eu-central-1, kms_key: {key}}}"
KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-55555555555"
THERE = "tasks-elsewhere"
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
    encrypt(vault.client(), "tasks", KEY)
    here = Vault(vault.client(), "tasks", kms_key=KEY)
    with opened_shop(tmp_path_factory.mktemp("tasks"), free_port(), here) as made:
        with made.connect() as c:
            c.execute(page_says("sql")[0].replace("…", "secret"))  # type: ignore[call-overload]
        yield made


def encrypt(client: Any, bucket: str, key: str) -> None:
    """Have a bucket encrypt by itself."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)


@pytest.fixture(scope="module")
def there(vault) -> Vault:
    """A bucket in another region."""
    client = vault.client()
    client.create_bucket(Bucket=THERE, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    encrypt(client, THERE, f"{KEY}9")
    return Vault(client, THERE, kms_key=f"{KEY}9")


def page_says(language: str) -> list[str]:
    """Give the page's blocks: who follows it needs no more than it says."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def project(
    shop: Shop, there: Vault, database: Database, vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An estate that backs the shop up, with Airflow's connections."""
    (tmp_path / "include/estate").mkdir(parents=True)
    scratch, elsewhere = shop.folder / "scratch", ELSEWHERE.format(bucket=THERE, key=there.kms_key)
    (tmp_path / "include/estate/estate.yaml").write_text(
        ESTATE.format(bucket=shop.vault.bucket, scratch=scratch, checks=CHECKS, key=KEY, elsewhere=elsewhere)
    )
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations/notes_rules.json").write_text(json.dumps(RULES))
    for module in (connections, exposing, stores, keeping):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(shipping, "RESTS", 0.0)
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


def ran(task: Any, run: str = "night", runs: Runs = (), **params: object) -> Any:
    """Run one task as Airflow does, beside `runs`."""
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(
        dag_id="d", run_id=run, task_id=task.task_id, map_index=-1, try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}), get_dr_count=counted(runs),
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
    ancient, old, damaged = left_counts(shop)
    with shop.shipped():
        ran(CountStore(task_id="take_census", store="shop"))
    shipped()
    assert ancient not in censuses_of(shop.vault, "shop"), "nothing can be held against it any more"
    assert {old, damaged} < {*censuses_of(shop.vault, "shop")}
    shop.vault.remove(old)
    latest, drawn = ran(DrawMoments(task_id="list_moments", store="shop"))
    assert (latest["kind"], drawn["kind"]) == ("latest", "time")
    for moment in (latest, drawn):
        told = ran(DrillRestore(task_id="drill_restore", store="shop", **moment))
        assert told["wrong"] == []
        assert ran(DrillGate(task_id="gate_restore_drill", store="shop", gate=DRILLED, **moment))["passed"]
    proofs = certificates_of(shop.vault, "shop")
    assert [(one.kms_key, one.wrongly_encrypted) for one in proofs] == [(KEY, ()), (None, ())], (
        "asked of the latest alone"
    )
    certificate = proofs[-1]
    assert certificate.key == told["certificate"]
    (rule,) = certificate.checked
    assert (rule.table, rule.suite, rule.rows, rule.wrong) == ("public.notes", "notes_rules", 1000, ())
    broken = replace(certificate, target="the latest moment", checked=(replace(rule, wrong=("text is missing",)),))
    assert (facts_of(broken)["rules_broken"], broken.wrong) == (1, ("text is missing",))
    facts = facts_of(certificate)
    assert (facts["tables_left_out"], facts["rows_compared_percent"]) == (0, 100.0), (
        "nobody wrote between the two counts"
    )
    assert facts["lost_at_least_seconds"] is None, "a time was asked to have less"
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


def left_counts(shop: Shop) -> tuple[str, str, str]:
    """Leave two counts of years ago, and a damaged one just behind the first that there is; gives their keys."""
    (first,) = censuses_of(shop.vault, "shop")
    ancient, old = (key_of("shop", datetime(year, 1, 1, tzinfo=UTC)) for year in (2019, 2020))
    damaged = key_of("shop", counted_at(first) + timedelta(milliseconds=1))
    body = shop.vault.get(first)
    for key, held in {ancient: body, old: body, damaged: body[:-100]}.items():
        shop.vault.put_once(key, held, "application/zstd")
    return ancient, old, damaged


def test_a_whole_backup_is_taken_where_a_person_asks(project: Path, backed_up: None) -> None:
    take = TakeStoreBackup(task_id="take_backup", store="shop")
    assert ran(take).endswith("-increment")
    assert ran(take, whole=True).endswith("-full")
    shipped()


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
    project: Path, shop: Shop, there: Vault, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = driver_of("shop").backups()[-1].id
    ran(VerifyBackup(task_id="verify_backup", store="shop", backup=newest))
    ran(CopyElsewhere(task_id="copy_elsewhere", store="shop"))
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


def test_what_is_to_lie_in_another_region_is_copied_read_back_and_missed_where_it_lacks(
    project: Path, shop: Shop, there: Vault, backed_up: None
) -> None:
    copy = CopyElsewhere(task_id="copy_elsewhere", store="shop")
    for backup in driver_of("shop").backups():
        ran(VerifyBackup(task_id="verify_backup", store="shop", backup=backup.id))
    ran(copy)
    assert ran(copy) == [], "all of it is there"
    (first,) = backups_of(there, "shop")
    assert first.after is None, "the whole one of its week"
    assert wrongly_encrypted(there, look(there, "shop"), [first.id]) == []
    kept = kept_now()
    assert (kept["elsewhere_kept"], kept["elsewhere_lacking"], kept["elsewhere_wrong"]) == (1, 0, 0)
    assert kept["elsewhere_age_seconds"] > 0
    assert ran(KeptBackupsGate(task_id="gate_backups_kept", store="shop", gate=KEPT))["passed"]
    lines = keeping.kept_of("shop")
    assert [line.id for line in lines if line.elsewhere == (THERE,)] == [first.id]
    assert re.search(rf"{first.id} .* tasks-elsewhere  daily until .*weekly until", kept_told(lines))
    there.remove(first.parts[0].key)
    harmed = kept_now()
    assert harmed["elsewhere_wrong"] == 1
    assert harmed["elsewhere_lacking_told"] == f"{first.id}; the weekly one of this week"
    with pytest.raises(AirflowFailException, match="all is elsewhere that is to be there"):
        ran(KeptBackupsGate(task_id="gate_backups_kept", store="shop", gate=KEPT))
    for key in there.list(""):
        there.remove(key)


def kept_now() -> dict[str, Any]:
    """Let go what is over, and give what the gate judges."""
    return dict(ran(KeepBackups(task_id="prune_backups", store="shop"), agree=False))


def test_a_bucket_where_the_data_may_not_be_is_refused(project: Path, shop: Shop, there: Vault) -> None:
    estate = project / "include/estate/estate.yaml"
    copy, text = CopyElsewhere(task_id="copy_elsewhere", store="shop"), estate.read_text()
    estate.write_text(text.replace("region: eu-central-1", "region: us-west-2"))
    with pytest.raises(OtherRegion, match=r"lies in eu-central-1, and include/estate/estate\.yaml says us-west-2"):
        ran(copy)
    estate.write_text(text.replace("group: us, also: [eu-central-1]", "group: eu"))
    refused = r"s3://tasks lies in us-east-1, and shop belongs to the region group 'eu'"
    for task in (TakeStoreBackup(task_id="take_backup", store="shop"), ShipLog(task_id="ship_log", store="shop")):
        with pytest.raises(OutsideResidency, match=refused):
            ran(task)
    with pytest.raises(AirflowSkipException, match="dumped has no `elsewhere`"):
        ran(CopyElsewhere(task_id="copy_elsewhere", store="dumped"))


def test_what_is_under_another_key_than_the_vaults_is_red_until_a_whole_backup_is_under_it(
    project: Path, shop: Shop, backed_up: None
) -> None:
    estate = project / "include/estate/estate.yaml"
    estate.write_text(estate.read_text().replace(f"kms_key: {KEY}}}", f"kms_key: {KEY}7}}", 1))
    for backup in driver_of("shop").backups():
        ran(VerifyBackup(task_id="verify_backup", store="shop", backup=backup.id))
    kept = kept_now()
    assert kept["wrongly_encrypted"] > 3, "the bucket's own default, parts, manifests, log"
    assert f"{KEY}, and its vault names {KEY}7: make it the default" in kept["wrongly_encrypted_told"]
    told = ran(DrillRestore(task_id="drill_restore", store="shop", kind="latest", value=""))
    assert any(f"is encrypted by {KEY}, and not by {KEY}7" in line for line in told["wrong"])
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    assert taken.endswith("-full"), "no increment rests on what is under another"
    assert shop.vault.encrypted_by(f"{folder_of('shop', taken)}/manifest.json") == f"{KEY}7"
    shop.vault.remove(f"{folder_of('shop', taken)}/manifest.json")


def test_the_oldest_backup_and_its_copy_are_brought_back_once_a_month(
    project: Path, shop: Shop, there: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop.shipped():
        ran(CountStore(task_id="take_census", store="shop"))
        taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
        ran(CountStore(task_id="take_census", store="shop"))
    ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))
    ran(CopyElsewhere(task_id="copy_elsewhere", store="shop"))
    drawn = [one for one in ran(DrawMoments(task_id="list_moments", store="shop")) if one["kind"] in A_BACKUP]
    (ours,) = [one for one in drawn if one["kind"] == "backup"]
    # What lies elsewhere was whole before the first count, so the one that lies here is copied by hand.
    copied = ours["value"]
    copy_backup(shop.vault, there, look(shop.vault, "shop"), copied, datetime.now(UTC), shop.said.append)
    for moment in (ours, {"kind": "elsewhere", "value": copied}):
        told = ran(DrillRestore(task_id="drill_restore", store="shop", **moment))
        assert told["wrong"] == []
        assert ran(DrillGate(task_id="gate_restore_drill", store="shop", gate=DRILLED, **moment))["passed"]
        (made,) = [one for one in certificates_of(shop.vault, "shop") if one.key == told["certificate"]]
        assert (made.target, made.is_full_recovery) == (f"{moment['kind']} {copied}", True)
        assert made.compared
        assert made.compared.rows > 0
    assert not {one["kind"] for one in ran(DrawMoments(task_id="list_moments", store="shop"))} & {*A_BACKUP}
    with pytest.raises(AirflowFailException, match="dumped is backed up by logical: ask for latest or time"):
        ran(DrawMoments(task_id="list_moments", store="dumped"), target="backup", value="x")
    with pytest.raises(Broken, match=r"shop has no backup 'nothing' there\. It has"):
        ran(DrillRestore(task_id="drill_restore", store="shop", kind="elsewhere", value="nothing"))


def test_a_store_that_is_dumped_goes_the_same_way(project: Path, shop: Shop) -> None:
    taken = ran(TakeStoreBackup(task_id="take_backup", store="dumped"))
    assert ran(VerifyBackup(task_id="verify_backup", store="dumped", backup=taken))["bytes_read"] > 0
    assert ran(BackupGate(task_id="gate_backup_fresh", store="dumped", gate=FRESH))["passed"]
    kept = ran(KeepBackups(task_id="prune_backups", store="dumped"), agree=False)
    assert (kept["kept"], kept["gone"], kept["lost"]) == (1, 0, 0)
    assert ran(KeptBackupsGate(task_id="gate_backups_kept", store="dumped", gate=KEPT))["passed"]
    (line,) = keeping.kept_of("dumped")
    assert (line.id, line.verified_at is not None, line.tiers) == (taken, True, ("daily", "weekly", "monthly"))
    with pytest.raises(AirflowSkipException, match="nothing of it is poisoned by us"):
        ran(PoisonBackup(task_id="poison_copy", store="dumped", backup=taken))
    with pytest.raises(AirflowSkipException, match="each dump was counted in its own snapshot"):
        ran(CountStore(task_id="take_census", store="dumped"))
    (latest,) = ran(DrawMoments(task_id="list_moments", store="dumped"))
    told = ran(DrillRestore(task_id="drill_restore", store="dumped", **latest))
    assert told["wrong"] == []
    assert facts_of(certificates_of(shop.vault, "dumped")[-1])["lost_at_least_seconds"] > 0, "all since the dump"
    assert ran(DrillGate(task_id="gate_restore_drill", store="dumped", gate=DRILLED, **latest))["passed"]
    assert driver_of("dumped").scratches() == []


def test_a_drill_that_brings_nothing_back_leaves_a_certificate(backed_up: None, shop: Shop) -> None:
    with pytest.raises(Broken, match="That moment cannot be restored to"):
        ran(DrillRestore(task_id="drill_restore", store="shop", kind="position", value="0/1"))
    failed = certificates_of(shop.vault, "shop")[-1]
    assert (failed.target, failed.wrong[0].split(":")[:2]) == ("position 0/1", ["nothing was compared", " Broken"])


def test_whoever_must_act_is_told_and_the_next_run_waits(
    project: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept, told = list[float](), list[str]()
    monkeypatch.setattr(shipping, "RESTS", 300.0)
    monkeypatch.setattr("sluice.flow.safety.shipping.time.sleep", slept.append)
    monkeypatch.setattr(shipping, "raise_alarm", lambda log, subject, text, context: told.append(text))
    estate = project / "include/estate/estate.yaml"
    (shop.folder / "taken").touch()
    estate.write_text(estate.read_text().replace(f"scratch: {shop.folder}/scratch", f"scratch: {shop.folder}/taken"))
    with pytest.raises(NoFolder, match="of shop cannot be made on this worker"):
        ran(ShipLog(task_id="ship_log", store="shop"))
    assert slept == [300.0], "runs follow each other at once"
    assert "name another folder" in told[0]


def test_one_store_that_cannot_be_asked_hides_none_of_the_others(
    project: Path, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(store: str) -> Driver:
        raise NotInstalled(f"{store} cannot be asked")

    monkeypatch.setattr(exposing, "driver_of", locked)
    found = exposure(facts_now("shop"), datetime.now(UTC))
    assert (found.silent, found.lost) == (True, "unknown")
    assert found.warnings[0] == "nobody knows what would be lost: shop cannot be asked"


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
    killed = name_scratch("shop", datetime.now(UTC) - timedelta(hours=1), "night")
    another = name_scratch("shop", datetime.now(UTC) - timedelta(hours=1), "another night")
    for name in (killed, another):
        (shop.folder / "scratch/drills/shop" / name / "data").mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken, match=f"on port {taken.getsockname()[1]} of this machine already"):
            ran(restore, target="latest", confirm="shop", port=taken.getsockname()[1])
    told = ran(restore, target="latest", confirm="shop", port=port, warm=True)
    assert [PurePath(key).name for key in standing()] == [f"{told['name']}.json"], "nobody is bringing it back any more"
    try:
        assert set(driver_of("shop").scratches()) == {told["name"], another}, "its disk was wanted"
        driver_of("shop").destroy(another)
        assert ran(restore, target="latest", confirm="shop", port=port) == told, "it was given to people: it stays"
        warm = WarmStore(task_id="warm_store", store="shop", restored=told)
        with pytest.raises(AirflowSkipException, match="Nobody has asked"):
            ran(warm)
        assert ran(warm, warm=True) > 100
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="secret", dbname="postgres") as c:
            assert c.execute("SELECT text FROM notes WHERE text = 'after it'").fetchone()
            settings = dict(c.execute("SELECT name, setting FROM pg_settings").fetchall())
        assert (settings["archive_mode"], settings["listen_addresses"]) == ("off", "localhost"), (
            "no further than the original"
        )
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="wrong", dbname="postgres")
        assert ran(DropScratch(task_id="drop_scratch", store="shop")) == [], "it stands for three days"
        told_of = []
        late = datetime.now(UTC) + timedelta(days=400)
        assert reap(driver_of("shop"), open_vault(), late, told_of.append) == [], "users may be on it"
        assert "its time is over" in told_of[0] and told["name"] in told_of[0]
        assert told_of[0].endswith(f'reap_scratch is run with {{"drop": "{told["name"]}"}}')
        assert driver_of("shop").scratches() == [told["name"]]
        assert settings["max_logical_replication_workers"] == "0"
    finally:
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop=told["name"]) == [told["name"]]
    assert driver_of("shop").scratches() == []


def test_a_copy_that_cannot_be_made_ready_is_kept_and_a_further_try_goes_on_there(
    project: Path, shop: Shop, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = RestoreStore(task_id="restore_store", store="shop")
    with socket.socket() as taken, monkeypatch.context() as late:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        late.setattr("sluice.safety.physical.opening.check_port", lambda _: None)  # it is taken while the copy comes up
        with pytest.raises(
            NotHandedOver, match=r"(?s)shop is back as sluice-scratch-shop-.*It is kept.*clear `restore_store`"
        ):
            ran(restore, target="latest", confirm="shop", port=port)
    (name,) = driver_of("shop").scratches()
    assert reap(driver_of("shop"), open_vault(), datetime.now(UTC) + timedelta(days=2), print) == []
    with monkeypatch.context() as once:
        once.setattr(Physical, "restore", None)
        told = ran(restore, target="latest", confirm="shop", port=port)
    try:
        assert told["name"] == name
        assert told["reached at"].startswith(f"port {port} of ")
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="secret", dbname="postgres") as c:
            assert c.execute("SELECT text FROM notes WHERE text = 'after it'").fetchone()
    finally:
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop=name) == [name]
    assert standing() == []


def test_a_copy_that_came_up_while_the_vault_was_down_is_noted_as_soon_as_that_answers(
    project: Path, backed_up: None, vault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = os.environ["AIRFLOW_CONN_S3_VAULT"]
    with faulty(vault.endpoint) as way, monkeypatch.context() as late:
        late.setenv("AIRFLOW_CONN_S3_VAULT", straight.replace(vault.endpoint, f"http://127.0.0.1:{way.port}"))
        late.setenv("AWS_MAX_ATTEMPTS", "1")
        way.plan += [Fault("fails", "PUT", ".up.json"), Fault("asks for patience", "PUT", ".up.json")]
        told = ran(RestoreStore(task_id="restore_store", store="shop"), target="latest", confirm="shop")
        assert not way.plan, "nobody met them"
    try:
        said = capsys.readouterr().out
        assert said.count(f"{told['name']} is up, and noted as soon as the vault answers: cannot store s3://") == 2
    finally:
        assert ran(DropScratch(task_id="drop_scratch", store="shop"), drop=told["name"]) == [told["name"]]


def test_people_are_told_once_of_what_has_failed_for_good(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[tuple[str, str]]()
    monkeypatch.setattr(alerting, "raise_alarm", lambda log, subject, what, context: told.append((subject, what)))
    why = Broken("nothing comes back")
    task = DrillRestore(task_id="drill_restore", store="shop", kind="latest", value="")
    context: Any = {"task": task, "ti": SimpleNamespace(dag_id="restore_drill__shop"), "exception": why}
    alerting.tell_failed(context)
    assert told == [("shop", "drill_restore of restore_drill__shop failed: Broken: nothing comes back")]
    note_told(why)
    alerting.tell_failed(context)
    assert len(told) == 1


def test_a_certificate_that_cannot_be_read_stops_no_drill_and_hides_no_store(project: Path, backed_up: None) -> None:
    vault, key = open_vault(), "drills/shop/of-a-later-release.json"
    vault.put_once(key, json.dumps({"format": "sluice", "version": 99}).encode(), "application/json")
    try:
        found = exposure(facts_now("shop"), datetime.now(UTC))
        assert [line for line in found.warnings if key in line], found.warnings
        assert ran(DrawMoments(task_id="list_moments", store="shop"))
    finally:
        vault.remove(key)


def standing() -> list[str]:
    """List what is noted of copies for people."""
    return open_vault().list("backups/stores/shop/standing/")


def test_a_restore_that_takes_longer_than_a_day_is_left_to_its_end_and_one_that_fails_leaves_nothing(
    project: Path, shop: Shop, backed_up: None
) -> None:
    driver, vault, now = driver_of("shop"), open_vault(), datetime.now(UTC)
    name = name_scratch("shop", now - timedelta(days=2), "a big store")
    (shop.folder / "scratch/drills/shop" / name / "data").mkdir(parents=True)
    begin_standing(vault, "shop", name)
    assert reap(driver, vault, now, print) == [], "it is being brought back"
    assert reap(driver, vault, now + LONGEST_RESTORE, print) == [name], "whoever did was killed long ago"
    assert standing() == []
    restore = RestoreStore(task_id="restore_store", store="shop")
    with pytest.raises(Broken):
        ran(restore, target="backup", value="no-such-backup", confirm="shop")
    assert (driver.scratches(), standing()) == ([], [])


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


def noted_readers(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note who says, while a store is brought back, that its backups are being read."""
    seen, recover = list[str](), physical.recover

    def noting(*how: Any) -> Any:
        """Look, then go on."""
        seen.extend(readers(vault, "shop", datetime.now(UTC)))
        return recover(*how)

    monkeypatch.setattr(physical, "recover", noting)
    return seen


def test_one_tenant_is_compared_and_nothing_is_put_back(
    project: Path, shop: Shop, backed_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = CompareTenant(task_id="compare_tenant", store="shop")
    with pytest.raises(AirflowFailException, match="Say which tenant"):
        ran(compare, target="latest", tenant="", column="id")
    with shop.connect() as c:
        c.execute("UPDATE tenants SET name = 'another' WHERE id = 7")
        seen = noted_readers(shop.vault, monkeypatch)
        told = ran(compare, target="latest", tenant="7", column="id")
        assert [name.startswith("sluice-scratch-shop-") for name in seen] == [True], "nothing is pruned meanwhile"
        assert readers(shop.vault, "shop", datetime.now(UTC)) == []
        assert told["tables"]["public.tenants"] == {"same": 0, "missing": 0, "changed": 1, "added": 0}
        assert c.execute("SELECT name FROM tenants WHERE id = 7").fetchone() == {"name": "another"}
    assert b"SET \"name\" = 'tenant 7'" in shop.vault.get(told["files"][0])


def test_a_restore_that_fails_leaves_nothing(project: Path, shop: Shop, backed_up: None) -> None:
    restore = RestoreStore(task_id="restore_store", store="shop")
    with pytest.raises(Exception, match="No backup of shop was whole before"):
        ran(restore, target="time", value="2001-01-01T00:00:00+00:00", confirm="shop")
    assert driver_of("shop").scratches() == []
    assert shop.vault.list("backups/stores/shop/standing/") == [], "what never stood is not said to stand"
    assert readers(shop.vault, "shop", datetime.now(UTC)) == []


def test_what_a_killed_drill_has_left_goes_after_a_day(project: Path, shop: Shop) -> None:
    driver, now = driver_of("shop"), datetime.now(UTC)
    old, young = (name_scratch("shop", now - timedelta(hours=hours), "x") for hours in (25, 1))
    for name in (old, young):
        (shop.folder / "scratch/drills/shop" / name / "data").mkdir(parents=True)
    assert ran(ListBackedUp(task_id="list_stores")) == ["shop", "dumped"]
    with pytest.raises(
        AirflowFailException, match=r"Nothing is called sluice-scratch-nonsense\. There is: sluice-scratch-"
    ):
        ran(ListBackedUp(task_id="list_stores"), drop="sluice-scratch-nonsense")
    (shop.folder / "scratch/drills/other" / old).mkdir(parents=True)
    assert ran(DropScratch(task_id="drop_scratch", store="shop")) == [old]
    assert (shop.folder / "scratch/drills/other" / old).exists(), "of another store"
    shutil.rmtree(shop.folder / "scratch/drills/other")
    assert driver.scratches() == [young]
    driver.destroy(young)


def test_a_strange_folder_stops_no_reaper_and_what_cannot_go_is_not_called_gone(
    project: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drills, now = shop.folder / "scratch/drills/shop", datetime.now(UTC)
    held, plain = (name_scratch("shop", now - timedelta(hours=hours), "x") for hours in (50, 30))
    strange = "sluice-scratch-of-somebody"
    for name in (strange, held, plain):
        (drills / name / "data").mkdir(parents=True)
    take_away = shutil.rmtree

    def denied(path: Path, **how: object) -> None:
        """Refuse to take one away, as a disk does that is mounted within."""
        if held in str(path):
            raise PermissionError(16, "Device or resource busy")
        take_away(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(shutil, "rmtree", denied)
    with pytest.raises(NotGone, match=f"{held}.*resource busy.*tried again"):
        ran(DropScratch(task_id="drop_scratch", store="shop"))
    assert set(driver_of("shop").scratches()) == {held, strange}, "the other one went"
    monkeypatch.undo()
    take_away(drills / strange)
    driver = Physical("shop", "", shop.vault, drills)
    driver.destroy(held)
    assert driver.scratches() == []


def test_what_a_renamed_store_has_left_is_named_with_the_command_that_takes_it_away(
    project: Path, shop: Shop, backed_up: None
) -> None:
    detect = DetectLeftOver(task_id="detect_left_over")
    estate, scratch = project / "include/estate/estate.yaml", name_scratch("shop", datetime.now(UTC), "x")
    was = estate.read_text()
    ran(detect)
    copy = shop.folder / "scratch/drills/shop" / scratch
    copy.mkdir(parents=True)
    estate.write_text(was.replace("  shop:", "  store:"))
    with pytest.raises(LeftOver) as red:
        ran(detect)
    assert "SELECT pg_drop_replication_slot('sluice_log_shop');" in str(red.value)
    assert f"--pgdata={copy}/data; rm -r {copy}" in str(red.value)
    copy.rmdir()

    # No store leads to its server any more: its connection does.
    kept = [line for line in was.splitlines() if not line.startswith((" ", "stores"))]
    estate.write_text("\n".join([*kept, "stores: {other: {engine: dynamodb, connection: aws, rto: 5m, rpo: 30s}}"]))
    with pytest.raises(LeftOver, match=r"sluice_log_shop on .* keeps \d\.\d\d GB"):
        ran(detect)
    with shop.connect() as c:
        c.execute("SELECT pg_drop_replication_slot('sluice_log_shop')")
    ran(detect)
    assert shop.vault.list("backups/stores/shop/shipped/") == [], "nobody has to look there again"
    estate.write_text(was)
    shipped()
    ran(detect)


def test_a_store_without_backup_is_told(project: Path) -> None:
    for wrong in ("plain", "nobody"):
        with pytest.raises(NotBackedUp, match=f"no `backup` for a store '{wrong}'. It has shop, dumped."):
            driver_of(wrong)
    estate = project / "include/estate/estate.yaml"
    estate.write_text("\n".join(line for line in estate.read_text().splitlines() if "backup:" not in line))
    with pytest.raises(AirflowSkipException, match="No store is backed up"):
        ran(ListBackedUp(task_id="list_stores"))


def test_the_heart_beats_beside_the_log_and_never_stops_it(
    project: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped(0.5)
    with shop.connect() as c:
        before = beats(c)
        c.execute("ALTER TABLE sluice_safety.heartbeat RENAME TO away")
        shipped(0.5)
        c.execute("ALTER TABLE sluice_safety.away RENAME TO heartbeat")
        shipped(0.5)
        assert beats(c) == before + 1
        for wrong in (_connection(f"host=127.0.0.1 port={free_port()} user=nobody dbname=none"), "nonsense"):
            monkeypatch.setenv("AIRFLOW_CONN_PG_SHOP", wrong)
            shipped(0.5)
        assert beats(c) == before + 1, "a heart that finds no server, or no connection, stops nothing"


def beats(c: Connection) -> int:
    """Count the beats."""
    found = c.execute("SELECT count(*) AS n FROM sluice_safety.heartbeat").fetchone()
    return int(found["n"]) if found else 0


def test_the_ledger_names_backups_as_no_table(project: Path) -> None:
    assert of_backup("shop") == "backup/shop"
    with pytest.raises(NoSuchKey):
        open_vault().get("backups/stores/shop/standing/nothing.json")


def test_a_server_that_was_promoted_is_backed_up_at_once(project: Path, shop: Shop, backed_up: None) -> None:
    start = StartBackup(task_id="start_backup", store="shop")
    with pytest.raises(AirflowSkipException, match="has a backup of its server and timeline"):
        ran(start)
    shop.promote()
    with pytest.raises(DagRunTriggerException) as told:
        ran(start)
    system = shop.log.system
    assert (told.value.trigger_dag_id, told.value.dag_run_id) == (
        "backup__shop",
        f"promoted__{system}_2__{shipping.this_hour()}",
    )
    assert told.value.skip_when_already_exists, "each run of ship_log asks for the same one within the hour"
    for state in ("queued", "running"):
        with pytest.raises(AirflowSkipException, match="A run of backup__shop is queued or running"):
            ran(start, runs=[("backup__shop", state)])
    with pytest.raises(DagRunTriggerException):
        ran(start, runs=[("backup__shop", "failed"), ("backup__shop", "success"), ("backup__other", "running")])
    shipped()
    taken = ran(TakeStoreBackup(task_id="take_backup", store="shop"))
    shipped()
    assert taken.endswith("-full")
    assert ran(VerifyBackup(task_id="verify_backup", store="shop", backup=taken))["behind_seconds"] < 30
    with pytest.raises(AirflowSkipException, match="has a backup of its server"):
        ran(start)
    shop.cluster.stop()
    with pytest.raises(AirflowSkipException, match="cannot be reached"):
        ran(start)
