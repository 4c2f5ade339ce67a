"""A bucket is set as the file says, on a real S3: twice without a difference, and what is archived there outlives a DELETE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from botocore.exceptions import ClientError
from sluice.estate.vault import Vault as Wanted
from sluice.flow import alerting, configuring, connections, project
from sluice.flow.configuring import GATE, ConfigureVault, VaultGate
from sluice.local import databases
from sluice.stores.bucket import read_settings
from sluice.stores.locks import Lock
from sluice.stores.objects import NotLocked, Vault
from sluice.stores.rules import Kept
from sluice.upkeep.vault.configuring import apply_vault, plan_vault, verify_vault
from sluice.upkeep.vault.staying import EndsEarly

from tests.archived import kept, months, staged
from tests.conftest import Database
from tests.integration.test_archive_tasks import _connection
from tests.people import Told, connect_people

LOCKED = {"lock": {"mode": "compliance", "keep": "7 years"}}
RULES = {
    "lifecycle": (
        {"prefix": "evidence/", "after": "1 year"},
        {"prefix": "docs/", "after": "30 days", "then": "GLACIER_IR"},
    )
}
THEIRS = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}
KEPT = (Kept("archive/", None),)


@pytest.fixture
def bucket(vault) -> Vault:
    """A bucket of this test's own, fresh: it keeps no versions."""
    name = f"vault-{uuid4().hex[:12]}"
    vault.client().create_bucket(Bucket=name)
    return Vault(vault.client(), name)


def wanted(bucket: Vault, **rest: Any) -> Wanted:
    return Wanted.model_validate({"connection": "s3_vault", "bucket": bucket.bucket, **rest})


def configured(bucket: Vault, **rest: Any) -> list[str]:
    told: list[str] = []
    apply_vault(bucket, wanted(bucket, **rest), KEPT, told.append)
    return told


def test_a_bucket_becomes_what_the_file_says_and_stays_so(bucket: Vault) -> None:
    asked = wanted(bucket, **LOCKED, **RULES)
    bucket.client.put_bucket_lifecycle_configuration(Bucket=bucket.bucket, LifecycleConfiguration={"Rules": [THEIRS]})
    assert len(plan_vault(bucket, asked, KEPT).actions) == 3
    assert not read_settings(bucket).keeps_versions, "a plan changes nothing"
    assert apply_vault(bucket, asked, KEPT, print) == 3
    there = read_settings(bucket)
    assert (there.keeps_versions, there.knows_locks, there.rules[0]) == (True, True, THEIRS)
    assert len(there.rules) == 3
    assert apply_vault(bucket, asked, KEPT, print) == 0
    assert verify_vault(bucket, asked, KEPT)["ended_early"] == 0
    assert configured(bucket) == [
        "take away rule sluice:evidence/ expire: evidence/ expires after 366 days\n"
        "take away rule sluice:docs/ GLACIER_IR: docs/ moves to GLACIER_IR after 30 days"
    ]
    there = read_settings(bucket)
    assert (there.keeps_versions, there.knows_locks, there.rules) == (True, True, (THEIRS,)), "nothing was switched off"


def test_the_last_rule_of_ours_goes_with_its_line(bucket: Vault) -> None:
    configured(bucket, **RULES)
    configured(bucket)
    assert read_settings(bucket).rules == ()


def test_months_of_which_no_file_speaks_are_told(bucket: Vault) -> None:
    configured(bucket)
    for table in ("shop/app.orders", "shop/app.gone"):
        bucket.put_once(f"archive/{table}/2024/part", b"rows", "text/plain")
    kept = (Kept("archive/shop/app.orders/", 2),)
    assert verify_vault(bucket, wanted(bucket), kept)["ended_unasked"] == 0
    everything = {**THEIRS, "Filter": {"Prefix": ""}}
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.bucket, LifecycleConfiguration={"Rules": [everything]}
    )
    facts = verify_vault(bucket, wanted(bucket), kept)
    assert (facts["ended_unasked"], facts["ended_early"]) == (1, 0)
    assert "archive/shop/app.gone/" in str(facts["ended_unasked_told"])


