"""The archive of somebody's table, as they live it: a month goes with a yes, one stays with a no, and one comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sluice.local.waiting import wait_for

from tests.archived import months
from tests.e2e.driver import PATIENCE, Driver
from tests.e2e.screen import Screen

DAG, ASKS = "archive_retention", "each.approve_drop"
FILE = Path(__file__).parents[2] / "include/estate/datasets/e2e_event.yaml"
TEXT = """dataset: e2e_event
store: certify
table: app.event
partition: {range: at, every: month}
retention: {keep: 12 months, then: drop, cooling: 0s, tenant: tenant, approve: true}
"""


@pytest.fixture(autouse=True)
def event(driver: Driver) -> Iterator[None]:
    """A table with two old months, and its file."""
    driver.mover.execute("SET ROLE certify_owner")
    driver.mover.execute("CREATE SCHEMA IF NOT EXISTS app_partitions")
    for made in months():
        driver.mover.execute(made)
    driver.mover.execute("RESET ROLE")
    FILE.write_text(TEXT)
    yield
    FILE.unlink()
    driver.mover.execute("DROP TABLE app.event CASCADE")


def test_a_month_goes_with_a_yes_one_stays_with_a_no_and_comes_back(driver: Driver, screen: Screen, shot) -> None:
    before = content(driver)
    driver.api.fail_unfinished(DAG)  # last night's run, which Airflow begins by itself, may ask already
    run = driver.api.trigger(DAG)
    wait_for("both questions", lambda: len(driver.api.approvals(DAG, run)) == 2, seconds=PATIENCE)
    stays, goes = sorted(driver.api.approvals(DAG, run), key=lambda asked: asked.subject)
    assert "Drop app_partitions.event_y2024m01 of app.event?" in stays.subject
    for told in ("**Rows**: 50", "**Read back**: 50 rows", "archive/certify/app.event/20240201T000000Z--"):
        assert told in goes.body
    assert states(driver) == ["cooling", "cooling"] and content(driver) == []
    driver.api.answer(DAG, run, stays, "Reject")
    page = screen.page
    page.goto(f"/dags/{DAG}/runs/{run}/tasks/{ASKS}/mapped/{goes.map_index}/required_actions")
    page.get_by_role("button", name="Approve").wait_for()
    shot(page, "drop-a-month")
    page.get_by_role("button", name="Approve").click()
    assert driver.api.wait_run(DAG, run, seconds=PATIENCE) == "failed"
    red = [task for task in driver.api.tasks(DAG, run) if task.state == "failed"]
    assert [(task.task_id, task.label) for task in red] == [(ASKS, "app_partitions.event_y2024m01")]
    assert "admin rejected the drop" in driver.api.task_log(DAG, run, ASKS, red[0].map_index, red[0].tries)
    assert states(driver) == ["cooling", "dropped"]

    graph = screen.page
    graph.goto(f"/dags/{DAG}/runs/{run}/tasks/each.gate_archive_readback/mapped/{goes.map_index}/details")
    page = screen.follow_evidence()
    expect(page.get_by_role("heading", name="Gate archive_readback is green")).to_be_visible()

    for month in ("2024-01", "2024-02"):
        back = driver.api.trigger("restore_archive", {"dataset": "e2e_event", "month": month, "days": 3})
        assert driver.api.wait_run("restore_archive", back, seconds=PATIENCE) == "success"
    assert states(driver) == ["restored", "restored"]
    assert content(driver) == before and len(before) == 100


def content(driver: Driver) -> list[str]:
    """Every row of the table, as text."""
    return [row["text"] for row in driver.ask("SELECT e::text AS text FROM app.event e ORDER BY at, id")]


def states(driver: Driver) -> list[str]:
    """Where each month stands, the oldest first."""
    found = driver.ask("SELECT state FROM sluice_archive.month WHERE parent_name = 'event' ORDER BY lower_bound")
    return [row["state"] for row in found]
