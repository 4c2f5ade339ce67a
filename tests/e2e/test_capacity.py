"""The capacity report from Airflow's page: its window done by a backfill, its link clicked, its charts read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import expect
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.samples import Samples, Series, Span
from sluice.local import databases
from sluice.local.demo.insight.reading import mismatches
from sluice.local.environment import REGION
from sluice.local.machine import VAULT_BUCKET
from sluice.stores.objects import Vault, vault_client
from sluice.stores.postgres import connect

from tests.e2e.driver import Driver
from tests.e2e.screen import Screen

DAG = "capacity_report"
MONDAY = datetime(2025, 3, 10, 6, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def report(driver: Driver) -> tuple[str, dict]:
    """Ninety days of a disk, and the report of the week after them; gives its run and its JSON."""
    end = MONDAY + 7 * DAY
    with connect(driver.settings.dsn("sluice", databases.LEDGER), purpose="e2e") as c:
        days = [datetime.combine(end.date(), time(), UTC) - (90 - n) * DAY for n in range(90)]
        disk = Series("certify", "disk_used_bytes")
        Samples(c).prepare().record_spans("day", [(disk, Span(at, n, n, n, n, 24)) for n, at in enumerate(days, 10**9)])
        driver.fill(DAG, MONDAY, MONDAY)
        (run,) = driver.api.runs(DAG, MONDAY, MONDAY)
        assert run.state == "success"
        found = Forecasts(c).report_before(end.date() + DAY)
    key, secret = driver.settings.secrets["vault_key"], driver.settings.secrets["vault_secret"]
    assert found
    vault = Vault(vault_client(driver.settings.vault_url, key, secret, REGION), VAULT_BUCKET)
    return run.run_id, json.loads(vault.get(found.key))


def test_the_report_is_one_click_away_and_its_charts_say_what_its_json_says(
    report: tuple[str, dict], screen: Screen, shot
) -> None:
    run, told = report
    page = screen.page
    page.goto(f"/dags/{DAG}/runs/{run}/tasks/make_report/details")
    page.get_by_role("link", name="Evidence").click()
    page.wait_for_url("**/sluice/docs/capacity_report/**")
    expect(page.locator("#headline")).to_contain_text("Nothing says yet when anything will be full.")
    expect(page.locator("figure")).to_have_count(1)
    assert mismatches(page.content(), told) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "nothing is wider than the window"
    )
    assert page.locator("figure svg").bounding_box()["height"] > 100
    shot(page, "capacity")
