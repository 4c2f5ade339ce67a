"""How long partitions last is told: to the table's asset, to people by a real HTTP server, and by the gate that is red."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors
from psycopg.conninfo import conninfo_to_dict
from sluice.flow import alerting, connections, keeping, lasting, project
from sluice.flow.alerting import AlertLate, AlertRefused
from sluice.flow.connections import NoConnection
from sluice.flow.headroom import ALL, WatchHeadroom, partitions_of
from sluice.ledger.marks import Marks
from sluice.local.ports import free_port
from sluice.proof.gates.run import judge
from sluice.stores.clock import find_now
from sluice.stores.postgres import connect
from sluice.upkeep.partitions.auditing import audit
from sluice.upkeep.partitions.headroom import SOON, URGENT
from sluice.upkeep.partitions.looking import NotPartitioned

from tests.as_airflow import postgres_connection
from tests.conftest import Database
from tests.people import Told, connect_people

ROOT = Path(__file__).parents[2]
TABLE = "CREATE TABLE app.thing (at timestamptz NOT NULL) PARTITION BY RANGE (at)"
FILE = "dataset: thing\nstore: certify\ntable: app.thing\npartition: {range: at, every: day}\n"


@pytest.fixture
def told(database: Database, people: tuple[Told, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A project whose estate has `alerts`, with a table of days; and who is told."""
    (tmp_path / "include/estate/datasets").mkdir(parents=True)
    estate = (ROOT / "include/estate/estate.yaml").read_text()
    (tmp_path / "include/estate/estate.yaml").write_text(
        "alerts: people\n" + estate.replace("\nalerts:", "\n# alerts:")
    )
    (tmp_path / "include/estate/datasets/thing.yaml").write_text(FILE)
    for module in (project, connections, keeping, alerting):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    connect_people(monkeypatch, people[1])
    where = conninfo_to_dict(database.dsn())
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    login = {"conn_type": "postgres", **{names[key]: value for key, value in where.items() if key in names}}
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", json.dumps(login))
    _own(database, TABLE)
    return people[0]


def _own(database: Database, *statements: str) -> None:
    with connect(database.dsn("admin"), purpose="owner") as c:
        c.execute("SET ROLE certify_owner")
        for made in statements:
            c.execute(made)  # type: ignore[arg-type]


def _cover(database: Database, days: int) -> None:
    """One partition from the beginning to so many days from this one's midnight."""
    with connect(database.dsn("admin"), purpose="clock") as c:
        (end,) = c.execute(f"SELECT (date_trunc('day', now()) + interval '{days} days')::text").fetchone().values()  # type: ignore
    made = f"CREATE TABLE app.thing_all PARTITION OF app.thing FOR VALUES FROM (MINVALUE) TO ('{end}')"
    _own(database, "DROP TABLE IF EXISTS app.thing_all", made)


def context(dry_run: bool = False, **rest: Any) -> Any:
    ti = SimpleNamespace(dag_id="create_partitions", run_id="a night", task_id="keep.watch_headroom")
    return {"params": {"dry_run": dry_run}, "ti": ti, "outlet_events": OutletEventAccessors(), **rest}


def watch(seen: Any = None) -> tuple[WatchHeadroom, Any]:
    task = WatchHeadroom(task_id="watch_headroom", dataset="thing")
    seen = seen or context()
    task.execute(seen)
    return task, seen


@pytest.mark.parametrize(("days", "severity"), [(4, "P1"), (20, "P2"), (40, None)])
def test_people_are_told_how_urgent_it_is_and_when_writes_fail(
    told: Told, database: Database, days: int, severity: str | None
) -> None:
    _cover(database, days)
    _, seen = watch()
    (event,) = seen["outlet_events"][ALL].asset_alias_events
    assert (
        event.dest_asset_key.uri
        == "x-sluice://certify/app.thing/partitions"
        == partitions_of("certify", "app.thing").uri
    )
    assert days - 1 <= event.extra["headroom_days"] <= days
    assert event.extra["until"].endswith("T00:00:00+00:00")
    if severity is None:
        assert told.bodies == []
        return
    (body,) = told.bodies
    day = event.extra["until"][:10]
    assert (body["severity"], body["subject"], body["until"]) == (severity, "certify/app.thing", event.extra["until"])
    assert body["text"].startswith(f"{severity}: app.thing has partitions for ")
    assert body["text"].endswith(f"; writes fail from {day} 00:00 UTC on.")
    assert (body["dag_id"], body["run_id"], told.token) == ("create_partitions", "a night", "secret")


