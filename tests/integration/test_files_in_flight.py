"""What people do to the files of a migration that is under way: a second one for its table, one that is moved or broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from sluice.errors import Terminal
from sluice.flow import connections, project
from sluice.flow.steps import PlanWay
from sluice.local import abort, databases
from sluice.migration.engine.contract import Phase
from sluice.migration.engine.steps import PreflightRefused

from tests.integration.moved import PLAIN, Moved

ROOT = Path(__file__).parents[2]
TABLE = ("CREATE TABLE app.thing (id int PRIMARY KEY)", "GRANT ALL ON app.thing TO certify_app")
FILE = "migration: {name}\nfrom: {{store: certify, table: app.thing}}\ninto: {{table: app.{name}_new}}\n"


@pytest.fixture
def moved(moving: Callable[..., Moved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moved:
    """`app.thing` on its way, its file in a project of its own, and Airflow's connections to it."""
    made = moving(PLAIN, *TABLE)
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    estate = (ROOT / "include/estate/estate.yaml").read_text()
    (tmp_path / "include/estate/estate.yaml").write_text(estate)
    for module in (project, connections):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, role in {"PG_CERTIFY": databases.MOVER, "SLUICE_LEDGER": databases.LEDGER}.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", _connection(made.database.dsn(role)))
    monkeypatch.setattr(abort, "use_connections", lambda: None)
    _write("thing")
    return made


def _connection(dsn: str) -> str:
    told = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return json.dumps({"conn_type": "postgres", **{names[key]: told[key] for key in names}})


def _write(name: str, text: str = FILE) -> Path:
    path = project.ROOT / f"include/estate/migrations/{name}.yaml"
    path.write_text(text.format(name=name))
    return path


def _plan(name: str, to_phase: str = "verified") -> dict[str, Any]:
    """What the first task of a run finds."""
    left: dict[str, Any] = {}
    context = {
        "params": {"to_phase": to_phase, "dry_run": True},
        "run_id": f"test of {name}",
        "dag_run": SimpleNamespace(conf={}),
        "dag": SimpleNamespace(tasks=[], params={}),
        "ti": SimpleNamespace(xcom_push=lambda key, value: left.update(value)),
    }
    PlanWay(task_id="plan_way", migration=name).execute(context)
    return left


def test_a_newcomer_is_refused_by_name_and_who_is_under_way_goes_on(moved):
    assert _plan("thing")["phase"] == "planned"
    moved.to(Phase.CAPTURING)
    _write("again")
    with pytest.raises(PreflightRefused, match=r"migrations/again\.yaml:2: .*migrations/thing\.yaml:2"):
        _plan("again")
    assert _plan("thing")["phase"] == "capturing"


def test_of_two_files_that_both_have_yet_to_begin_neither_does(moved):
    _write("again")
    for name in ("thing", "again"):
        with pytest.raises(PreflightRefused, match="claimed_twice"):
            _plan(name)
    assert _plan("thing", "planned")["phase"] == "planned", "nothing would begin"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("migration: thing\nfrom: {")])
def test_a_file_that_is_gone_or_broken_keeps_nobody_from_aborting(moved, spoil):
    moved.to(Phase.CAPTURING)
    spoil(_write("thing"))
    said = abort.abort_migration("thing")
    assert "thing is planned again" in said
    assert "by its marks in store certify" in said
    assert moved.kind().position().phase is Phase.PLANNED


def test_the_ledger_knows_of_an_abort_at_once_and_one_that_is_down_stops_none(moved, monkeypatch):
    def standing() -> str:
        with connections.opened_control("thing", "test") as control:
            return control.phase()

    moved.to(Phase.CAPTURING)
    _plan("thing")
    assert standing() == "capturing"
    assert "could not be told" not in abort.abort_migration("thing")
    assert standing() == "planned"
    moved.to(Phase.CAPTURING)
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", _connection("postgresql://nobody:none@127.0.0.1:1/none"))
    assert "the ledger learns it with the next run" in abort.abort_migration("thing")
    assert moved.kind().position().phase is Phase.PLANNED


def test_who_cannot_be_found_is_told_whom_there_is_and_what_to_type(moved):
    moved.to(Phase.CAPTURING)
    with pytest.raises(Terminal) as told:
        abort.abort_migration("thin")
    for part in (
        "no store has marks of it",
        "migrations/thin.yaml",
        "thing (capturing, in store certify)",
        "SELECT sluice.abort('thin')",
    ):
        assert part in str(told.value)
    assert moved.kind().position().phase is Phase.CAPTURING


def test_a_store_that_does_not_answer_is_named(moved, monkeypatch):
    _write("thing").unlink()
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", _connection("postgresql://nobody:none@127.0.0.1:1/none"))
    with pytest.raises(Terminal, match="not asked: certify: PostgreSQL at 127"):
        abort.abort_migration("thing")


def test_a_broken_estate_leaves_the_statement_for_psql(moved):
    (project.ROOT / "include/estate/estate.yaml").write_text("stores: {")
    with pytest.raises(Terminal, match=r"estate\.yaml:1.*\n(.*\n)*.*SELECT sluice\.abort\('thing'\)"):
        abort.abort_migration("thing")


def test_what_is_cut_over_is_not_aborted_without_its_file_either(moved):
    moved.to(Phase.CUT_OVER)
    _write("thing").unlink()
    with pytest.raises(Terminal, match="Cut back first"):
        abort.abort_migration("thing")


@pytest.mark.parametrize("phase", [Phase.EXPANDED, Phase.CAPTURING, Phase.VERIFIED])
def test_abort_in_psql_says_what_it_did_and_nothing_else(moved, phase):
    moved.to(phase)
    heard: list[str] = []
    with moved.session(databases.MOVER) as c:
        c.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
        c.execute("SELECT sluice.abort('thing')")
    assert heard == []
    assert moved.ask("SELECT proname FROM pg_proc WHERE proname LIKE '%\\_\\_thing'") == []