def test_what_others_lock_by_default_stays_and_ours_is_no_weaker(bucket: Vault) -> None:
    configured(bucket, **LOCKED)
    default = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 900}}}
    bucket.client.put_object_lock_configuration(Bucket=bucket.bucket, ObjectLockConfiguration=default)
    assert configured(bucket, **LOCKED) == []
    assert read_settings(bucket).default_lock == Lock("COMPLIANCE", 900)
    stored = replace(bucket, lock=Lock("GOVERNANCE", 30)).put_once("archive/a", b"a", "text/plain")
    locked = bucket.lock_of("archive/a", stored.version_id)
    assert locked is not None
    assert locked.mode == "COMPLIANCE"
    assert locked.until > datetime.now(UTC) + timedelta(days=899)


def test_what_is_archived_is_locked_and_nothing_else(bucket: Vault) -> None:
    asking = replace(bucket, lock=Lock("COMPLIANCE", 30))
    with pytest.raises(NotLocked, match="run configure_vault"):
        asking.put_once("archive/month", b"rows", "text/plain")
    assert bucket.list("") == []
    configured(bucket, **LOCKED)
    asking = replace(asking)
    stored, evidence = (asking.put_once(key, b"rows", "text/plain") for key in ("archive/month", "evidence/gate"))
    assert bucket.lock_of(evidence.key, evidence.version_id) is None
    assert bucket.lock_of(stored.key, stored.version_id) is not None
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.delete_object(Bucket=bucket.bucket, Key=stored.key, VersionId=stored.version_id)
    assert asking.put_once("archive/month", b"rows", "text/plain") == stored


def test_what_was_stored_before_the_lock_is_locked_when_it_is_stored_again(bucket: Vault) -> None:
    configured(bucket, **LOCKED)
    stored = bucket.put_once("archive/month", b"rows", "text/plain")
    assert bucket.lock_of(stored.key, stored.version_id) is None
    for days, mode in ((30, "GOVERNANCE"), (60, "COMPLIANCE"), (5, "GOVERNANCE")):
        again = replace(bucket, lock=Lock(mode, days)).put_once("archive/month", b"rows", "text/plain")  # type: ignore[arg-type]
        assert again == stored
    locked = bucket.lock_of(stored.key, stored.version_id)
    assert locked is not None
    assert (locked.mode, (locked.until - datetime.now(UTC)).days) == ("COMPLIANCE", 59), "and never less than before"


def test_a_month_comes_back_though_somebody_deleted_all_of_it(database: Database, bucket: Vault, vault) -> None:
    configured(bucket, **LOCKED)
    scratch = replace(vault, bucket=bucket.bucket)
    with staged(database, scratch, *months()) as stage:
        stage.vault = replace(stage.vault, lock=Lock("COMPLIANCE", 2557))
        archive = stage.archive()
        archive.archive(print)
        assert archive.drop(print) == 2
        keys = stage.vault.list("archive/")
        assert len(keys) == 4
        for key in keys:
            bucket.client.delete_object(Bucket=bucket.bucket, Key=key)
        assert stage.vault.list("archive/") == []
        archive.restore(datetime(2024, 1, 15, tzinfo=UTC), timedelta(days=3), print)
        assert stage.ask("SELECT count(*) FROM app.event") == [(50,)]


def test_nothing_is_dropped_that_the_vaults_rules_would_take_away_too_soon(
    database: Database, bucket: Vault, vault
) -> None:
    everything = {**THEIRS, "Filter": {"Prefix": ""}}
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.bucket, LifecycleConfiguration={"Rules": [everything]}
    )
    with staged(database, replace(vault, bucket=bucket.bucket), *months()) as stage:
        archive = stage.archive()
        archive.archive(print)
        told = (
            r"rule theirs: everything expires after 3 days, and archive/certify.* stays for good.*datasets/event\.yaml"
        )
        with pytest.raises(EndsEarly, match=told):
            archive.drop(print)
        assert stage.states() == ["cooling", "cooling"]
        shortly = stage.archive(kept(in_vault="2 days").model_copy(update={"store": stage.dataset.store}))
        assert shortly.drop(print) == 2