def test_what_lasts_is_told_once_when_it_gets_more_urgent_and_when_it_is_over(
    told: Told, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn("sluice_ledger")))
    monkeypatch.setattr(lasting, "QUIET", timedelta(0))
    for days in (20, 19, 4, 4, 40, 40):
        _cover(database, days)
        watch()
    assert [one["text"].partition(" has partitions")[0] for one in told.bodies] == [
        "P2: app.thing", "P1: app.thing", "It is over: P1: app.thing",
    ]  # fmt: skip


def test_a_table_that_is_being_migrated_is_skipped_with_words_and_measured_all_the_same(
    told: Told, database: Database
) -> None:
    _cover(database, 4)
    with connect(database.dsn(), purpose="migration") as c:
        Marks("thing").prepare(c)
        c.execute(
            "INSERT INTO sluice.migration (name, phase, source_name, target_name, target_oid)"
            " VALUES ('thing', 'verified', 'app.old', 'app.thing', 'app.thing'::regclass)"
        )
    with pytest.raises(AirflowSkipException, match=r"app\.thing is part of thing, which is verified"):
        keeping.MakePartitions(task_id="make_partitions", dataset="thing").execute(context())
    watch()
    assert [body["severity"] for body in told.bodies] == ["P1"]


def test_the_red_gate_says_it_first(told: Told, database: Database) -> None:
    _cover(database, 4)
    with connect(database.dsn(), purpose="gate") as c:
        now = find_now(c)
        facts = audit(c, project.dataset_of("thing"), now)
    fresh = {"freshness": keeping.DatasetGate.freshness, "now": now, "facts_at": now, "root": ROOT}
    judged = judge("partitions_ahead", facts, subject="app.thing", suites=["partitions_ahead"], window=None, **fresh)
    assert not judged.verdict.passed
    _, second, *_ = judged.verdict.describe().splitlines()
    assert second.startswith("- P1: app.thing has partitions for 3.")


def test_what_the_gate_calls_red_and_warns_of_is_what_people_are_told() -> None:
    told = json.loads((ROOT / "expectations/partitions_ahead.json").read_text())["expectations"]
    least = {one["severity"]: one["kwargs"]["min_value"] for one in told if one["kwargs"]["column"] == "headroom_days"}
    assert least == {"critical": URGENT, "warning": SOON}


def test_what_is_caught_by_a_default_partition_does_not_fail(told: Told, database: Database) -> None:
    _own(database, "CREATE TABLE app.thing_rest PARTITION OF app.thing DEFAULT")
    watch()
    assert told.bodies[0]["text"] == (
        "P1: app.thing has partitions for 0 more days; rows fall into its default partition already."
    )


def test_who_cannot_be_told_makes_the_task_red_by_type(
    told: Told, people: tuple[Told, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer, error in ((500, AlertLate), (429, AlertLate), (403, AlertRefused)):
        told.answers = answer
        with pytest.raises(error, match=rf"'people' that: P1: app\.thing .*answered {answer}"):
            watch()
    connect_people(monkeypatch, free_port())
    with pytest.raises(AlertLate, match=r"ConnectionError\. It is tried again by itself") as raised:
        watch()
    assert "hook" not in str(raised.value), "the address of a webhook is its password"
    monkeypatch.delenv("AIRFLOW_CONN_PEOPLE")
    with pytest.raises(NoConnection, match="no connection 'people'"):
        watch()


def test_that_it_could_not_be_measured_is_told_once_no_try_is_left(told: Told, database: Database) -> None:
    _own(database, "DROP TABLE app.thing")
    task = WatchHeadroom(task_id="watch_headroom", dataset="thing")
    with pytest.raises(NotPartitioned) as raised:
        task.execute(context())
    assert told.bodies == []
    (callback,) = task.on_failure_callback  # type: ignore[misc]
    callback(context(task=task, exception=raised.value))
    assert told.bodies[0]["severity"] == "P2"
    assert (
        "P2: nobody knows for how long thing has partitions: app.thing is not in the database" in told.bodies[0]["text"]
    )
    callback(context(task=task, exception=AlertLate("late")))
    assert len(told.bodies) == 1


def test_nobody_is_told_by_a_dry_run_nor_where_the_estate_names_nobody(told: Told) -> None:
    with pytest.raises(AirflowSkipException, match="nobody is told"):
        watch(context(dry_run=True))
    estate = project.ROOT / "include/estate/estate.yaml"
    estate.write_text(estate.read_text().replace("alerts: people", ""))
    _, seen = watch()
    assert len(seen["outlet_events"][ALL].asset_alias_events) == 1
    assert told.bodies == []
