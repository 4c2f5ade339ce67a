"""The four dashboards: whole, of metrics that there are, current in their files, and in the form that each reader takes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sluice.estate.insight import Disk
from sluice.insight.dashboards.cloudwatch import UNITS as CLOUDWATCH_UNITS
from sluice.insight.dashboards.cloudwatch import dashboard_body, dashboard_name
from sluice.insight.dashboards.grafana import UNITS as GRAFANA_UNITS
from sluice.insight.dashboards.grafana import dashboard_json
from sluice.insight.dashboards.lines import lines_of
from sluice.insight.dashboards.made import made_files, write_made_files
from sluice.insight.dashboards.panels import DASHBOARDS, Dashboard
from sluice.insight.dashboards.prometheus import exposition
from sluice.insight.health.levels import LAG_WITHOUT_FILE
from sluice.insight.health.rules import SHIPPED
from sluice.insight.health.unwatched import QUIET
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series
from sluice.upkeep.partitions.headroom import SOON, URGENT

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
AT = datetime(2024, 4, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize("path", made_files(), ids=str)
def test_made_files_are_up_to_date(path: Path) -> None:
    assert (ROOT / path).read_text() == made_files()[path], (
        "run PYTHONPATH=plugins python -m sluice.insight.dashboards.made"
    )


def test_the_command_writes_them_and_no_file_is_left_over(tmp_path: Path) -> None:
    write_made_files(tmp_path)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")} == set(made_files())
    assert {path.relative_to(ROOT) for path in (ROOT / "include/dashboards").rglob("*.*")} == set(made_files())


def test_there_are_the_four_of_the_documents() -> None:
    assert [one.name for one in DASHBOARDS] == ["database", "application", "infrastructure", "business"]


@EACH
def test_panels_show_metrics_that_are_measured(dashboard: Dashboard) -> None:
    assert set(dashboard.metrics) <= set(METRICS)
    assert len({panel.title for panel in dashboard.panels}) == len(dashboard.panels)
    for panel in dashboard.panels:
        assert bool(panel.metrics) != bool(panel.query) or panel.metrics == ("collector_age_seconds",), panel.title
        assert len({METRICS[metric].unit for metric in panel.metrics}) <= 1, f"{panel.title}: one axis for two units"


def test_what_is_wrong_stands_first_on_each_page_of_grafana() -> None:
    for dashboard in DASHBOARDS:
        first, *others = dashboard_json(dashboard)["panels"]
        assert (first["title"], first["gridPos"]["w"], first["gridPos"]["y"]) == ("What is wrong now", 24, 0)
        assert min(one["gridPos"]["y"] for one in others) == first["gridPos"]["h"]


def test_each_level_of_a_rule_is_a_line_where_its_metric_is_shown_and_there_are_no_others() -> None:
    told = yaml.safe_load((ROOT / SHIPPED).read_text())["rules"].values()
    named = {"disk_full_at": Disk().full_at, "replica_alert": LAG_WITHOUT_FILE}
    levels = {metric: set() for metric in METRICS}
    for rule in told:
        if rule.get("against") != "usual" and rule.get("under") != "replica_count":
            level = rule.get("over", rule.get("under"))
            levels[rule["metric"]].add((float(named.get(level, level)), rule["severity"], "over" in rule))
    levels["partition_headroom_days"] = {(URGENT, "P1", False), (SOON, "P2", False)}
    levels["collector_age_seconds"] = {(QUIET.total_seconds(), "P2", True)}
    panels = [panel for one in DASHBOARDS for panel in one.panels]
    assert sum(bool(lines_of(panel)) for panel in panels) > 20
    for panel in panels:
        drawn = {(line.level, line.severity, line.is_over) for line in lines_of(panel)}
        assert drawn == set().union(*(levels[metric] for metric in panel.metrics)), panel.title


def test_a_line_of_grafana_has_the_colour_of_what_lies_beyond_it() -> None:
    steps = {
        panel["title"]: [
            (one["color"], one["value"]) for one in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        ]
        for one in DASHBOARDS
        for panel in dashboard_json(one)["panels"]
        if "thresholds" in panel["fieldConfig"]["defaults"]
    }
    assert steps["Connections used"] == [("green", None), ("orange", 80), ("red", 95)]
    assert steps["For how long there are partitions"] == [("red", None), ("orange", 7), ("green", 28)]
    assert steps["Cache hits"] == [("yellow", None), ("green", 90)]


def test_every_unit_has_a_name_in_each() -> None:
    units = {metric.unit for metric in METRICS.values()}
    assert units <= set(GRAFANA_UNITS)
    assert units <= set(CLOUDWATCH_UNITS)


def test_what_the_documents_want_to_be_seen_is_on_a_page() -> None:
    shown = {metric for one in DASHBOARDS for metric in one.metrics}
    assert {
        "latency_p50_milliseconds", "latency_p95_milliseconds", "latency_p99_milliseconds", "transactions_rate", 
        "cache_hit_percent", "pool_servers_used_percent", "replica_lag_seconds", "slow_statements_count",
        "lock_waits_count", "deadlocks_rate",
        "dead_rows_percent", "bloat_percent", "cpu_percent", "memory_used_percent", "read_operations_rate",
        "network_received_bytes_rate", "fatal_sessions_rate", "disk_used_percent", "table_rows_count",
    } <= shown  # fmt: skip


# ---- Grafana ----

GRAFANA: dict[str, Any] = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time", "tags", "timezone"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "type", "title", "gridPos", "datasource", "targets", "fieldConfig", "options"],
                "properties": {
                    "id": {"type": "integer", "minimum": 1},
                    "type": {"enum": ["timeseries", "table"]},
                    "gridPos": {
                        "type": "object",
                        "required": ["h", "w", "x", "y"],
                        "properties": {"x": {"maximum": 23}, "w": {"minimum": 1, "maximum": 24}, "h": {"minimum": 1}},
                    },
                    "targets": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["refId", "datasource", "rawSql", "format", "rawQuery"],
                            "properties": {"format": {"enum": ["time_series", "table"]}, "rawQuery": {"const": True}},
                        },
                    },
                },
            },
        },
    },
}
"""What the classic model asks of the parts that are used here."""


@EACH
def test_grafana_gets_its_form_and_no_panel_lies_on_another(dashboard: Dashboard) -> None:
    made = dashboard_json(dashboard)
    jsonschema.Draft202012Validator(GRAFANA).validate(made)
    cells = [(x, y) for panel in made["panels"] for x, y in _cells(panel["gridPos"], "x", "y", "w", "h")]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in made["panels"]}) == len(dashboard.panels)


@EACH
def test_what_grafana_fills_in_is_what_it_knows(dashboard: Dashboard) -> None:
    made = dashboard_json(dashboard)
    known = {variable["name"] for variable in made["templating"]["list"]}
    for panel in made["panels"]:
        text = panel["targets"][0]["rawSql"]
        assert set(re.findall(r"\$\{(\w+)", json.dumps(panel))) <= known
        assert set(re.findall(r"\$__\w+", text)) <= {"$__timeFrom", "$__timeTo"}
        assert "%%" not in text, "doubled for the driver, and nobody halves it there"


def test_no_page_names_an_estate_or_a_place() -> None:
    text = json.dumps([dashboard_json(one) for one in DASHBOARDS])
    assert not re.search(r"certify|tyler|localhost|127\.0|arn:", text)


# ---- CloudWatch ----

SEARCH = r"^SEARCH\('\{[^}]+\} MetricName=\"\w+\"', 'Average', [0-9]+\)$"
CLOUDWATCH: dict[str, Any] = {
    "type": "object",
    "required": ["widgets"],
    "additionalProperties": False,
    "properties": {
        "start": {"type": "string", "pattern": "^-P"},
        "widgets": {
            "type": "array",
            "maxItems": 500,
            "items": {
                "type": "object",
                "required": ["type", "properties"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["metric", "text"]},
                    "x": {"type": "integer", "minimum": 0, "maximum": 23},
                    "y": {"type": "integer", "minimum": 0},
                    "width": {"type": "integer", "minimum": 1, "maximum": 24},
                    "height": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "properties": {"type": "object"},
                },
                "if": {"properties": {"type": {"const": "text"}}},
                "then": {"properties": {"properties": {"required": ["markdown"], "additionalProperties": False,
                                                       "properties": {"markdown": {"type": "string"}}}}},
                "else": {"properties": {"properties": {
                    "required": ["metrics", "region", "view"],
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": "string"},
                        "view": {"enum": ["timeSeries", "singleValue", "gauge", "bar", "pie"]},
                        "stacked": {"type": "boolean"},
                        "region": {"type": "string", "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$"},
                        "period": {"type": "integer", "multipleOf": 60},
                        "stat": {"type": "string"},
                        "annotations": {"type": "object", "required": ["horizontal"], "properties": {"horizontal": {
                            "type": "array", "items": {"type": "object", "required": ["value"]}}}},
                        "metrics": {"type": "array", "maxItems": 500, "items": {
                            "type": "array", "minItems": 1, "maxItems": 1,
                            "items": {"type": "object", "required": ["expression", "id"], "properties": {
                                "id": {"type": "string", "pattern": "^[a-z][A-Za-z0-9_]*$"},
                                "expression": {"type": "string", "pattern": SEARCH}}}}},
                    },
                }}},
            },
        },
    },
}  # fmt: skip
"""Dashboard Body Structure and Syntax, of CloudWatch's reference, for the parts that are used here."""


