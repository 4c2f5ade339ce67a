"""The page of all that is measured is made from the list, and names each metric and each rule once where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from sluice.insight.health.rules import SHIPPED
from sluice.insight.metrics import LATE, METRICS, WANTED
from sluice.insight.reference import PAGE, metrics_page, write_page

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / PAGE).read_text() == metrics_page(), "run PYTHONPATH=plugins python -m sluice.insight.reference"


def test_the_command_writes_it(tmp_path: Path) -> None:
    write_page(tmp_path)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.md")] == [PAGE]


def test_each_metric_has_one_line_with_the_rules_that_judge_it() -> None:
    found = {
        row[0]: row for row in re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) \| (.+?) \| (.*?) \|$", metrics_page(), re.M)
    }
    assert list(sorted(found)) == sorted(METRICS)
    rules = yaml.safe_load((ROOT / SHIPPED).read_text())["rules"]
    told = {(metric, rule) for metric, row in found.items() for rule in re.findall(r"`(\w+)`", row[4])}
    assert told == {(rule["metric"], name) for name, rule in rules.items()}


def test_what_is_said_of_a_metric_is_said_of_one_that_there_is() -> None:
    assert {name for name, one in METRICS.items() if one.wanted != "always"} == WANTED.keys()
    assert {name for name, one in METRICS.items() if one.late} == LATE
