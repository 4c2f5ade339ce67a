"""The tasks of the archive of items, as Airflow runs them: from the files of an estate, and no deletion without its yes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from psycopg.conninfo import conninfo_to_dict
from sluice.estate import EstateErrors
from sluice.flow import connections, expiry, items, project, under_way
from sluice.flow.asking import APPROVE, REJECT
from sluice.flow.connections import opened_control
from sluice.flow.expiry import ListExpiring, ValidateExpiry
from sluice.flow.items import (
    GATE,
    ApproveDelete,
    ArchiveItems,
    DeleteItems,
    ListItemMonths,
    ListItems,
    RestoreItems,
    alone_at_month,
    opened_items,
    whose,
)
from sluice.flow.watching import GATE as KEPT
from sluice.flow.watching import WatchDeleted
from sluice.ledger.in_flight import InFlight
from sluice.ledger.item_marks import ItemMarks
from sluice.local import databases
from sluice.stores.objects import Vault
from sluice.stores.postgres import LockBusy
from sluice.upkeep.items import archiving
from sluice.upkeep.items.archiving import NotDeleted

from tests.archived_items import FILE, MONTHS, Trail, laid_trail
from tests.conftest import Database, ScratchVault
from tests.documents import Documents

MONTH = {"items": "trail", "month": MONTHS[0]}


@pytest.fixture
def trail(
    documents: Documents, vault: ScratchVault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trail]:
    """A project of its own with the entity's file, and Airflow's connections to its store, ledger and vault."""
    for module in (project, connections, items, expiry, under_way):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    with laid_trail(documents, Vault(vault.client(), vault.bucket), tmp_path) as made:
        for name, old, new in (
            ("estate", "bucket: sluice-vault", f"bucket: {vault.bucket}"),
            ("tyler", "name: tyler-entity", f"name: {made.table}"),
        ):
            path = tmp_path / f"include/estate/{name}.yaml"
            path.write_text(path.read_text().replace(old, new))
        told = conninfo_to_dict(database.dsn(databases.LEDGER))
        names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
        ledger = {"conn_type": "postgres", **{names[key]: told[key] for key in names if key in told}}
        monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", json.dumps(ledger))
        monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", _aws(vault.store.key, vault.store.secret, s3=vault.endpoint))
        engine = dict.fromkeys(("dynamodb", "dynamodbstreams"), documents.endpoint)
        monkeypatch.setenv("AIRFLOW_CONN_DYNAMODB_TYLER", _aws(documents.key, documents.secret, **engine))
        _write("true")
        yield made


def _aws(key: str | None, secret: str | None, **endpoints: str | None) -> str:
    services = {name: {"endpoint_url": url} for name, url in endpoints.items()}
    extra = {"region_name": "us-east-1", "service_config": services}
    return json.dumps({"conn_type": "aws", "login": key, "password": secret, "extra": extra})


def _write(approve: str, name: str = "trail") -> None:
    (project.ROOT / f"include/estate/items/{name}.yaml").write_text(
        FILE.replace("approve: false", f"approve: {approve}")
    )


def run(task: type, run_id: str = "a night", params: dict[str, Any] | None = None, **named: str) -> Any:
    """Do what a task of a run does."""
    context = {
        "params": {"dry_run": False, **(params or {})},
        "run_id": run_id,
        "dag_run": SimpleNamespace(conf={}),
        "dag": SimpleNamespace(params={}),
        "ti": SimpleNamespace(dag_id="archive_items", task_id="each.approve_delete", get_task_states=lambda **_: {}),
    }
    return task(task_id="task", **named).execute(context)


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is asked of Airflow, which does not run here."""
    monkeypatch.setattr(HITLOperator, "execute", lambda *_: None)


def judge(run_id: str = "a night", passed: bool = True) -> None:
    """Leave in the ledger what the gate leaves there."""
    with opened_control(whose(**MONTH), run_id) as control:
        control.record_evidence(GATE, 1, passed=passed, compared=6, key="evidence/x", sha256="0")