@EACH
def test_cloudwatch_gets_its_form_and_no_widget_lies_on_another(dashboard: Dashboard) -> None:
    made = dashboard_body(dashboard, "sample", "eu-west-1")
    jsonschema.Draft202012Validator(CLOUDWATCH).validate(made)
    cells = [cell for one in made["widgets"] for cell in _cells(one, "x", "y", "width", "height")]
    assert len(cells) == len(set(cells))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", dashboard_name("sample", dashboard))


def test_a_widget_searches_by_what_its_metric_is_of() -> None:
    text = json.dumps([dashboard_body(one, "sample", "eu-west-1") for one in DASHBOARDS])
    assert r"SEARCH('{Sluice/sample,Store} MetricName=\"cpu_percent\"', 'Average', 300)" in text
    assert r"SEARCH('{Sluice/sample,Store,Subject} MetricName=\"replica_lag_seconds\"', 'Average', 300)" in text


def _cells(place: dict[str, int], x: str, y: str, wide: str, tall: str) -> list[tuple[int, int]]:
    return [(place[x] + across, place[y] + down) for across in range(place[wide]) for down in range(place[tall])]


# ---- Prometheus ----

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
LINES = (
    r"# HELP [a-zA-Z_:][a-zA-Z0-9_:]* (?:[^\\\n]|\\[\\n])*",
    r"# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram|summary|untyped)",
    rf"[a-zA-Z_:][a-zA-Z0-9_:]*\{{{LABEL}(?:,{LABEL})*\}} [-+0-9.e]+",
)
"""The grammar of the text format, version 0.0.4, line by line."""
HOSTILE = 'a "b" \\ c\nd'


