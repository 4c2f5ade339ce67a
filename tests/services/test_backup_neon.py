"""A database at Neon: a branch of a moment, compared and deleted; dumps for what lies before. Against a stand-in for its API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluice.flow import connections
from sluice.flow.connections import NoConnection
from sluice.flow.safety import exposing, keeping, stores
from sluice.flow.safety.backing_up import GATE as FRESH
from sluice.flow.safety.backing_up import BackupGate, TakeStoreBackup, VerifyBackup
from sluice.flow.safety.bringing_back import RestoreStore
from sluice.flow.safety.counting import CountStore
from sluice.flow.safety.drilling import GATE as DRILLED
from sluice.flow.safety.drilling import DrillGate, DrillRestore
from sluice.flow.safety.exposing import facts_now
from sluice.flow.safety.keeping import KeepBackups
from sluice.flow.safety.moments import DrawMoments
from sluice.flow.safety.reaping import DropScratch
from sluice.flow.safety.tenants import CompareTenant
from sluice.local import databases
from sluice.safety.censuses import keep_census
from sluice.safety.drill.certificate import Certificate, Goals
from sluice.safety.drill.drilling import Asked, Counted, drill
from sluice.safety.driver import Clock, NotScratch, name_scratch
from sluice.safety.exposure import exposure
from sluice.safety.logical.driver import Logical
from sluice.safety.logical.places import Lent
from sluice.safety.neon.api import NeonDown, NeonRefused, Project
from sluice.safety.neon.driver import Neon
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect

from tests.as_airflow import postgres_connection, ran, vault_connection
from tests.conftest import Database, Server
from tests.neon import PROJECT, RETENTION, ROOT, TOKEN, StandIn, standing_in

STORE = "neon"
SCRATCH = name_scratch(STORE, datetime(2026, 11, 1, tzinfo=UTC), "seed")


@dataclass(frozen=True)
class Past:
    """A database at Neon, counted before and after a moment that was remembered."""

    neon: StandIn
    driver: Neon
    counted: tuple[Counted, Counted]
    moment: datetime
    position: str
    said: list[str]

    def certified(self, target: Target) -> Certificate:
        """Do a drill."""
        asked = Asked(target, self.moment, Goals(300, 30), self.counted, "seed")
        return drill(self.driver, asked, self.said.append)

    def change_history(self, how: str) -> None:
        """Change what a branch is made of."""
        *_, copy = self.neon.history[-1]
        with psycopg.connect(self.driver.dumps.dsn, dbname=copy, autocommit=True) as c:
            c.execute(how)  # type: ignore[call-overload]

    def impatient(self, **changed: object) -> Neon:
        """The same, for which nothing is waited."""
        return replace(self.driver, project=replace(self.driver.project, patience=0.05, **changed))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def past(vault, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Fill it, count, remember, write, count."""
    folder, said = tmp_path_factory.mktemp("neon"), list[str]()
    vault.store.create_bucket("neon-dumps")
    cluster = server.cluster
    with psycopg.connect(cluster.dsn(), autocommit=True) as c:
        c.execute("CREATE DATABASE at_neon")
    dsn = cluster.dsn("at_neon")
    try:
        with standing_in(cluster.dsn(), "at_neon") as neon:
            place = Lent(cluster.dsn(), folder / "lent")
            dumps = Logical(STORE, dsn, Vault(vault.client(), "neon-dumps"), folder / "dumps", place)
            project = Project(PROJECT, TOKEN, neon.url, patience=10, pause=0.01)
            driver = Neon(dumps, project, "postgres", "at_neon", folder / "branches")
            with connect(dsn, purpose="test") as c:
                c.execute(
                    "CREATE TABLE kept AS SELECT g AS id FROM generate_series(1, 500) AS g; CREATE TABLE later (id int)"
                )
                first = _counted(dumps, said)
            moment, position = neon.remember()
            with connect(dsn, purpose="test") as c:
                c.execute("INSERT INTO later VALUES (1)")
                second = _counted(dumps, said)
            yield Past(neon, driver, (first, second), moment, position, said)
    finally:
        with psycopg.connect(cluster.dsn(), autocommit=True) as c:
            c.execute("DROP DATABASE at_neon WITH (FORCE)")


