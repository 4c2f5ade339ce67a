"""The rules of the demo of the capacity report: a promise whose evidence is missing is one that was not kept."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sluice.estate.read import ESTATE_FILE, read_stores
from sluice.local.demo.insight.laying import stores_added
from sluice.local.demo.insight.report import as_table, judged
from sluice.local.demo.insight.year import DAYS, EVENTS, LEDGER, SHOP, hours, year
from sluice.local.demo.options import USUAL

from tests.samples import copy_estate

SCORE = {"ahead": 7, "count": 400, "held": 0.8, "low": 0.7, "high": 0.9, "loss": 0.01}
GOOD: dict[str, Any] = {
    "asked": 16,
    "reports": 16,
    "days": 22_000,
    "until": "2026-03-02",
    "headline": "demo_shop is 85 % full between 1 May and 1 June, most likely on 20 May.",
    "charts": 5,
    "differing": [],
    "same_again": True,
    "scripts": 0,
    "addresses": [],
    "tables": 50,
    "drops": 9,
    "without_a_limit": [LEDGER],
    "foreseen": [SHOP, LEDGER, EVENTS],
    "young": ["5 days were measured."],
    "scores": [{**SCORE, "ahead": ahead} for ahead in (7, 30, 90)],
    "cost": {"now": (500.0, 600.0), "later": (550.0, 700.0)},
    "savings": 1,
    "browser": "/usr/bin/chromium",
    "pictures": dict.fromkeys(("light", "dark", "narrow"), 300_000),
    "folder": "/somewhere/insight",
    "minutes": 4.0,
}
BROKEN = {
    "each week has its report": {"reports": 15},
    "each week has its report (none asked)": {"asked": 0, "reports": 0},
    "text, charts and JSON say the same": {"differing": ["the text says 5 GB, the chart 6"]},
    "text, charts and JSON say the same (no chart)": {"charts": 0},
    "every store has its charts": {"charts": 4},
    "the same window gives the same report": {"same_again": False},
    "no script, not even in a name": {"scripts": 1},
    "the page asks nobody for anything": {"addresses": ["https://fonts.example"]},
    "every store is foreseen": {"foreseen": [SHOP, LEDGER]},
    "what was archived is marked": {"drops": 0},
    "a disk of unknown size has no limit": {"without_a_limit": []},
    "a disk of unknown size has no limit (nor the other)": {"without_a_limit": [SHOP, LEDGER]},
    "five days are no forecast": {"young": []},
    "five days are no forecast (nothing said)": {"young": [""]},
    "earlier forecasts are scored": {"scores": GOOD["scores"][:2]},
    "earlier forecasts are scored (of nothing)": {"scores": [{**one, "count": 0} for one in GOOD["scores"]]},
    "what it costs is told": {"cost": {"now": (500.0, 600.0), "later": None}},
    "what it costs is told (nothing)": {"cost": {"now": (0.0, 0.0), "later": (0.0, 0.0)}},
    "Chromium took its pictures": {"pictures": {"light": 300_000}},
    "Chromium took its pictures (an empty one)": {"pictures": {**GOOD["pictures"], "dark": 900}},
}


def test_a_report_that_keeps_every_promise_is_good_and_is_told() -> None:
    assert judged(GOOD) == []
    assert judged({**GOOD, "browser": None, "pictures": {}}) == []
    assert judged({**GOOD, "asked": 3, "reports": 3, "scores": [SCORE]}) == []
    told = as_table(GOOD)
    assert "demo_shop is 85 % full" in told and "80 % of 400" in told
    assert "install Chromium" in as_table({**GOOD, "browser": None})


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(promise: str) -> None:
    named = judged({**deepcopy(GOOD), **BROKEN[promise]})
    assert any(one.startswith(promise.split(" (")[0]) for one in named), named


def test_the_usual_demo_is_long_enough_to_score_all() -> None:
    assert USUAL["insight"]["size"] >= 14


def test_the_same_seed_gives_the_same_year_of_whole_days_before_a_day() -> None:
    until = date(2026, 3, 2)
    made = list(year(until))
    assert made == list(year(until))
    assert {series.store for series, _ in made} == {SHOP, EVENTS, LEDGER}
    days = {one.at.date() for _, one in made}
    assert len(days) == DAYS and max(days) < until
    assert all(one.lowest <= one.mean <= one.highest for _, one in [*made, *hours(until)])
    assert all(one.at.date() < until for _, one in hours(until))


def test_the_stores_are_in_the_estate_for_as_long_as_the_demo_lasts(tmp_path: Path) -> None:
    copy_estate(tmp_path)
    file = tmp_path / ESTATE_FILE
    before = file.read_text()
    with stores_added(False, tmp_path):
        assert {SHOP, EVENTS, LEDGER} < set(read_stores(tmp_path).stores)
    assert file.read_text() == before
    with stores_added(True, tmp_path):
        during = file.read_text()
    assert file.read_text() == during != before
    with stores_added(False, tmp_path):
        pass
    assert file.read_text() == during, "they were there before"


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    copy_estate(tmp_path)
    file = tmp_path / ESTATE_FILE
    with stores_added(False, tmp_path):
        file.write_text(changed := file.read_text() + "# a note\n")
    assert file.read_text() == changed