def test_prometheus_can_read_each_line_and_each_metric_has_its_help_and_type_before_it() -> None:
    latest = {
        Series("shop", metric, HOSTILE if METRICS[metric].of else ""): Sample(AT, n / 3)
        for n, metric in enumerate(METRICS)
    }
    text = exposition(latest | {Series("other", metric): Sample(AT, 1.5e18) for metric in METRICS}, AT)
    assert text.endswith("\n")
    lines = text.splitlines()
    assert [line for line in lines if not any(re.fullmatch(one, line) for one in LINES)] == []
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert heads == [f"sluice_{metric}" for metric in METRICS], "each once"
    assert len(lines) == 4 * len(METRICS)


def test_a_number_is_told_as_it_was_measured() -> None:
    text = exposition(
        {Series("shop", "table_bytes", HOSTILE): Sample(AT, 0.1), Series("shop", "of_another_version"): Sample(AT, 1)},
        AT,
    )
    assert text.splitlines()[2] == (r'sluice_table_bytes{store="shop",subject="a \"b\" \\ c\nd"} 0.10000000000000001')
    assert "another_version" not in text
    assert exposition({}, AT) == ""


def test_what_is_too_old_to_be_true_now_is_left_out() -> None:
    minute, hour = Series("shop", "cpu_percent"), Series("shop", "table_bytes", "app.orders")
    assert {METRICS[one.metric].often for one in (minute, hour)} == {"minute", "hour"}
    for minutes, told in ((5, 2), (6, 1), (120, 1), (121, 0)):
        text = exposition({minute: Sample(AT, 1.0), hour: Sample(AT, 1.0)}, AT + timedelta(minutes=minutes))
        assert text.replace("# TYPE sluice_collector", "").count("# TYPE") == told, minutes


def test_what_is_read_every_five_minutes_is_there_all_the_time() -> None:
    latency = Series("tyler", "latency_p99_milliseconds", "users")
    for minutes, told in ((9, True), (10, True), (11, False)):
        text = exposition({latency: Sample(AT, 1.0)}, AT + timedelta(minutes=minutes))
        assert ("sluice_latency_p99_milliseconds" in text) is told, minutes


def test_how_long_nobody_has_kept_numbers_of_a_store_is_told_for_as_long_as_it_lasts() -> None:
    latest = {
        Series("shop", "cpu_percent"): Sample(AT, 1.0),
        Series("shop", "table_bytes", "t"): Sample(AT - timedelta(days=1), 1.0),
    }
    text = exposition(latest, AT + timedelta(hours=5))
    assert text.splitlines()[-1] == 'sluice_collector_age_seconds{store="shop",subject=""} 18000'