@pytest.fixture
def night(database: Database, bucket: Vault, vault, people, tmp_path, monkeypatch) -> Iterator[Any]:
    """The DAG's two tasks, on an estate whose file can be written."""
    (tmp_path / "include/estate/datasets").mkdir(parents=True)
    (tmp_path / "expectations").mkdir()
    suite = project.ROOT / f"expectations/{GATE}.json"
    (tmp_path / f"expectations/{GATE}.json").write_text(suite.read_text())
    file = tmp_path / "include/estate/estate.yaml"
    estate = (project.ROOT / "include/estate/estate.yaml").read_text()
    estate = estate.replace("bucket: sluice-vault", f"bucket: {bucket.bucket}, lifecycle: []")
    estate = "alerts: people\n" + estate.replace("\nalerts:", "\n# alerts:")
    connect_people(monkeypatch, people[1])
    for module in (project, connections, configuring, alerting):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", _connection(database.dsn(databases.LEDGER)))
    extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
    login = {"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(login))
    ti = SimpleNamespace(
        dag_id="configure_vault",
        run_id="a night",
        task_id="gate",
        map_index=-1,
        try_number=1,
        xcom_push=lambda **_: None,
    )

    def run(lifecycle: str = "[]", dry: bool = False, dataset: str = "") -> dict[str, Any]:
        file.write_text(estate.replace("lifecycle: []", f"lifecycle: {lifecycle}"))
        if dataset:
            (tmp_path / "include/estate/datasets/event.yaml").write_text(dataset)
        context: Any = {"params": {"dry_run": dry}, "run_id": "a night", "dag_run": SimpleNamespace(conf={}), "ti": ti}
        context["dag"] = SimpleNamespace(params={"dry_run": False})
        ConfigureVault(task_id="configure_vault").execute(context)
        return VaultGate(task_id="gate", gate=GATE).execute(context)

    yield run


def test_a_night_of_it(night: Any, bucket: Vault) -> None:
    rules = "[{prefix: evidence/, after: 1 year}]"
    with pytest.raises(AirflowSkipException, match="A dry run: nothing was changed"):
        night(rules, dry=True)
    assert read_settings(bucket).rules == ()
    assert night(rules)["passed"]
    assert len(read_settings(bucket).rules) == 1


def test_while_a_file_cannot_be_read_nothing_that_is_archived_is_given_an_end(night: Any, bucket: Vault) -> None:
    with pytest.raises(AirflowFailException, match="files_unread"):
        night(
            "[{prefix: archive/, after: 30 days}, {prefix: evidence/, after: 1 year}]",
            dataset="dataset: event\nretain: soon\n",
        )
    assert [rule["ID"] for rule in read_settings(bucket).rules] == ["sluice:evidence/ expire"]


def test_a_rule_that_takes_months_away_turns_the_night_red(
    night: Any, bucket: Vault, people: tuple[Told, int], capsys
) -> None:
    cut = "partition: {range: at, every: month}"
    dataset = f"dataset: event\nstore: certify\ntable: app.event\n{cut}\nretention: {{keep: 12 months}}\n"
    with pytest.raises(AirflowFailException, match="refused"):
        night("[{prefix: archive/, after: 30 days}]", dataset=dataset)
    assert read_settings(bucket).rules == ()
    everything = {**THEIRS, "Filter": {"Prefix": ""}}
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.bucket, LifecycleConfiguration={"Rules": [everything]}
    )
    with pytest.raises(AirflowFailException, match="ended_early"):
        night()
    assert "P1" in capsys.readouterr().out
    refused, early = people[0].bodies
    assert (refused["severity"], refused["subject"]) == ("P1", f"s3://{bucket.bucket}")
    assert "archive/ expires after 30 days" in refused["text"]
    assert "rule theirs: everything expires after 3 days" in early["text"]
    assert read_settings(bucket).rules == (everything,), "it is somebody else's, and stays"
    kept_shortly = f"{dataset.rstrip()[:-1]}, in_vault: 2 days}}\n"
    assert night(dataset=kept_shortly)["passed"]
