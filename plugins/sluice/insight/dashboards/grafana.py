"""A dashboard as Grafana imports it: the classic model, panels over the ledger's own database. Pure.

Where the ledger is, and which stores are shown, is chosen on the page: nothing of an estate stands in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.estate.severity import Severity
from sluice.insight.dashboards.lines import lines_of
from sluice.insight.dashboards.panels import DASHBOARDS, Dashboard, Line, Panel
from sluice.insight.dashboards.queries import query_of, stores_query
from sluice.insight.metrics import METRICS

SCHEMA = 41
"""The version of the model, of Grafana 12; newer ones bring it up by themselves."""
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "${ledger}"}
WIDE, TALL, ACROSS = 12, 8, 2
UNITS: Mapping[str, str] = {
    "percent": "percent",
    "seconds": "s",
    "milliseconds": "ms",
    "bytes": "bytes",
    "rate": "cps",
    "days": "d",
    "count": "short",
}
"""Grafana's names of what metrics end in."""
OPTIONS = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
WELL = "green"
COLOURS: Mapping[Severity, str] = {"P1": "red", "P2": "orange", "P3": "yellow", "P4": "yellow"}


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """Make it."""
    return {
        "uid": f"sluice-{dashboard.name}",
        "title": f"Sluice: {dashboard.title}",
        "description": dashboard.told,
        "tags": ["sluice"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [_link(one) for one in DASHBOARDS if one is not dashboard],
        "panels": [_panel(panel, number) for number, panel in enumerate(dashboard.panels)],
    }


def _variables() -> list[dict[str, Any]]:
    chosen = {"text": ["All"], "value": ["$__all"]}
    return [
        {"name": "ledger", "label": "Ledger", "type": "datasource", "query": SOURCE["type"], "refresh": 1},
        {
            "name": "store", "label": "Store", "type": "query", "datasource": SOURCE, "query": stores_query(), "refresh": 2,
            "multi": True, "includeAll": True, "current": chosen, "sort": 1,
        },
    ]  # fmt: skip


def _link(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "type": "link", "title": dashboard.title, "url": f"/d/sluice-{dashboard.name}", "includeVars": True, "keepTime": True,
    }  # fmt: skip


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    place = _place(number)
    target = {
        "refId": "A", "datasource": SOURCE, "rawQuery": True, "editorMode": "code", "rawSql": query_of(panel),
        "format": "table" if panel.table else "time_series",
    }  # fmt: skip
    return {
        "id": number + 1, "type": "table" if panel.table else "timeseries", "title": panel.title, "gridPos": place,
        "description": "\n".join(f"{METRICS[metric].name}: {METRICS[metric].told}" for metric in panel.metrics),
        "datasource": SOURCE, "targets": [target], "options": {} if panel.table else OPTIONS,
        "fieldConfig": {"defaults": {} if panel.table else _field(panel), "overrides": []},
    }  # fmt: skip


def _place(number: int) -> dict[str, int]:
    """The first is as wide as the page, the others are two in a row below it."""
    if number == 0:
        return {"h": TALL, "w": WIDE * ACROSS, "x": 0, "y": 0}
    return {"h": TALL, "w": WIDE, "x": (number - 1) % ACROSS * WIDE, "y": ((number - 1) // ACROSS + 1) * TALL}


def _field(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"drawStyle": "line", "spanNulls": False, "showPoints": "never", "lineWidth": 1}
    found: dict[str, Any] = {"unit": panel.unit or unit_of(panel), "custom": custom}
    if lines := lines_of(panel):
        found["thresholds"] = {"mode": "absolute", "steps": _steps(lines)}
        custom["thresholdsStyle"] = {"mode": "line"}
    return found


def _steps(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Colour what lies from each level on: above the last one that is not to be passed, or below the first, it is worst."""
    over = [(line.level, COLOURS[line.severity]) for line in lines if line.is_over]
    under = [line for line in lines if not line.is_over]
    below = [COLOURS[line.severity] for line in under] + [WELL]
    steps = [(None, below[0]), *zip((line.level for line in under), below[1:], strict=True), *over]
    return [{"color": colour, "value": level} for level, colour in steps]


def unit_of(panel: Panel) -> str:
    """Give Grafana's name of what a panel's metrics are in. Raises KeyError for a unit that it has no name of."""
    return UNITS[METRICS[panel.metrics[0]].unit]