def _counted(dumps: Logical, said: list[str]) -> Counted:
    census = dumps.count(said.append)
    return Counted(keep_census(dumps.vault, STORE, census).key, census)


def test_a_branch_of_a_moment_is_compared_and_deleted(past: Past) -> None:
    made = past.certified(Target.at(past.moment))
    assert made.wrong == ()
    assert made.compared
    assert (made.compared.tables, made.compared.rows) == (1, 500), "what was written in between is held against nothing"
    assert made.reached == past.moment.replace(microsecond=0).astimezone(UTC).isoformat()
    assert list(made.phases) == ["branched", "available", "first query", "fully read", "verified"]
    assert past.driver.scratches() == []
    assert list(past.neon.branches) == [ROOT["id"]]
    assert not list(past.driver.folder.iterdir()), "the password of a branch"


def test_a_copy_that_lacks_a_row_is_red(past: Past) -> None:
    past.change_history("DELETE FROM kept WHERE id = 7")
    try:
        assert past.certified(Target.at(past.moment)).wrong == ("public.kept: 500 rows, 499 in the copy",)
    finally:
        past.change_history("INSERT INTO kept VALUES (7)")


def test_a_branch_of_a_position_stands_there_and_its_address_has_no_password(past: Past, server: Server) -> None:
    back = past.driver.restore(Target("position", past.position), SCRATCH, Clock(), past.said.append)
    try:
        assert back.position == past.position
        assert past.driver.scratches() == [SCRATCH]
        with connect(back.address, purpose="test") as copy:
            assert copy.execute("SELECT count(*) AS rows FROM later").fetchone() == {"rows": 0}
        assert server.cluster.password not in f"{back}{past.said}"
        assert TOKEN not in f"{past.driver}{past.said}"
    finally:
        for _ in range(2):
            past.driver.destroy(SCRATCH)
    assert past.driver.scratches() == []


def test_the_window_is_neons_history_and_before_it_a_dump_is_brought_back(past: Past) -> None:
    window = past.driver.window()
    assert window
    assert window.latest - window.earliest == timedelta(seconds=RETENTION)
    assert abs(window.latest - datetime.now(UTC)) < timedelta(seconds=5)
    taken = past.driver.take(past.said.append)
    assert [one.id for one in past.driver.backups()] == [taken.id]
    assert past.driver.verify(taken.id, past.said.append) > 0
    # Neon's history is short: it begins behind the dump.
    short = replace(past.driver, branch="young")
    past.neon.branches["br-young"] = {**ROOT, "id": "br-young", "name": "young", "default": False, "primary": False,
                                      "created_at": "2099-01-01T00:00:00Z"}  # fmt: skip
    try:
        back = short.restore(Target.at(taken.whole_at), SCRATCH, Clock(), past.said.append)
        assert back.backups == (taken.id,)
        assert short.scratches() == [SCRATCH]
    finally:
        short.destroy(SCRATCH)
        del past.neon.branches["br-young"]
    assert short.scratches() == []
    with pytest.raises(NotRecovered, match="knows no points"):
        past.driver.restore(Target("point", "before it"), SCRATCH, Clock(), past.said.append)


@pytest.mark.parametrize(
    ("like", "told"),
    [
        ({"default": True, "primary": False}, "the default one"),
        ({"primary": True, "default": False}, "the default one"),
        ({"protected": True}, "protected"),
        ({"parent_id": None}, "a root"),
    ],
)
def test_a_branch_that_somebody_may_live_on_is_not_deleted_whatever_its_name(
    past: Past, like: dict[str, object], told: str
) -> None:
    plain = {"default": False, "primary": False, "parent_id": ROOT["id"]}
    past.neon.branches["br-live"] = {**ROOT, **plain, "id": "br-live", "name": SCRATCH, **like}
    try:
        with pytest.raises(NotScratch, match=f"{SCRATCH}, and is .*{told}.*not deleted"):
            past.driver.destroy(SCRATCH)
        assert "br-live" in past.neon.branches
        assert "DELETE" not in past.neon.asked[-1]
    finally:
        del past.neon.branches["br-live"]
    with pytest.raises(NotScratch, match="never the place of a drill"):
        past.driver.destroy("main")


