"""`python -m sluice.insight.reference` writes docs/reference/metrics.md: all that is measured, and the rules that judge it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sluice.insight.health.rules import SHIPPED, Rule, shipped_rules
from sluice.insight.metrics import METRICS, Engine, Metric, Often

ROOT = Path(__file__).resolve().parents[3]
PAGE = Path("docs/reference/metrics.md")
HEAD = f"""<!-- Made from plugins/sluice/insight/metrics.py by `python -m sluice.insight.reference`. -->

# What is measured

Every metric by its name, which ends in its unit; in Prometheus `sluice_` stands before it. Rules, reports and dashboards know no
other. A `rate` is a second's. Of a table, a pool or a replica each has a number of its own. The rules are those of `{SHIPPED}`:
[write a rule](../howto/write-a-rule.md) changes them. Which grant it wants, [collect numbers](../howto/collect-numbers.md)
says.
"""
TITLES: Mapping[tuple[Engine, Often], str] = {
    ("postgres", "minute"): "PostgreSQL, PgBouncer and RDS, every minute",
    ("postgres", "hour"): "PostgreSQL, every hour",
    ("dynamodb", "minute"): "DynamoDB, every minute",
    ("dynamodb", "hour"): "DynamoDB, every hour",
    ("airflow", "minute"): "Airflow, every minute: its store is called `airflow`",
    ("sluice", "minute"): "Sluice itself, every minute",
}
UNITS: Mapping[str, str] = {
    "percent": "%",
    "seconds": "s",
    "milliseconds": "ms",
    "bytes": "bytes",
    "rate": "a second",
    "days": "days",
    "count": "number",
}


def metrics_page() -> str:
    """Give the whole page as Markdown. Raises EstateErrors where the rules that come along cannot be read."""
    rules = shipped_rules(ROOT)
    return "\n".join([HEAD, *(_section(title, *key, rules) for key, title in TITLES.items())])


def _section(title: str, engine: Engine, often: Often, rules: Mapping[str, Rule]) -> str:
    head = (f"## {title}", "", "| metric | unit | of | what it says | rules |", "|---|---|---|---|---|")
    found = (one for one in METRICS.values() if (one.engine, one.often) == (engine, often))
    return "\n".join((*head, *(_row(one, rules) for one in found))) + "\n"


def _row(metric: Metric, rules: Mapping[str, Rule]) -> str:
    judged = ", ".join(f"`{name}`" for name in _judging(metric, rules))
    return f"| `{metric.name}` | {UNITS[metric.unit]} | {metric.of or 'store'} | {metric.told} | {judged} |"


def _judging(metric: Metric, rules: Mapping[str, Rule]) -> Iterator[str]:
    return (name for name, rule in rules.items() if rule.metric == metric.name)


def write_page(root: Path = ROOT) -> None:
    """Write it under `root`."""
    (root / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (root / PAGE).write_text(metrics_page(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