def ask(run_id: str = "a night") -> None:
    run(ApproveDelete, run_id, **MONTH)


def answer(said: str, run_id: str = "a night") -> None:
    ApproveDelete(task_id="approve_delete", **MONTH).answered({"run_id": run_id}, said, "anna")  # type: ignore[arg-type]


def test_nothing_is_deleted_without_a_yes_of_the_same_night(trail: Trail) -> None:
    trail.fill(6)
    assert run(ListItems) == ["trail"]
    assert run(ListItemMonths, items="trail") == [MONTH]
    assert run(ArchiveItems, **MONTH)["items"] == 6
    with opened_control(whose(**MONTH), "a night") as control:
        facts = control.facts(GATE).facts
    assert (facts["items_stored"], facts["items_read"], facts["items_compared"]) == (6, 6, 6)
    judge()
    with pytest.raises(AirflowSkipException, match="nobody has agreed to its deletion in this run"):
        run(DeleteItems, **MONTH)
    ask()
    answer(APPROVE, "another night")
    with pytest.raises(
        AirflowFailException, match=r"anna rejected the deletion.*hold it in include/estate/items/trail"
    ):
        answer(REJECT)
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        run(DeleteItems, **MONTH)
    assert len(trail.there()) == 6
    ask()
    answer(APPROVE)
    assert run(DeleteItems, **MONTH) == {"deleted": 6, "gone": 0, "changed": 0}
    assert trail.there() == {}
    assert run(WatchDeleted, items="trail") == {"months": 1, "of": 1}
    with opened_control("items/trail", "a night") as control:
        assert control.facts(KEPT).facts["lost"] == 0
    assert run(ListItemMonths, items="trail") == []
    with pytest.raises(AirflowSkipException, match="nothing is deleted now"):
        run(DeleteItems, "another night", **MONTH)


def test_a_yes_and_a_green_gate_are_to_the_round_that_was_shown(trail: Trail) -> None:
    trail.fill(3)
    run(ArchiveItems, **MONTH)
    with pytest.raises(AirflowFailException, match=r"trail/2024-01: gate_items_readback has not passed in this run"):
        run(DeleteItems, **MONTH)
    judge()
    ask()
    answer(APPROVE)
    with items.opened_items("trail") as archive:  # somebody ends the round, and what came meanwhile makes another
        archive.find(MONTHS[0]).round.note("done", {"deleted": 0, "gone": 0, "changed": 3})
    trail.fill(4)
    run(ArchiveItems, "another night", **MONTH)
    with pytest.raises(AirflowFailException, match="gate_items_readback has judged another manifest"):
        run(DeleteItems, **MONTH)
    run(ArchiveItems, **MONTH)
    judge()
    with pytest.raises(AirflowSkipException, match="nobody has agreed to its deletion in this run, as it is now"):
        run(DeleteItems, **MONTH)
    assert len(trail.there()) == 4


def test_where_the_file_asks_nobody_it_goes_and_comes_back_once_it_is_held(trail: Trail) -> None:
    trail.fill(4)
    _write("false")
    run(ArchiveItems, **MONTH)
    judge()
    with pytest.raises(AirflowSkipException, match="asks nobody"):
        run(ApproveDelete, **MONTH)
    run(DeleteItems, **MONTH)
    _write("false, holds: [{from: 2024-01, because: an audit}]")
    assert run(RestoreItems, params=MONTH) == {"brought_back": 4, "there": 0, "kept": 0}
    assert len(trail.there()) == 4


