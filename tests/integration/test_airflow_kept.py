"""Airflow's own database, as Airflow made it: backed up and proven, pruned by Airflow's own command, and nothing else gone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from psycopg.conninfo import conninfo_to_dict
from sluice.failpoints import EDGES, Broken, armed
from sluice.flow import connections, gate, maintaining, project
from sluice.flow.connections import opened_control
from sluice.flow.maintaining import BACKUP, HISTORY, WHOSE, AirflowGate, PruneBackups, PruneHistory, TakeBackup
from sluice.local import databases
from sluice.stores.objects import AccessDenied, Damaged, Vault
from sluice.stores.postgres import connect
from sluice.stores.programs import ProgramFailed
from sluice.upkeep.metadata.backing_up import NotAirflows, NoTrial, TrialFailed, check_trial, count_tables, take_backup
from sluice.upkeep.metadata.backup import Backup, read_backup
from sluice.upkeep.metadata.dumping import restore
from sluice.upkeep.metadata.pruning import plan_pruning, prune
from sluice.upkeep.metadata.thinning import thin

from tests.airflow_database import AirflowDatabase, copied, template
from tests.conftest import Database, ScratchVault, Server

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
KEEP = 90 * DAY
MONTHS = 100, 95, 10
"""Two runs are older than KEEP, and one is younger."""


@pytest.fixture(scope="module")
def made(server: Server) -> Iterator[Server]:
    with template(server):
        yield server


@pytest.fixture
def airflow(made: Server) -> Iterator[AirflowDatabase]:
    with copied(made) as database:
        for number, days in enumerate(MONTHS):
            database.run(f"r{number}", days)
        yield database


@pytest.fixture
def bucket(vault: ScratchVault) -> Iterator[Vault]:
    """A bucket of its own: what is kept depends on all that is there."""
    name = f"airflow-{uuid4().hex[:12]}"
    vault.store.create_bucket(name)
    yield Vault(vault.client(), name)


def told(line: str) -> None:
    """Nobody listens."""


def taken(airflow: AirflowDatabase, bucket: Vault) -> Backup:
    return take_backup(airflow.dsn, airflow.dsn, bucket, told).backup


def trials(airflow: AirflowDatabase) -> list[str]:
    return airflow.ask("SELECT datname FROM pg_database WHERE datname LIKE 'sluice_trial_%'")


def test_a_backup_gives_back_every_row_of_its_snapshot(airflow: AirflowDatabase, bucket: Vault, make_database) -> None:
    def write_on(line: str) -> None:
        airflow.run(f"later {line}", 0)

    took = take_backup(airflow.dsn, airflow.dsn, bucket, write_on)
    kept = read_backup(bucket, took.key)
    assert kept == took.backup
    assert (kept.tables["public.dag_run"], kept.tables["public.task_instance"]) == (3, 3)
    assert kept.tables == took.restored
    assert len(kept.tables) > 50
    assert re.fullmatch(r"backups/airflow/\d{8}T\d{6}Z/manifest\.json", took.key)
    assert trials(airflow) == []
    other = make_database()
    restore(other.dsn("admin"), kept.read(bucket))
    with connect(other.dsn("admin"), purpose="copy") as c:
        assert count_tables(c)["public.xcom"] == 3


@pytest.mark.parametrize("edge", [edge.name for edge in EDGES if edge.name.startswith("backup.")])
def test_what_dies_before_it_is_tried_is_no_backup(airflow: AirflowDatabase, bucket: Vault, edge: str) -> None:
    with armed(f"{edge}=raise"), pytest.raises(Broken):
        taken(airflow, bucket)
    assert [key for key in bucket.list("") if key.endswith(".json")] == []
    assert trials(airflow) == []


def test_what_a_killed_trial_left_behind_is_dropped_and_nothing_else(airflow: AirflowDatabase, bucket: Vault) -> None:
    with airflow.opened() as c:
        for name in ("20200101t000000z", "of_mine"):
            c.execute(f"CREATE DATABASE sluice_trial_{name}")  # type: ignore[arg-type]
        taken(airflow, bucket)
        assert trials(airflow) == ["sluice_trial_of_mine"]
        c.execute("DROP DATABASE sluice_trial_of_mine")


@pytest.mark.parametrize("edge", [edge.name for edge in EDGES if edge.name.startswith("history.")])
def test_who_dies_while_pruning_leaves_it_to_the_next(airflow: AirflowDatabase, edge: str) -> None:
    with airflow.opened() as c:
        with armed(f"{edge}=raise"), pytest.raises(Broken):
            prune(c, _nothing(), KEEP, lambda cutoff: None)
        assert prune(c, _nothing(), KEEP, lambda cutoff: None)["old_left"] == 8


def test_what_comes_back_otherwise_is_no_backup(airflow: AirflowDatabase, bucket: Vault, database: Database) -> None:
    backup = taken(airflow, bucket)
    (part,) = backup.parts
    with pytest.raises(Damaged, match="is not what was stored"):
        list(replace(backup, parts=(replace(part, sha256="0" * 64),)).read(bucket))
    whole = bucket.get(part.key)
    with pytest.raises(ProgramFailed, match=r"pg_restore of certify_\d+ failed: .*It is tried again"):
        restore(database.dsn("admin"), [whole[: len(whole) // 2]])
    with connect(database.dsn("admin"), purpose="copy") as c:
        assert "public.dag_run" not in count_tables(c), "whole, or not at all"
    fewer = {**backup.tables, "public.log": 0}
    del fewer["public.xcom"]
    with pytest.raises(TrialFailed, match=r"public\.log: 3 dumped, 0 restored; public\.xcom: 3 dumped, None restored"):
        check_trial(backup, fewer)


def test_where_it_cannot_be_tried_or_is_not_airflows_nothing_is_stored(
    airflow: AirflowDatabase, bucket: Vault, database: Database
) -> None:
    with pytest.raises(NoTrial, match=r"sluice_mover may not make the database .* Give it CREATEDB, or name another"):
        take_backup(airflow.dsn, database.dsn(), bucket, told)
    with pytest.raises(NotAirflows, match=r"certify_\d+ has no table alembic_version"):
        take_backup(database.dsn("admin"), airflow.dsn, bucket, told)
    assert bucket.list("") == []


def test_nothing_goes_that_is_as_young_as_the_oldest_run_that_goes_on(airflow: AirflowDatabase) -> None:
    with airflow.opened() as c:
        assert plan_pruning(c, KEEP).old == {"dag_run": 2, **dict.fromkeys(_AGED, 0), **_each(2)}
        for days, run, state, task in ((97, "asks", "running", "awaiting_input"), (98, "late", "failed", "deferred")):
            airflow.run(run, days, state, task=task)
            plan = plan_pruning(c, KEEP)
            assert (round(plan.held_back / DAY), plan.oldest, plan.old["dag_run"]) == (days - 90, f"d {run}", 1)
            assert f"held back {days - 90} days by d {run}, which goes on" in str(plan)
            c.execute("UPDATE dag_run SET state = 'success'")
            c.execute("UPDATE task_instance SET state = 'success'")
        assert not plan_pruning(c, KEEP).held_back


_AGED = ("asset_event", "import_error", "job", "task_instance_history", "task_reschedule")


def _each(rows: int) -> dict[str, int]:
    return dict.fromkeys(("log", "task_instance", "xcom"), rows)


DELETES: dict[str, Callable[[AirflowDatabase], Any]] = {
    "runs_lost": lambda a: a.ask("DELETE FROM dag_run WHERE run_id = 'r2' RETURNING id"),
    "tasks_lost": lambda a: a.ask("DELETE FROM task_instance WHERE run_id = 'r2' RETURNING 1"),
    "open_runs_lost": lambda a: a.ask("DELETE FROM dag_run WHERE run_id = 'open' RETURNING id"),
    "open_tasks_lost": lambda a: a.ask("DELETE FROM task_instance WHERE run_id = 'open' RETURNING 1"),
    "log_lost": lambda a: a.ask("DELETE FROM log WHERE dttm > now() - interval '90 days' RETURNING id"),
}


@pytest.mark.parametrize("fact", DELETES)
def test_what_goes_and_should_not_is_counted(airflow: AirflowDatabase, fact: str) -> None:
    airflow.run("open", 50, "running", task="deferred")

    def clean(cutoff: datetime) -> None:
        DELETES[fact](airflow)
        airflow.run("meanwhile", 0)  # others go on, and hide nothing

    with airflow.opened() as c:
        found = prune(c, _nothing(), KEEP, clean)
    assert found[fact] >= 1
    assert (found["old_left"], found["old_left_told"]) == (8, "dag_run: 2; log: 2; task_instance: 2; xcom: 2")


def _nothing() -> Backup:
    return Backup("2026-01-01T00:00:00+00:00", "airflow", "18", "1", {}, ())


def test_what_was_put_aside_is_dropped_once_a_backup_has_all_of_it(airflow: AirflowDatabase) -> None:
    with airflow.opened() as c:
        for name in ("held", "longer", "unknown"):
            c.execute(f"CREATE TABLE _airflow_deleted__log__{name} AS SELECT 1 AS id")  # type: ignore[arg-type]
        tables = {"public._airflow_deleted__log__held": 1, "public._airflow_deleted__log__longer": 0}
        found = prune(c, replace(_nothing(), tables=tables), KEEP, lambda cutoff: None)
        assert (found["aside_dropped"], found["aside_kept"]) == (1, 2)
    assert airflow.ask("SELECT relname FROM pg_class WHERE relname LIKE '\\_airflow%' ORDER BY 1") == [
        "_airflow_deleted__log__longer", "_airflow_deleted__log__unknown",
    ]  # fmt: skip


@pytest.fixture
def night(
    airflow: AirflowDatabase, bucket: Vault, vault: ScratchVault, database: Database, tmp_path: Path, monkeypatch
) -> Iterator[Callable[..., Any]]:
    """A project whose estate keeps Airflow's database; gives what does a task of a night, by Airflow's connections."""
    (tmp_path / "include/estate").mkdir(parents=True)
    estate = (ROOT / "include/estate/estate.yaml").read_text().replace("sluice-vault", bucket.bucket)
    estate = re.sub("(?m)^airflow:.*\n", "", estate)
    (tmp_path / "include/estate/estate.yaml").write_text(estate + "airflow: {connection: meta, backups: 2}\n")
    (tmp_path / "expectations").symlink_to(ROOT / "expectations")
    for module in (project, connections, maintaining, gate):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, dsn in {"META": airflow.dsn, "SLUICE_LEDGER": database.dsn(databases.LEDGER)}.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", _connection(dsn))
    extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
    login = {"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(login))
    # As in a task's process: the way to the database leads nowhere.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")

    def do(task: type, run_id: str = "a night", dry_run: bool = False, **named: Any) -> Any:
        ti = SimpleNamespace(
            dag_id="maintain_airflow",
            run_id=run_id,
            task_id="task",
            map_index=-1,
            try_number=1,
            xcom_push=lambda **_: None,
        )
        run = {"params": {"dry_run": dry_run}, "run_id": run_id, "ti": ti}
        run |= {"dag_run": SimpleNamespace(conf={}), "dag": SimpleNamespace(params={})}
        return task(task_id="task", **named).execute(run)

    yield do


def _connection(dsn: str) -> str:
    where = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return json.dumps({"conn_type": "postgres", **{names[key]: where[key] for key in names if key in where}})


def test_a_night_takes_what_is_old_and_keeps_what_is_not(
    airflow: AirflowDatabase, bucket: Vault, night: Callable[..., Any]
) -> None:
    airflow.run("by hand", 99, type="manual")
    airflow.run("the last", 200, dag="yearly")
    airflow.run("asks", 97, "running", task="awaiting_input")
    bucket.put_once("backups/airflow/20250101T000000Z/manifest.json", b"{}", "application/json")
    bucket.put_once("backups/airflow/20250102T000000Z/manifest.json", b"{}", "application/json")
    night(TakeBackup)
    assert night(AirflowGate, gate=BACKUP)["passed"]
    assert night(PruneHistory)["rows_old"] == 11
    assert airflow.runs() == ["r1 1", "r2 1", "the last 0", "asks 1"]
    assert airflow.ask("SELECT count(*) FROM log WHERE event = 'e'") == [3]
    with opened_control(WHOSE, "a night") as control:
        facts = control.facts(HISTORY).facts
    assert {name: facts[name] for name in facts if name.endswith("_lost")} == dict.fromkeys(
        ("runs_lost", "tasks_lost", "open_runs_lost", "open_tasks_lost", "log_lost", "events_lost"), 0
    )
    assert (facts["aside_dropped"], facts["aside_kept"]) == (0, 4)
    assert night(AirflowGate, gate=HISTORY)["passed"]
    with airflow.opened() as c:  # what was put aside can be put back
        for table in ("dag_run", "task_instance"):
            (aside,) = airflow.ask(
                f"SELECT relname FROM pg_class WHERE relname LIKE '\\_airflow\\_deleted\\_\\_{table}\\_\\_2%'"
            )
            c.execute(f"INSERT INTO {table} SELECT * FROM {aside}")  # type: ignore[arg-type]
    assert airflow.runs() == ["r0 1", "r1 1", "r2 1", "by hand 1", "the last 1", "asks 1"]
    assert night(PruneBackups) == 1
    assert [key for key in bucket.list("backups/") if "20250101" in key] == []


def test_nothing_is_taken_away_without_a_proven_backup_of_the_same_night(
    airflow: AirflowDatabase, bucket: Vault, night: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    night(TakeBackup)
    for task in (PruneHistory, PruneBackups):
        with pytest.raises(AirflowFailException, match="gate_airflow_backup has not passed in this run"):
            night(task)
    night(AirflowGate, gate=BACKUP)
    night(TakeBackup, "another night")
    with pytest.raises(AirflowFailException, match="has not passed in this run"):
        night(PruneHistory, "another night")
    monkeypatch.setattr(maintaining, "FRESH", timedelta(0))
    with pytest.raises(
        AirflowFailException, match=r"gate_airflow_backup has judged what is .* old, and only 0:00:00 counts"
    ):
        night(PruneHistory)
    assert airflow.runs() == ["r0 1", "r1 1", "r2 1"]


def test_a_dry_run_changes_nothing_and_an_estate_without_it_is_left_alone(
    airflow: AirflowDatabase, bucket: Vault, night: Callable[..., Any]
) -> None:
    with pytest.raises(AirflowSkipException, match="nothing was changed"):
        night(TakeBackup, dry_run=True)
    assert bucket.list("") == []
    estate = project.ROOT / "include/estate/estate.yaml"
    estate.write_text(re.sub("(?m)^airflow:.*\n", "", estate.read_text()))
    with pytest.raises(AirflowSkipException, match="has no `airflow`"):
        night(TakeBackup)


def test_backups_that_go_go_with_every_version_and_nothing_else(bucket: Vault) -> None:
    for day in ("01", "02", "03", "04"):
        for name in ("part-00000.dump", "manifest.json"):
            if (day, name) != ("02", "manifest.json"):
                bucket.put_once(f"backups/airflow/202601{day}T000000Z/{name}", day.encode(), "text/plain")
    bucket.put_once("backups/airflow/readme", b"a person's", "text/plain")
    bucket.put_once("archive/x", b"another's", "text/plain")
    lines: list[str] = []
    assert thin(bucket, 2, lines.append) == 2
    assert [line[:32] for line in lines] == [f"backups/airflow/202601{day}T000000Z" for day in ("01", "02")]
    versions = bucket.client.list_object_versions(Bucket=bucket.bucket)
    assert len(versions["Versions"]) == 6
    assert "DeleteMarkers" not in versions
    assert thin(bucket, 2, lines.append) == 0


def test_a_backup_that_the_vault_keeps_locked_stays_and_holds_no_other_up(bucket: Vault) -> None:
    class Locking(Vault):
        def remove(self, key: str) -> None:
            if "20260101" in key:
                raise AccessDenied("locked until 2033")
            super().remove(key)

    for day in ("01", "02", "03"):
        bucket.put_once(f"backups/airflow/202601{day}T000000Z/manifest.json", day.encode(), "text/plain")
    lines: list[str] = []
    assert thin(Locking(bucket.client, bucket.bucket), 1, lines.append) == 1
    assert lines[0] == "backups/airflow/20260101T000000Z stays: locked until 2033"
    assert [key[16:24] for key in bucket.list("backups/")] == ["20260101", "20260103"]
