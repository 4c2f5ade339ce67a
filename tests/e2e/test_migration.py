"""One migration, from the trigger form to cutting back, as people live it. Each test takes up where the last one stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect
from sluice.local import databases, machine
from sluice.local.airflow_api import Refused
from sluice.local.certify import WorkloadProcess, verify

from tests.e2e.driver import DAG, MIGRATION, Driver
from tests.e2e.screen import Screen

APPROVE_CUTOVER = "cutover.approve_cutover"
FORM = [
    ("combobox", "Go to phase"),
    ("checkbox", "Dry run"),
    ("spinbutton", "Lanes"),
    ("spinbutton", "Rows a chunk"),
    ("spinbutton", "Rest"),
    ("checkbox", "Retire early"),
]


def test_the_form_starts_a_dry_run_that_changes_nothing(driver: Driver, screen: Screen, shot) -> None:
    before = driver.relations()
    form = screen.open_form()
    for control, name in FORM:
        expect(form.get_by_role(control, name=name)).to_be_attached()
    shot(screen.page, "trigger-form", height=1230)
    form.get_by_role("checkbox", name="Dry run").press("Space")
    form.get_by_role("button", name="Trigger").click()
    expect(form).to_be_hidden()

    run = driver.last_run()
    assert driver.finish(run) == "success"
    assert driver.tasks(run)["verify.diff_tables"].state == "skipped"
    told = driver.log(run, "preflight.plan_way")
    assert "steps of this run: expand, capture, backfill, verify" in told
    assert "CREATE TABLE" in told
    assert driver.relations() == before
    assert driver.phase == "planned"


def test_a_killed_lane_is_taken_up_again_and_no_write_is_lost(driver: Driver, screen: Screen, shot, tmp_path) -> None:
    application = driver.settings.dsn("certify", databases.APPLICATION)
    with WorkloadProcess(application, tmp_path / "acknowledged.jsonl", rate=50) as app:
        run = driver.start("verified", lanes=2, chunk_rows=100, throttle=0.9)
        driver.kill_lane(run, 0)
        assert driver.finish(run) == "success"
    lanes = {task.map_index: task for task in driver.api.tasks(DAG, run) if task.task_id == "backfill.copy_lane"}
    assert [lanes[0].tries, lanes[1].tries] == [2, 1]
    assert driver.phase == "verified"
    assert verify(driver.mover, app.acknowledged).ok
    assert driver.kind.diff().clean
    graph = screen.open_graph(run, "verify")
    for node in (
        "preflight",
        "expand",
        "capture",
        "backfill",
        "diff_tables",
        "gate_verified",
        "shadow",
        "cutover",
        "retire",
    ):
        expect(graph.locator(".react-flow__node").get_by_text(node, exact=True)).to_be_visible()
    shot(graph, "graph", height=640, click="Fit View")


def test_a_window_filled_again_gives_the_same_rows_and_hash(driver: Driver) -> None:
    dag_id, [first, last] = f"backfill_window__{MIGRATION}", _months_ago(5, 3)
    driver.api.wait_backfill(dag_id, driver.api.create_backfill(dag_id, first, last, "completed"), seconds=300)
    _dig_a_hole(driver, first)
    driver.fill(dag_id, first, last)
    assert [run.state for run in driver.api.runs(dag_id, first, last)] == ["success"] * 3
    windows = driver.windows()
    assert [window["filled"] for window in windows] == [1, 0, 0]
    assert all(window["rows"] > 100 and window["hash"] == window["hash_before"] for window in windows)


def test_a_red_gate_stops_the_way_to_the_cutover_and_names_the_row(driver: Driver, screen: Screen, shot) -> None:
    with _tampered(driver) as key:
        run = driver.start("cut_over")
        assert driver.finish(run) == "failed"
    tasks = driver.tasks(run)
    assert (tasks["verify.gate_verified"].state, tasks["verify.gate_verified"].tries) == ("failed", 1)
    assert tasks[APPROVE_CUTOVER].state == "upstream_failed"
    assert driver.phase == "verified"

    shot(screen.open_task(run, "verify.gate_verified", "/details"), "red-gate")
    page = screen.follow_evidence()
    expect(page.get_by_role("heading", name="Gate verified is red")).to_be_visible()
    expect(page.get_by_text(f"{key} different in note").first).to_be_visible()
    expect(page.get_by_text("✔ intact")).to_be_visible()
    shot(page, "evidence")
    page.get_by_role("link", name="Data docs of this run").click()
    expect(page.get_by_text("rows_different").first).to_be_visible()
    shot(page, "data-docs")


def test_a_viewer_cannot_approve_and_a_rejected_cutover_fails_loudly_while_capture_goes_on(
    driver: Driver, screen: Screen, viewers_screen: Screen, shot
) -> None:
    run = driver.start("cut_over")
    question = driver.asked(run)
    for told in (
        "Shadow read",
        "0 statements answered otherwise",
        "shadowing green",
        "rows compared",
        "0 missing, 0 extra, 0 different",
        "Lag",
        "at most 50 ms",
        "(/sluice/evidence/",
    ):
        assert told in question.body
    with pytest.raises(Refused) as refusal:
        machine.api(driver.settings, "viewer").answer(DAG, run, question, "Approve")
    assert refusal.value.status == 403
    theirs = viewers_screen.follow_question(f"cut_over of {MIGRATION}?")
    with theirs.expect_response(lambda answer: answer.request.method == "PATCH") as refused:
        theirs.get_by_role("button", name="Approve").click()
    assert (refused.value.status, driver.answers()) == (403, [])
    shot(screen.open_question(run, APPROVE_CUTOVER), "approval", height=1300)

    driver.api.answer(DAG, run, question, "Reject")
    assert driver.finish(run) == "failed"
    assert "admin rejected cut_over of user_sessions" in driver.log(run, APPROVE_CUTOVER)
    assert driver.answers() == [("cut_over", "Reject", "admin")]
    assert driver.phase == "shadowing"
    _write(driver, "after the no")
    assert driver.kind.diff().clean


def test_an_approval_from_the_consoles_link_cuts_over_and_cutting_back_keeps_the_writes_since(
    driver: Driver, screen: Screen
) -> None:
    run = driver.start("cut_over")
    driver.asked(run)
    page = screen.follow_question(f"cut_over of {MIGRATION}?")
    page.wait_for_timeout(2_000)  # a person reads; an answer within a second of the question can fail its task
    page.get_by_role("button", name="Approve").click()
    assert driver.finish(run) == "success"
    assert (driver.phase, _is_partitioned(driver)) == ("cut_over", True)
    assert driver.answers()[-1] == ("cut_over", "Approve", "admin")

    key = _write(driver, "after the cutover")
    assert driver.finish(driver.start("verified")) == "success"
    assert (driver.phase, _is_partitioned(driver)) == ("verified", False)
    assert driver.ask("SELECT note FROM app.user_sessions WHERE id = %(key)s", key=key) == [
        {"note": "after the cutover"}
    ]
    assert driver.kind.diff().clean


def _months_ago(*counts: int) -> list[datetime]:
    """Give the starts of the months that lie so many months back."""
    now = datetime.now(UTC)
    months = [now.year * 12 + now.month - 1 - count for count in counts]
    return [datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in months]


def _dig_a_hole(driver: Driver, month: datetime) -> None:
    """Lose a row of the copy, as no capture would."""
    dug = driver.mover.execute(
        "DELETE FROM app.user_sessions_by_month WHERE id ="
        " (SELECT min(id) FROM app.user_sessions WHERE started_at >= %s AND started_at < %s + interval '1 month')",
        (month, month),
    )
    assert dug.rowcount == 1


@contextmanager
def _tampered(driver: Driver) -> Iterator[int]:
    """Change one row of the copy, and give its key; mended afterwards."""
    [row] = driver.ask("SELECT id, note FROM app.user_sessions_by_month ORDER BY id DESC LIMIT 1")
    change = "UPDATE app.user_sessions_by_month SET note = %s WHERE id = %s"
    driver.mover.execute(change, ("tampered with", row["id"]))
    yield row["id"]
    driver.mover.execute(change, (row["note"], row["id"]))


def _write(driver: Driver, note: str) -> int:
    """Write to the live table, whichever that is; give the key."""
    [row] = driver.ask(
        "UPDATE app.user_sessions SET note = %(note)s WHERE id = (SELECT max(id) FROM app.user_sessions) RETURNING id",
        note=note,
    )
    return int(row["id"])


def _is_partitioned(driver: Driver) -> bool:
    [row] = driver.ask("SELECT relkind::text FROM pg_class WHERE oid = 'app.user_sessions'::regclass")
    return bool(row["relkind"] == "p")