def test_what_is_locked_or_busy_is_asked_again_and_what_stays_so_passes_by_itself(past: Past) -> None:
    past.neon.answers[:] = [(423, {}), (429, {"Retry-After": "1"}), (503, {})]
    assert past.driver.scratches() == []
    for code in (423, 429, 503, 500, 502):
        past.neon.answers[:] = [(code, {})] * 50
        before = len(past.neon.asked)
        with pytest.raises(NeonDown, match=f"Neon answers {code} to GET /branches .* already has running operations"):
            past.impatient().scratches()
        assert (len(past.neon.asked) - before > 1) == (code not in (500, 502)), "it may have been done"
    past.neon.answers.clear()
    with pytest.raises(NeonDown, match=r"cannot be reached .*ConnectionError"):
        past.impatient(base="http://127.0.0.1:9/api/v2").scratches()


def test_what_neon_refuses_stops_and_tells_no_token(past: Past) -> None:
    with pytest.raises(NeonRefused, match=r"401 .*do not pass authentication.*Mend the token") as told:
        past.impatient(token="napi_another").scratches()
    assert "napi_" not in str(told.value)
    with pytest.raises(NeonRefused, match=r"404 .*project not found"):
        past.impatient(id="no-such-project").scratches()
    with pytest.raises(NeonRefused, match="has not one branch staging"):
        replace(past.driver, branch="staging").window()


def test_a_branch_of_another_moment_proves_nothing(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past.neon, "late", True)
    with pytest.raises(NotRecovered, match="Nothing is proven by it"):
        past.certified(Target.at(past.moment + timedelta(hours=1)))
    assert past.driver.scratches() == []


def test_what_fails_at_neon_is_tried_again_and_leaves_nothing(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(past.neon, "fails", "start_compute")
        with pytest.raises(NeonDown, match=r"start_compute at Neon, in .* has failed: no room"):
            past.driver.restore(Target.at(past.moment), SCRATCH, Clock(), past.said.append)
    assert past.driver.scratches() == [SCRATCH]
    back = past.driver.restore(Target.at(past.moment), SCRATCH, Clock(), past.said.append)
    assert sum(one["name"] == SCRATCH for one in past.neon.branches.values()) == 1
    past.driver.destroy(back.name)
    assert past.driver.scratches() == []


def test_branches_on_later_pages_are_found(past: Past) -> None:
    for number in range(4):
        name = f"{SCRATCH}{number}"
        past.neon.branches[f"br-{number}"] = {
            **ROOT,
            "id": f"br-{number}",
            "name": name,
            "default": False,
            "primary": False,
        }
    try:
        assert past.driver.scratches() == [f"{SCRATCH}{number}" for number in range(4)]
    finally:
        for number in range(4):
            del past.neon.branches[f"br-{number}"]


ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: neon-dumps}}
ledger: {{connection: sluice_ledger}}
stores:
  filed:
    engine: postgres
    connection: pg_neon
    rto: 5m
    rpo: 1d
    backup: {{by: neon, connection: pg_neon, service: neon_api, project: {project}, scratch: {scratch}, amcheck: false}}
"""
FORM = {
    "target": "latest", "value": "", "confirm": "filed", "port": 0, "days": 3, "warm": False, "drop": "", "tenant": "1",
    "column": "tenant_id",
}  # fmt: skip


@pytest.fixture
def estate(past: Past, vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    """The same store, as an estate's file has it."""
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text(ESTATE.format(project=PROJECT, scratch=tmp_path / "scratch"))
    for module in (connections, stores, exposing, keeping):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    told = {
        "PG_NEON": postgres_connection(past.driver.dumps.dsn),
        "SLUICE_LEDGER": postgres_connection(database.dsn(databases.LEDGER)),
        "S3_VAULT": vault_connection(vault),
        "NEON_API": json.dumps({"conn_type": "http", "password": TOKEN}),
    }
    for name, text in told.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", text)
    monkeypatch.setattr("sluice.safety.neon.api.Project", partial(Project, base=past.neon.url, patience=10, pause=0.01))
    return past


