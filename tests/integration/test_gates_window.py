"""Gates over a live table: what they see, what they must not call clean, and that they leave nothing open."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sluice.local.certify.seed import seed
from sluice.proof.gates.run import Judged, judge
from sluice.proof.gates.window import WindowSubject, guarded
from sluice.stores.postgres import StoreDown, Table, connect

ROOT = Path(__file__).parents[2]
AUDIT = ("audit_log", "performed_at", ("id", "performed_at"))
UNTIDY = {
    "type": "expect_column_values_to_not_match_regex", "kwargs": {"column": "note", "regex": "untidy"},
    "severity": "critical", "description": "is tidy",
}  # fmt: skip


@pytest.fixture
def mover(database):
    with connect(database.dsn(), purpose="test") as connection:
        seed(connection, rows=6000, months=3, report=lambda line: None)
        yield connection


def subject(database, table="user_sessions", column="started_at", key=("id", "started_at"), role="sluice_mover"):
    dsn = database.dsn(role)
    return WindowSubject(lambda purpose: connect(dsn, purpose=purpose), Table("app", table), column, key)


def judged(mover, window: WindowSubject, *suites: str, root: Path = ROOT) -> Judged:
    now = mover.execute("SELECT now() AS now").fetchone()["now"]
    return judge(
        "verified", {}, subject=str(window.table), suites=suites, window=window, freshness=timedelta(minutes=1),
        now=now, facts_at=now, root=root,
    )  # fmt: skip


def suite(folder: Path, *expectations: dict, **meta: object) -> Path:
    (folder / "expectations").mkdir()
    over = {"over": "window", "days": 31, "rows_at_most": 200000, **meta}
    text = json.dumps({"name": "rules", "meta": {"sluice": over}, "expectations": expectations})
    (folder / "expectations" / "rules.json").write_text(text)
    return folder


def test_the_sample_is_green_and_its_dirt_only_warns(mover, database) -> None:
    sessions = judged(mover, subject(database), "session_rules").verdict
    assert sessions.passed, sessions.describe()
    assert 1500 < sessions.compared < 6000  # a month of three
    [dirt] = [check for check in sessions.checks if check.state == "warning"]
    assert dirt.sample_rows[0].keys() == {
        "id",
        "started_at",
        "note",
    }  # keys and the column itself, nothing else
    assert 1 <= len(dirt.sample_rows) <= 20
    audit = judged(mover, subject(database, *AUDIT), "audit_rules").verdict
    assert audit.passed, audit.describe()


def test_one_bad_row_turns_it_red_and_is_named(mover, database) -> None:
    mover.execute("ALTER TABLE app.user_sessions ALTER tenant_id DROP NOT NULL")
    [bad] = mover.execute(
        "UPDATE app.user_sessions SET tenant_id = NULL"
        " WHERE id = (SELECT id FROM app.user_sessions ORDER BY started_at DESC LIMIT 1) RETURNING id"
    ).fetchall()
    verdict = judged(mover, subject(database), "session_rules").verdict
    assert not verdict.passed
    [check] = [check for check in verdict.checks if check.state == "failed"]
    assert check.name == "tenant_id: is set"
    assert [row["id"] for row in check.sample_rows] == [bad["id"]]
    assert f"id={bad['id']}" in verdict.describe()


@pytest.mark.parametrize("far", ["now() + interval '40 days'", "'infinity'"])
def test_a_row_of_the_future_is_found_and_does_not_push_the_others_out(mover, database, far) -> None:
    before = judged(mover, subject(database), "session_rules").verdict.compared
    mover.execute(
        f"INSERT INTO app.user_sessions (tenant_id, user_id, started_at) VALUES ('t', gen_random_uuid(), {far})"
    )
    verdict = judged(mover, subject(database), "session_rules").verdict
    assert verdict.compared == before
    [check] = [check for check in verdict.checks if check.blocks]
    assert check.observed == "1 rows ahead"
    assert [row["id"] for row in check.sample_rows] == ["6001"]


def test_a_query_that_breaks_is_an_error_and_no_failure(mover, database, tmp_path) -> None:
    broken = {**UNTIDY, "kwargs": {"column": "note", "regex": "("}, "severity": "warning"}
    verdict = judged(mover, subject(database), "rules", root=suite(tmp_path, UNTIDY, broken)).verdict
    assert not verdict.passed
    assert [check.state for check in verdict.checks] == ["passed", "error", "passed"]
    assert "parentheses" in verdict.checks[1].error


def test_a_role_that_policies_filter_gets_an_error_and_no_empty_green(mover, database) -> None:
    verdict = judged(mover, subject(database, role="certify_app"), "session_rules").verdict
    assert not verdict.passed
    assert verdict.compared == 0
    assert "row-level security" in verdict.checks[0].error


@pytest.mark.parametrize(
    "emptied", ["DELETE FROM app.user_sessions", "UPDATE app.user_sessions SET started_at = 'infinity'"]
)
def test_an_empty_window_is_red(mover, database, tmp_path, emptied) -> None:
    mover.execute(emptied)
    verdict = judged(mover, subject(database), "rules", root=suite(tmp_path, UNTIDY, rows_at_least=0)).verdict
    assert not verdict.passed
    assert verdict.compared == 0


@pytest.mark.parametrize(("least", "passed"), [(250, True), (251, False)])
def test_the_limit_and_the_floor(mover, database, tmp_path, least, passed) -> None:
    root = suite(tmp_path, UNTIDY, rows_at_most=250, rows_at_least=least)
    verdict = judged(mover, subject(database), "rules", root=root).verdict
    assert verdict.compared == 250
    assert verdict.passed is passed


def test_names_that_need_quotes(mover, database, tmp_path) -> None:
    mover.execute(
        'CREATE TABLE app."My ""Table" AS SELECT id AS "the id", started_at AS "At", note FROM app.user_sessions'
    )
    window = subject(database, 'My "Table', "At", ("the id", "At"))
    verdict = judged(mover, window, "rules", root=suite(tmp_path, UNTIDY, ahead_at_most_days=1)).verdict
    assert verdict.passed, verdict.describe()


def test_its_session_cannot_write_and_none_is_left_open(mover, database) -> None:
    with guarded(subject(database)) as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.execute("DELETE FROM app.user_sessions")
    judged(mover, subject(database), "session_rules")
    open_sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'sluice:gate'"
    assert mover.execute(open_sessions).fetchone()["n"] == 0


def test_a_database_out_of_reach_raises_to_be_tried_again(mover, database) -> None:
    nowhere = "host=127.0.0.1 port=1 dbname=x user=x"
    window = WindowSubject(lambda p: connect(nowhere, purpose=p), Table("app", "user_sessions"), "started_at", ("id",))
    with pytest.raises(StoreDown):
        judged(mover, window, "session_rules")