def test_a_hold_that_is_written_while_a_month_is_deleted_stops_it_and_nobody_else_is_at_it(trail: Trail) -> None:
    trail.fill(4)
    _write("false")
    run(ArchiveItems, **MONTH)
    judge()
    with opened_items("trail") as archive:
        _write("false, holds: [{from: 2024-01, because: an audit}]")
        with pytest.raises(NotDeleted, match=r"is held by now: an audit\. Its deletion has stopped: .* restore_items"):
            archive.delete(MONTHS[0], print)
    assert len(trail.there()) == 4
    with alone_at_month("trail", MONTHS[0]):
        with pytest.raises(LockBusy, match=r"trail/2024-01: another run is at it"):
            run(RestoreItems, params=MONTH)
        _write("false")
        with pytest.raises(LockBusy, match="another run is at it"):
            run(DeleteItems, **MONTH)
    assert run(DeleteItems, **MONTH)["deleted"] == 4


def test_a_dry_run_changes_nothing_and_a_wrong_file_is_red_by_itself(trail: Trail) -> None:
    trail.fill(2)
    with pytest.raises(AirflowSkipException, match="A dry run: nothing was changed"):
        run(ListItemMonths, params={"dry_run": True}, items="trail")
    assert trail.objects() == []
    (project.ROOT / "include/estate/items/wrong.yaml").write_text("items: wrong\nmodel: tyler\nentity: config\n")
    assert run(ListItems) == ["trail", "wrong"]
    assert len(run(ListItemMonths, items="trail")) == 1
    with pytest.raises(
        EstateErrors, match=r"wrong\.yaml:1: the file: found neither of them, allowed: archive or expires"
    ):
        run(ListItemMonths, items="wrong")


def test_a_table_that_is_being_migrated_is_left_alone(trail: Trail, documents: Documents) -> None:
    trail.fill(2)
    migrations = project.ROOT / "include/estate/migrations"
    migrations.mkdir()
    (migrations / "audit.yaml").write_text(
        "migration: audit\nkind: single_table\nfrom: {store: tyler, table: audit}\ninto: {model: tyler, entity: audit}\n"
    )
    marks = ItemMarks(trail.client, "audit")
    marks.prepare()
    try:
        marks.create("capturing", {})
        for task in (ArchiveItems, DeleteItems):
            with pytest.raises(InFlight, match="is part of audit"):
                run(task, **MONTH)
        marks.move(marks.state(), "retired")
        assert run(ArchiveItems, **MONTH)["items"] == 2
    finally:
        documents.drop(marks.table)


def test_the_question_says_what_will_happen(trail: Trail) -> None:
    trail.fill(3)
    run(ArchiveItems, **MONTH)
    with items.opened_items("trail") as archive:
        month = archive.find(MONTHS[0])
        assert isinstance(archive, archiving.ItemArchive)
        told = items._shown(archive, month).body
    for word in (
        "**Records**: 3",
        month.round.folder,
        "what was changed since stays",
        "restore_items with items trail",
    ):
        assert word in told


def test_expiry_is_looked_at_by_the_file_that_asks_for_it(trail: Trail, documents: Documents) -> None:
    (project.ROOT / "include/estate/items/events.yaml").write_text(
        "items: events\nmodel: tyler\nentity: event\nexpires: {within: 31d}\n"
    )
    design = project.ROOT / "include/estate/tyler.yaml"
    table = documents.make("PK", "SK", name="events", ttl="ttl")
    design.write_text(design.read_text().replace("name: tyler-event", f"name: {table}"))
    key = {"PK": {"S": "LOGIN#2026-01-01#P000"}, "SK": {"S": "1700000000000#u#01J"}}
    trail.client.put_item(TableName=table, Item={**key, "ttl": {"S": "soon"}})
    try:
        assert (run(ListItems), run(ListExpiring)) == (["trail"], ["events"])
        assert run(ValidateExpiry, items="events") == {"records": 1}
        with opened_control("events", "a night") as control:
            facts = control.facts("expiry").facts
        assert (facts["no_number"], facts["expiry_off"]) == (1, 0)
    finally:
        documents.drop(table)
