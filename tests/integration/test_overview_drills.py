"""The page of drills over a real ledger; its looks at a real vault; and certificates, opened by who may read the DAG."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sluice.estate import read_stores
from sluice.flow.connections import open_vault
from sluice.flow.overview import certificates as look_at_certificates
from sluice.flow.overview import drills as look_at_drills
from sluice.flow.overview import safety as look_at_safety
from sluice.flow.overview.refreshing import refresh
from sluice.flow.overview.sights import SIGHTS
from sluice.flow.safety import exposing, stores
from sluice.ledger.seen import Kind, SeenThings
from sluice.local.standing import drills as at_terminal
from sluice.overview.drills.page import drills
from sluice.overview.estate.page import estate
from sluice.safety.replicas.certificate import FailoverCertificate
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection

from tests import stood
from tests.as_airflow import postgres_connection, vault_connection

ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: overview-drills}
ledger: {connection: sluice_ledger}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 5m
    rpo: 1d
    backup: {by: logical, connection: pg_shop, scratch: /nonexistent}
  plain: {engine: postgres, connection: pg_shop, rto: 5m, rpo: 30s}
"""
HOSTILE = "<script>alert('x')</script>"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def own(server) -> Iterator[str]:
    """A ledger for all tests here, one after the other."""
    with stood.opened_ledger(server, "overview_drills") as dsn:
        yield dsn


@pytest.fixture
def ledger(own) -> Iterator[Connection]:
    """The ledger, with nothing in it yet."""
    with stood.emptied(own) as opened:
        yield opened


@pytest.fixture
def seen(ledger) -> SeenThings:
    return SeenThings(ledger)


@pytest.fixture
def now(seen) -> datetime:
    return seen.now()


