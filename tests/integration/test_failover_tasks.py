"""The tasks of replicas as Airflow runs them, from the files of an estate: watch, promote on the real day, switch the name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sluice.flow import connections, lasting
from sluice.flow.connections import opened_control
from sluice.flow.safety import failing_over, replicated, stores
from sluice.flow.safety.failing_over import PlanPromotion, PromoteReplica, ShipRecord, SwitchName
from sluice.flow.safety.replicated import (
    FENCED,
    HELD_OFF,
    LED,
    PROMOTED,
    SILENT,
    NotReplicated,
    asked_of,
    next_write_of,
    of_replicas,
)
from sluice.flow.safety.switching import SwitchPooler, TakeBack
from sluice.flow.safety.watching_replicas import GATE, ListReplicated, ReplicasGate, WatchReplicas
from sluice.local import databases
from sluice.safety.replicas.fencing import allow_writes, cut, fence_writes
from sluice.safety.replicas.planning import Asked, NotDead, NotPromotable, Proven
from sluice.safety.replicas.rivals import NotOurs
from sluice.safety.replicas.scratch_group import set_standby_names, wait_for
from sluice.safety.replicas.servers import Server
from sluice.safety.replicas.taking_back import undo
from sluice.stores.objects import Vault, VaultDown

from tests.as_airflow import postgres_connection, ran, vault_connection
from tests.conftest import Database
from tests.names import route53_in, zone_of
from tests.people import Told, connect_people
from tests.replicated import PGBOUNCER, Trio, opened_pooler, opened_trio

ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: sluice-vault}}
ledger: {{connection: sluice_ledger}}
stores:
  shop:
    engine: postgres
    connection: pg_a
    rto: 5m
    rpo: 30s
    replicas:
      name: a
      servers: {{b: {{connection: pg_b, host: db-b.shop.example}}}}
      failover: sluice
      alert: 2s
      dns: {{connection: aws_names, zone: {zone}, record: db.shop.example, ttl: 20s}}
      pooler: {{connection: pgbouncer, file: {folder}/pgbouncer.ini, database: shop}}
  plain:
    engine: postgres
    connection: pg_a
    rto: 5m
    rpo: 30s
    replicas: {{name: a, servers: {{b: {{connection: pg_b}}}}}}
  alone: {{engine: postgres, connection: pg_a, rto: 5m, rpo: 30s}}
"""
FORM = {"store": "shop", "confirm": "shop", "word": "", "switch_name": False, "take_back": False, "dry_run": False}
PROVEN = Proven("b", "quorum", "a listens no more", 1, 9, 9, None)
UNDO = {**FORM, "take_back": True}
PLAN, PROMOTE, SWITCH, LEAD, SHIP, BACK = (
    PlanPromotion(task_id="plan_promotion"),
    PromoteReplica(task_id="promote_replica"),
    SwitchName(task_id="switch_name"),
    SwitchPooler(task_id="switch_pooler"),
    ShipRecord(task_id="ship_record"),
    TakeBack(task_id="take_back"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """One that leads, and one that follows it and is waited for."""
    with opened_trio(tmp_path_factory.mktemp("tasks"), "b") as made:
        set_standby_names(made.leading, ["b"])
        yield made


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Route 53."""
    with route53_in(tmp_path_factory.mktemp("names")) as made:
        yield made


@pytest.fixture
def zone(names: Any, pair: Trio, vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A zone, and an estate in which it is the shop's, with Airflow's connections."""
    made = zone_of(names)
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text(ESTATE.format(zone=made, folder=tmp_path))
    for module in (connections, stores):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr("sluice.flow.alerting.ROOT", tmp_path)
    monkeypatch.setattr(failing_over, "names_of", lambda connection: names)
    monkeypatch.setattr("sluice.safety.replicas.names.LOOKS_EVERY", 0.01)
    for one in pair.members:
        monkeypatch.setenv(f"AIRFLOW_CONN_PG_{one.name.upper()}", postgres_connection(one.server.dsn))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn(databases.LEDGER)))
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", vault_connection(vault))
    return made


def watched(run: str) -> dict[str, Any]:
    """Look once; gives what was seen."""
    found: dict[str, Any] = ran(WatchReplicas(task_id="watch_replicas", store="shop"), run)
    return found