def task(what: type, **how: str) -> Any:
    return what(task_id="task", store="filed", **how)


def test_a_night_from_the_file_is_green_and_on_the_real_day_a_branch_stands(estate: Past) -> None:
    estate.neon.remember()  # a dump is counted too: a moment between it and the next count may be drawn
    taken = ran(task(TakeStoreBackup), **FORM)
    assert ran(task(VerifyBackup, backup=taken), **FORM)["bytes_read"] > 0
    assert ran(task(BackupGate, gate=FRESH), **FORM)["passed"]
    kept = ran(task(KeepBackups), **FORM, agree=False)
    assert (kept["kept"], kept["gone"], kept["lost"]) == (1, 0, 0)
    assert [line.id for line in keeping.kept_of("filed")] == [taken]
    with connect(estate.driver.dumps.dsn, purpose="test") as c:
        c.execute("CREATE TABLE orders (id int PRIMARY KEY, tenant_id int); INSERT INTO orders VALUES (1, 1), (2, 2)")
    estate.neon.remember()
    ran(task(CountStore), **FORM)
    time.sleep(1.1)  # a whole second lies between two counts
    ran(task(CountStore), **FORM)
    moments = ran(task(DrawMoments), **{**FORM, "target": "as scheduled"})
    assert [one["kind"] for one in moments] == ["latest", "time"]
    for moment in moments:
        told = ran(task(DrillRestore, **moment), **FORM)
        assert told["wrong"] == []
        made = json.loads(estate.driver.dumps.vault.get(told["certificate"]))
        assert (made["compared"]["rows"] >= 500, made["looked_through"]) == (True, False)
        assert ran(task(DrillGate, gate=DRILLED, **moment), **FORM)["passed"]
    with connect(estate.driver.dumps.dsn, purpose="test") as c:
        c.execute("DELETE FROM orders WHERE tenant_id = 1")
    assert ran(task(CompareTenant), **FORM)["tables"]["public.orders"]["missing"] == 1
    told = ran(task(RestoreStore), **FORM)
    other = name_scratch("another", datetime(2020, 1, 1, tzinfo=UTC), "seed")
    estate.neon.branches["br-other"] = {**ROOT, "id": "br-other", "name": other, "default": False, "primary": False}
    try:
        assert ran(task(DropScratch), **FORM) == [], "people have it; and another store's is not ours"
        assert ran(task(DropScratch), **{**FORM, "drop": told["name"]}) == [told["name"]]
        assert "br-other" in estate.neon.branches
    finally:
        del estate.neon.branches["br-other"]


def test_where_the_project_is_gone_its_newest_dump_comes_back(
    estate: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = ran(task(TakeStoreBackup), **FORM)
    file = tmp_path / "include/estate/estate.yaml"
    service = f"service: neon_api, project: {PROJECT}, "
    assert service in file.read_text()
    file.write_text(
        file.read_text().replace("by: neon", "by: logical").replace(service, "").replace(", amcheck: false", "")
    )
    for gone in ("NEON_API", "PG_NEON"):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{gone}", json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 9})
        )
    told = ran(task(RestoreStore), **FORM)
    try:
        assert told["from"] == [taken]
        with connect(told["address"], purpose="test") as copy:
            assert copy.execute("SELECT count(*) AS rows FROM kept").fetchone() == {"rows": 500}
    finally:
        assert ran(task(DropScratch), **{**FORM, "drop": told["name"]}) == [told["name"]]


def test_a_platform_that_does_not_answer_is_told_and_a_key_that_is_not_there_is_named(
    estate: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sluice.safety.neon.api.Project", partial(Project, base="http://127.0.0.1:9/api/v2", patience=0.05, pause=0.01)
    )
    found = exposure(facts_now("filed"), datetime.now(UTC))
    assert (found.lost, "Neon cannot be reached" in found.warnings[0]) == ("unknown", True)
    monkeypatch.setenv("AIRFLOW_CONN_NEON_API", json.dumps({"conn_type": "http"}))
    with pytest.raises(NoConnection, match="'neon_api' has no password"):
        stores.driver_of("filed")
