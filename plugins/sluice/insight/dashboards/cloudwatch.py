"""The dashboards and the numbers in CloudWatch: the body that PutDashboard takes, and batches that PutMetricData takes.

Numbers go under `Sluice/<estate>`, by Store, and by Subject where one is measured. Widgets search by that: a store that comes
later is on the page without another word. CloudWatch asks the ledger nothing: what no metric says is not on its pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.insight.dashboards.lines import lines_of
from sluice.insight.dashboards.panels import DASHBOARDS, Dashboard, Panel, of_what
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series
from sluice.stores.aws import code_of, is_outage

MOST_NUMBERS = 1000
"""How many one call of PutMetricData takes."""
WIDE, TALL, GRID = 12, 6, 24
PERIOD = 300
"""Seconds."""
UNITS: Mapping[str, str] = {
    "percent": "Percent",
    "seconds": "Seconds",
    "milliseconds": "Milliseconds",
    "bytes": "Bytes",
    "count": "Count",
    "rate": "Count/Second",
    "days": "None",
}
"""CloudWatch's names of what metrics end in."""


class CloudWatchDown(Transient):
    """CloudWatch could not be reached, asked for patience, or failed inside."""


class CloudWatchRefused(Terminal):
    """CloudWatch refuses the request, or these credentials."""


@dataclass(frozen=True)
class Published:
    """What was given to CloudWatch."""

    numbers: int
    left_out: int
    """Numbers of metrics that are on no list: another version's."""


def namespace_of(estate: str) -> str:
    """Name where an estate's numbers are."""
    return f"Sluice/{estate}"


def dashboard_name(estate: str, dashboard: Dashboard) -> str:
    """Name a dashboard of an estate, in the letters that CloudWatch takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"Sluice-{estate}-{dashboard.name}")


def dashboard_body(dashboard: Dashboard, estate: str, region: str) -> dict[str, Any]:
    """Make the body of a dashboard. Pure."""
    told = f"# {dashboard.title} of {estate}\n{dashboard.told} Written by Sluice: a change made here is lost."
    head = {"type": "text", "x": 0, "y": 0, "width": GRID, "height": 2, "properties": {"markdown": told}}
    shown = [panel for panel in dashboard.panels if panel.metrics]
    return {"start": "-PT6H", "widgets": [head, *(_widget(one, n, estate, region) for n, one in enumerate(shown))]}


def _widget(panel: Panel, number: int, estate: str, region: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": panel.title, "view": "timeSeries", "stacked": False, "region": region, "period": PERIOD, "stat": "Average",
        "metrics": [[search] for search in _searches(panel, estate)],
    }  # fmt: skip
    if lines := lines_of(panel):
        properties["annotations"] = {"horizontal": [{"label": one.told, "value": one.level} for one in lines]}
    place = {"x": number % 2 * WIDE, "y": 2 + number // 2 * TALL, "width": WIDE, "height": TALL}
    return {"type": "metric", **place, "properties": properties}


def _searches(panel: Panel, estate: str) -> Iterator[dict[str, str]]:
    for number, metric in enumerate(panel.metrics, 1):
        dimensions = "Store,Subject" if of_what(metric) else "Store"
        search = f'{{{namespace_of(estate)},{dimensions}}} MetricName="{metric}"'
        yield {"id": f"e{number}", "expression": f"SEARCH('{search}', 'Average', {PERIOD})"}


def put_dashboards(client: Any, estate: str, region: str) -> list[str]:
    """Put every dashboard; give their names. Again is the same. Raises CloudWatchDown, CloudWatchRefused.

    `client` is boto3's for `cloudwatch`.
    """
    names = []
    for dashboard in DASHBOARDS:
        name, body = dashboard_name(estate, dashboard), json.dumps(dashboard_body(dashboard, estate, region))
        said = _asked(client.put_dashboard, f"put dashboard {name}", DashboardName=name, DashboardBody=body)
        if messages := said.get("DashboardValidationMessages"):
            raise CloudWatchRefused(
                f"Dashboard {name} was put, with mistakes: {messages}. Mend insight/dashboards/panels.py."
            )
        names.append(name)
    return names


def publish(client: Any, estate: str, latest: Mapping[Series, Sample]) -> Published:
    """Put the last number of each series, with its own time. Again is the same mean. Raises CloudWatchDown, CloudWatchRefused."""
    known = {series: sample for series, sample in latest.items() if series.metric in METRICS}
    data = [_datum(series, known[series]) for series in sorted(known)]
    for begin in range(0, len(data), MOST_NUMBERS):
        _asked(
            client.put_metric_data,
            "put numbers",
            Namespace=namespace_of(estate),
            MetricData=data[begin : begin + MOST_NUMBERS],
        )
    return Published(len(known), len(latest) - len(known))


def _datum(series: Series, sample: Sample) -> dict[str, Any]:
    dimensions = [("Store", series.store), *([("Subject", series.subject)] if series.subject else [])]
    return {
        "MetricName": series.metric,
        "Dimensions": [{"Name": name, "Value": _plain(value)} for name, value in dimensions],
        "Timestamp": sample.at,
        "Value": sample.value,
        "Unit": _unit(series.metric),
    }


def _unit(metric: str) -> str:
    return "Bytes/Second" if metric.endswith("_bytes_rate") else UNITS[METRICS[metric].unit]


def _plain(value: str) -> str:
    """A name as CloudWatch takes it: of ASCII, without control characters, up to 1024."""
    return re.sub(r"[^\x20-\x7e]", "?", value).strip().lstrip(":")[:1024] or "?"


def _asked(call: Any, doing: str, **told: Any) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer: dict[str, Any] = call(**told)
    except (ClientError, BotoCoreError) as error:
        raise _translated(error, doing) from error
    return answer


def _translated(error: Exception, doing: str) -> SluiceError:
    if is_outage(error) or code_of(error) in ("Throttling", "ThrottlingException", "InternalServiceFault"):
        return CloudWatchDown(f"Cannot {doing} in CloudWatch: {error}. It is tried again by itself.")
    return CloudWatchRefused(
        f"Cannot {doing} in CloudWatch: {error}. Mend the connection of `insight: {{cloudwatch: …}}`, or the policy of its role."
    )