def test_a_server_that_stays_away_is_told_once_and_that_it_is_back(
    zone: str, pair: Trio, tmp_path: Path, people: tuple[Told, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = people[0].bodies
    connect_people(monkeypatch, people[1])
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text(estate.read_text().replace("stores:\n", "alerts: people\nstores:\n", 1))
    monkeypatch.setattr(lasting, "QUIET", timedelta(0))
    monkeypatch.setenv("AIRFLOW_CONN_PG_B", postgres_connection("host=127.0.0.1 port=1 dbname=postgres user=postgres"))
    for run in ("gone", "still gone", "gone yet"):
        watched(run)
    gone = [one for one in told if "does not answer" in one["text"]]
    assert [(one["severity"], one["subject"], one["run_id"]) for one in gone] == [("P1", "shop/b", "gone")]
    monkeypatch.setenv("AIRFLOW_CONN_PG_B", postgres_connection(pair.replicas[0].dsn))
    watched("back")
    assert [one["text"][:38] for one in told if one["run_id"] == "back"][:1] == [
        "It is over: P1: shop/b: does not answe"
    ]


def test_a_fence_behind_which_nobody_was_promoted_is_taken_back(zone: str, pair: Trio) -> None:
    fence_writes(pair.leading.server)
    cut(pair.replicas)
    with pytest.raises(AirflowSkipException, match="asked for"):
        ran(BACK, **FORM)
    with pytest.raises(AirflowSkipException, match="asked for"):
        ran(PROMOTE, **UNDO)
    with pytest.raises(AirflowSkipException, match="nothing was changed"):
        ran(BACK, **{**UNDO, "dry_run": True})
    with pytest.raises(NotOurs, match="to its platform"):
        ran(BACK, **{**UNDO, "store": "plain", "confirm": "plain"})
    for _ in range(2):
        assert ran(BACK, **UNDO) == ["a: takes writes", "b: follows, streaming"]


def test_no_fence_is_taken_back_where_a_replica_is_silent_and_may_lead(pair: Trio) -> None:
    gone = Server("b", "host=127.0.0.1 port=1 dbname=postgres")
    asked = replace(pair.asked(), replicas=(gone,))
    with pytest.raises(NotDead, match="then type: b is dead"):
        undo(replace(asked, word="ab is dead"))
    assert undo(replace(asked, word="b is dead"))[0] == "a: takes writes"
    with pytest.raises(NotDead, match="b of shop was told to lead, and may do so yet"):
        undo(replace(pair.asked(), proven=PROVEN))


def test_the_store_is_watched_promoted_and_its_name_switched(
    zone: str, names: Any, pair: Trio, vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(ListReplicated(task_id="list_stores")) == ["shop", "plain"]
    gate = ReplicasGate(task_id=f"gate_{GATE}", store="shop", gate=GATE)
    assert {name: watched("one")[name] for name in ("broken", "late", "lag_unknown")} == {
        "broken": 0, "late": 0, "lag_unknown": 0,
    }  # fmt: skip
    assert ran(gate, "one")["passed"]
    _refuses_what_nobody_has_asked_for()

    pair.leading.kill()
    assert "P1 a: does not answer" in watched("two")["broken_told"]
    with pytest.raises(AirflowFailException, match="one server takes writes"):
        ran(gate, "two")
    with pytest.raises(AirflowSkipException, match="nothing was changed"):
        ran(PLAN, **{**FORM, "dry_run": True})
    assert "nothing that was acknowledged is lost" in ran(PLAN, **FORM)
    with monkeypatch.context() as without:
        without.setenv("AIRFLOW_CONN_S3_VAULT", vault_connection(vault).replace(vault.endpoint, "http://127.0.0.1:1"))
        made = ran(PROMOTE, **FORM)
        assert (made["new"], made["writable"] < 60) == ("b", True)
        assert ran(SWITCH, **FORM)["plan"], "users are led away without the vault"
        with pytest.raises(VaultDown):
            ran(SHIP, **FORM)
    assert b'"kept_all": true' in Vault(vault.client(), vault.bucket).get(ran(SHIP, **FORM))
    assert ran(SHIP, **FORM) == ran(SHIP, **FORM), "another try stores no second one"

    def records() -> list[str]:
        """Give where the name leads."""
        found = names.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [one["ResourceRecords"][0]["Value"] for one in found if one["Type"] == "CNAME"]

    shown = ran(SWITCH, **FORM)
    assert shown["plan"].startswith("+ db.shop.example. 20 CNAME db-b.shop.example\n")
    assert (shown["done"], records()) == (False, [])
    assert ran(SWITCH, **{**FORM, "switch_name": True})["done"]
    assert records() == ["db-b.shop.example"]
    _leads_the_pooler(pair, tmp_path, monkeypatch)
    with pytest.raises(NotPromotable, match="b of shop leads by now"):
        ran(BACK, **UNDO)

    pair.leading.start()
    _is_told_where_the_old_server_cannot_be_fenced(pair, monkeypatch)
    assert "both take writes" in watched("three")["broken_told"]
    assert "both take writes" not in watched("four")["broken_told"], "whoever was left is fenced by the look before"
    _is_told_where_somebody_writes_past_the_fence(pair)
    old = pair.swap("b")
    wait_for(lambda: "a: does not stream" not in str(pair.look()), old, "stream")


def test_an_address_that_leads_to_the_new_server_is_not_taken_for_the_old(
    zone: str, pair: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG_A", postgres_connection(pair.leading.server.dsn))
    told = watched("five")["broken_told"]
    assert "P1 a: does not answer: its address leads to b" in told
    assert "both take writes" not in told


def _is_told_where_the_old_server_cannot_be_fenced(pair: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    with pair.connect() as c, monkeypatch.context() as while_it_writes:
        while_it_writes.setattr(lasting, "send_alert", lambda how, subject, text, context: told.append(text))
        c.execute("SET synchronous_commit = local")  # whom it would wait for has left it
        c.execute("ALTER ROLE postgres SET default_transaction_read_only = off")
        seen = watched("unfenced")["broken_told"]
    with pair.connect() as c:
        c.execute("SET synchronous_commit = local; ALTER ROLE postgres RESET default_transaction_read_only")
    allow_writes(pair.leading.server)
    assert [what for what in told if ": both take writes" in what], "whoever is called must know of it"
    assert [what for what in told if "P1: shop/a: was left, takes writes beside b, and cannot be fenced" in what]
    assert "P1 a: was left, takes writes beside b, and cannot be fenced" in seen, "the gate judges it, too"


def _is_told_where_somebody_writes_past_the_fence(pair: Trio) -> None:
    assert "since, past the fence" not in watched("before")["broken_told"]
    with pair.connect() as c:
        c.execute(
            "SET synchronous_commit = local; BEGIN READ WRITE; INSERT INTO sluice_trial.written VALUES (-1); COMMIT"
        )
    assert (
        "P1 a: was fenced and left, and 1 transaction has written there since, past the fence"
        in watched("after")["broken_told"]
    )


def _leads_the_pooler(pair: Trio, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PGBOUNCER", postgres_connection("host=127.0.0.1 port=1 user=postgres"))
    with pytest.raises(AirflowFailException, match=r"pgbouncer.ini cannot be read .* lead PgBouncer to b by hand"):
        ran(LEAD, **FORM)
    with monkeypatch.context() as as_somebody_else:
        (folder / "pgbouncer.ini").write_text("[databases]\nshop = host=a\n")
        as_somebody_else.setattr(os, "chown", _refuse)
        with pytest.raises(
            AirflowFailException, match=r"pgbouncer.ini cannot be written .* lead PgBouncer to b by hand"
        ):
            ran(LEAD, **{**FORM, "switch_name": True})
    if PGBOUNCER is None:
        return
    with opened_pooler(pair, folder) as pooler:
        monkeypatch.setenv("AIRFLOW_CONN_PGBOUNCER", postgres_connection(pooler.console))
        shown = ran(LEAD, **FORM)
        assert "host=db-b.shop.example" in shown["plan"]
        assert "db-b" not in pooler.file.read_text(), "it was only shown"
        assert ran(LEAD, **{**FORM, "switch_name": True})["done"]
        assert "host=db-b.shop.example" in pooler.file.read_text()


def test_what_was_seen_of_a_server_proves_nothing_of_another_nor_later(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicated, "LOOKED_WITHIN", timedelta(seconds=0.4))
    seen = {"server": "a", "standby_names": "b", "waits_for": "on", "position": 7, "at": "2026-11-23T00:00:00+00:00"}
    with opened_control(of_replicas("shop"), "six") as control:

        def asked() -> Asked:
            return asked_of("shop", "", control)

        control.record_facts(LED, seen, epoch=1)
        assert (str(asked().promise), asked().last_seen, asked().led_since) == ("1 of b", 7, "")
        control.record_facts(SILENT, {}, epoch=1)
        time.sleep(0.5)
        assert asked().promise, "somebody looked until it was gone"
        control.record_facts(LED, seen, epoch=1)
        time.sleep(0.5)
        assert (asked().promise, asked().last_seen) == (None, 7), "nobody has looked since"
        control.record_facts(LED, {**seen, "server": "z"}, epoch=1)
        assert (asked().promise, asked().last_seen) == (None, None)
        control.record_facts(FENCED, asdict(PROVEN), epoch=1)
        assert asked().proven == PROVEN
        control.record_facts(PROMOTED, {"old": "a", "new": "b", "next_write": 7}, epoch=1)
        assert (next_write_of("a", control), next_write_of("b", control)) == (7, None)
        control.record_facts(HELD_OFF, {"server": "a", "next_write": 9}, epoch=1)
        assert next_write_of("a", control) == 9, "it was back, and fenced again"
        assert (asked().led_since, asked().promise, asked().proven) == ("b", None, PROVEN)
        control.record_facts(LED, seen, epoch=1)
        assert (asked().led_since, asked().proven) == ("", None), "it leads again"
        assert next_write_of("a", control) is None, "it may write again"


def _refuse(path: Path, user: int, group: int) -> None:
    raise PermissionError(1, "Operation not permitted")


def _refuses_what_nobody_has_asked_for() -> None:
    with pytest.raises(AirflowFailException, match="Type the store's name"):
        ran(PROMOTE, **{**FORM, "confirm": "yes"})
    with pytest.raises(NotReplicated, match="'alone'"):
        ran(PLAN, **{**FORM, "store": "alone", "confirm": "alone"})
    with pytest.raises(NotOurs, match="to its platform"):
        ran(PLAN, **{**FORM, "store": "plain", "confirm": "plain"})