@pytest.fixture
def root(tmp_path: Path, vault, server, own, monkeypatch) -> Path:
    """A project whose store has backups in a vault with nothing in it, as the looks find it."""
    folder = tmp_path / "include/estate"
    folder.mkdir(parents=True)
    (folder / "estate.yaml").write_text(ESTATE)
    for module in (stores, exposing, look_at_certificates):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr("sluice.flow.connections.ROOT", tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", vault_connection(vault))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(own))
    monkeypatch.setenv("AIRFLOW_CONN_PG_SHOP", postgres_connection(server.cluster.dsn()))
    return tmp_path


@pytest.fixture
def bucket(root, vault) -> Vault:
    """That vault, empty."""
    with_own = Vault(vault.client(), "overview-drills")
    if "overview-drills" not in [one["Name"] for one in with_own.client.list_buckets()["Buckets"]]:
        vault.store.create_bucket("overview-drills")
    for key in with_own.list(""):
        with_own.remove(key)
    return open_vault()


@pytest.fixture(scope="module")
def pages():
    """What draws a page: its template, with Airflow's address below it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from sluice.console import pages
    return pages


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def whole_look(seen: SeenThings) -> list[str]:
    """Look at everything, as a run of refresh_overview does; give what failed."""
    failed: list[str] = []
    for sight in SIGHTS:
        if sight.kind in (Kind.CERTIFICATES, Kind.SAFETY, Kind.DRILLS):
            refresh(seen, sight, lambda told, *values: failed.append(told % values))
    return failed


def test_the_looks_read_what_the_vault_has_and_the_pages_show_it(root, bucket, ledger, seen, now) -> None:
    first, second = stood.a_drill("shop", now - 3 * DAY), stood.a_drill("shop", now - 2 * DAY, compared=stood.broken())
    for one in (first, second):
        one.keep(bucket)
    assert whole_look(seen) == []
    asked = stood.asked(ledger, read_stores(root), seen.now())
    [shop] = drills(asked).stores
    assert [made.drill.certificate for made in shop.last] == [f"/sluice/{second.key}", f"/sluice/{first.key}"]
    assert (shop.state, shop.is_overdue) == ("bad", True)
    card = next(one for one in estate(asked).cards if one.name == "shop")
    assert (card.safety.proof, card.safety.found.failed_since, card.safety.lose) == (
        f"/sluice/{first.key}",
        1,
        "all of it",
    )
    assert drills(asked).unprotected == ("plain",)


def test_a_certificate_is_read_from_the_vault_once(root, bucket, seen, now, monkeypatch) -> None:
    stood.a_drill("shop", now - 3 * DAY).keep(bucket)
    stood.a_drill("shop", now - 400 * DAY).keep(bucket)
    read: list[str] = []
    get = Vault.get
    monkeypatch.setattr(Vault, "get", lambda self, key, *more: read.append(key) or get(self, key, *more))
    assert whole_look(seen) == []
    new = stood.a_drill("shop", now - DAY)
    new.keep(bucket)
    assert whole_look(seen) == []
    assert len(read) == 2, "two that are young, each once; one that is older than a year not at all"
    assert [one["name"] for one in seen.one_of(Kind.CERTIFICATES, "shop").found["drills"]][-1] == new.name


def test_a_certificate_that_cannot_be_read_is_told_and_hides_no_other(root, bucket, ledger, seen, now, pages) -> None:
    stood.a_drill("shop", now - DAY).keep(bucket)
    bucket.put_once(f"drills/shop/sluice-scratch-shop-{now:%Y%m%dt%H%M%S}z-abcdef.json", b"{}", "application/json")
    assert whole_look(seen) == []
    found = drills(stood.asked(ledger, read_stores(root), seen.now()))
    assert found.stores[0].newest.passed
    assert "is no certificate" in found.stores[0].unread[0]
    assert "is no certificate" in text(pages.live_page("drills", found))


def test_a_vault_that_is_down_leaves_what_was_seen_before_with_its_age_and_why(
    root, bucket, ledger, seen, now, vault, monkeypatch, pages
) -> None:
    stood.a_drill("shop", now - DAY).keep(bucket)
    whole_look(seen)
    down = json.loads(vault_connection(vault))
    down["extra"]["service_config"]["s3"]["endpoint_url"] = "http://127.0.0.1:1"
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(down))
    assert any("certificates of shop" in line for line in whole_look(seen))
    assert seen.one_of(Kind.CERTIFICATES, "shop").failed
    found = estate(stood.asked(ledger, read_stores(root), seen.now()))
    shop = next(one for one in found.cards if one.name == "shop")
    assert "nobody knows what would be lost" in shop.safety.found.warnings[0]
    assert "127.0.0.1:1" in text(pages.live_page("estate", found))
    [shop] = drills(stood.asked(ledger, read_stores(root), seen.now())).stores
    assert shop.newest.passed, "of what was read before"
    assert "127.0.0.1:1" in shop.failed
    later = drills(stood.asked(ledger, read_stores(root), seen.now() + 3 * DAY))
    assert (later.headline, later.stores[0].is_overdue) == ("1 store is drilled: 1 not looked at of late", False)


def test_the_look_at_drills_waits_for_the_one_at_certificates(root, seen) -> None:
    with pytest.raises(look_at_drills.NotReadYet, match="The certificates of shop were not read"):
        look_at_drills.look("shop")
    seen.record_failure(Kind.CERTIFICATES, "shop", seen.now(), "AccessDenied")
    with pytest.raises(look_at_drills.NotReadYet, match="AccessDenied"):
        look_at_drills.look("shop")


def test_before_its_certificates_were_read_a_store_is_judged_by_those_in_the_vault(root, bucket, now) -> None:
    made = stood.a_drill("shop", now - DAY)
    made.keep(bucket)
    assert [one["name"] for one in look_at_safety.look("shop")["certificates"]] == [made.name]


def test_each_drill_leads_to_its_certificate_its_run_and_the_gates_record(ledger, seen, now, pages) -> None:
    recent, old = stood.a_drill("shop", now - timedelta(hours=2)), stood.a_drill("shop", now - 40 * DAY, 400)
    red = stood.a_drill("shop", now - DAY, target="time 2026", compared=stood.broken(HOSTILE))
    stood.leave_drills(seen, "shop", [old, red, recent], now)
    evidence = "evidence/restore_drill__shop/r/gate.json"
    stood.leave_run(ledger, "drill/shop/latest", "restore_drill", {"certificate": recent.key}, evidence)
    stood.leave_run(
        ledger, "drill/shop/time 2026", "restore_drill", {"certificate": red.key}, "evidence/x/y/z.json", passed=False
    )
    found = drills(stood.asked(ledger, stood.an_estate(), now))
    newest, before, first = found.stores[0].last
    assert newest.run == f"/dags/restore_drill__shop/runs/{stood.RUN.replace('+', '%2B')}"
    assert newest.evidence == f"/sluice/{evidence}?sha256=ab12"
    assert before.evidence == "/sluice/evidence/x/y/z.json?sha256=ab12"
    assert (first.run, first.evidence) == (None, None)
    assert found.headline == "shop came back in time"
    page = pages.live_page("drills", found)
    assert f'href="/sluice/{recent.key}"' in page
    assert f'href="{newest.run}"' in page
    assert HOSTILE not in page
    assert "⚠ too late" in text(page)
    [told] = re.findall(r'data-chart="drillTimes".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(told)["failed"] == [39]


def test_what_was_red_last_comes_first_and_what_nobody_may_read_not_at_all(ledger, seen, now) -> None:
    names = ("calm", "never", "overdue", "red", "unseen")
    stood.leave_drills(seen, "calm", [stood.a_drill("calm", now)], now)
    stood.leave_drills(seen, "red", [stood.a_drill("red", now, compared=stood.broken())], now)
    stood.leave_drills(seen, "overdue", [stood.a_drill("overdue", now - 5 * DAY)], now)
    stood.leave_drills(seen, "unseen", [stood.a_drill("unseen", now - 5 * DAY)], now - 4 * DAY)
    found = drills(stood.asked(ledger, stood.an_estate(names), now))
    assert [one.name for one in found.stores] == ["red", "never", "overdue", "unseen", "calm"]
    assert found.headline == (
        "5 stores are drilled: 1 red at the last drill, 2 not looked at of late, 1 without a drill for two days"
    )
    overdue, unseen = found.stores[2:4]
    assert overdue.times["drilled"] == 6, "the days until the look are days without one"
    assert overdue.times["missing"] == [1, 2, 3, 4, 5]
    assert (unseen.times["missing"], unseen.is_overdue) == ([1], False), "of the days since the look nobody knows"
    some = drills(
        stood.asked(ledger, stood.an_estate(names), now, may_read=lambda dag_id: dag_id == "restore_drill__calm")
    )
    assert [one.name for one in some.stores] == ["calm"]


def test_failover_drills_stand_beside_and_one_that_was_wrong_is_red(ledger, seen, now, pages) -> None:
    few = {"asked_at": now.isoformat(), "within": 30.0, "longest": 8.0, "rounds": 2, "lost": 0}
    told = [{**few, "name": "a", "wrong": []}, {**few, "name": "b", "wrong": ["round 1: 3 writes are lost"]}]
    stood.leave_drills(seen, "shop", [stood.a_drill("shop", now)], now, failovers=told)
    stood.leave_run(
        ledger, "replicas/shop", "failover_drill", {"certificate": "failovers/shop/b.json"}, "evidence/f/r/t.json"
    )
    found = drills(stood.asked(ledger, stood.an_estate(), now))
    [shop] = found.stores
    assert (shop.state, [one.certificate for one in shop.failovers]) == (
        "bad", ["/sluice/failovers/shop/b.json", "/sluice/failovers/shop/a.json"],
    )  # fmt: skip
    assert shop.failovers[0].run.startswith("/dags/failover_drill/runs/")
    assert "round 1: 3 writes are lost" in text(pages.live_page("drills", found))
    hidden = drills(stood.asked(ledger, stood.an_estate(), now, may_read=lambda dag_id: dag_id != "failover_drill"))
    assert hidden.stores[0].failovers == ()


def test_an_estate_without_drills_says_what_to_do(ledger, now, pages) -> None:
    none = stood.an_estate(
        backed_up=(), more={"plain": {"engine": "postgres", "connection": "pg", "rto": 5 * DAY, "rpo": DAY}}
    )
    page = text(pages.live_page("drills", drills(stood.asked(ledger, none, now))))
    assert "No store is drilled" in page
    assert "Add backup: to a store" in page
    waiting = text(pages.live_page("drills", drills(stood.asked(ledger, stood.an_estate(), now))))
    assert "Nobody has looked yet: switch on refresh_overview" in waiting


def test_a_terminal_is_told_the_same(ledger, seen, now) -> None:
    made = stood.a_drill("shop", now - timedelta(hours=1))
    stood.leave_drills(seen, "shop", [made], now)
    found = drills(stood.asked(ledger, stood.an_estate(), now))
    printed = Console(width=300)
    with printed.capture() as said:
        for table in at_terminal.tables(found):
            printed.print(table)
    for words in (
        "shop came back in time",
        "38 s (5 min)",
        "2.0 s to 12 s (30 s)",
        f"/sluice/{made.key}",
        "8 are needed",
    ):
        assert words in said.get()


def test_a_certificate_of_a_drill_or_a_failover_is_a_page_that_runs_nothing(now, pages) -> None:
    red = stood.a_drill("shop", now, 400, compared=stood.broken(HOSTILE))
    page = pages.certificate_page(red)
    assert "The drill of shop failed" in page
    assert "the store&#39;s RTO is 300 s" in page
    assert HOSTILE not in page
    assert "The drill of shop passed" in pages.certificate_page(stood.a_drill("shop", now))
    phases = {"noticed": 1.0, "first write": 8.0}
    told = {
        "phases": phases,
        "lost": 0,
        "acknowledged": 9,
        "synchronous": True,
        "proven_whole": True,
        "lost_seconds_bounds": None,
    }
    made = FailoverCertificate("shop", "x", now.isoformat(), (), 30.0, (told,))
    assert "The failover drill of shop passed" in pages.failover_page(made)
    assert "The failover drill of shop failed" in pages.failover_page(replace(made, within=5.0))
