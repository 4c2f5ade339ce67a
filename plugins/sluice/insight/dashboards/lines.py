"""Where a panel draws lines: at the levels of the rules that come along, in the colour of how urgent each is."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

from sluice.estate.models import Store
from sluice.insight.dashboards.panels import Line, Panel
from sluice.insight.health.rules import shipped_rules

ROOT = Path(__file__).resolve().parents[4]
BARE = Store(engine="postgres", connection="none", rto=timedelta(hours=1), rpo=timedelta(minutes=5))
"""A store of which the file says nothing: a level that has a name is as for that one."""


def lines_of(panel: Panel) -> tuple[Line, ...]:
    """Give a panel's lines, the lowest first. Raises EstateErrors where the rules that come along cannot be read."""
    found = {line for metric in panel.metrics for line in _by_metric().get(metric, ())}
    return tuple(sorted(found | set(panel.lines)))


@cache
def _by_metric() -> dict[str, tuple[Line, ...]]:
    found: dict[str, tuple[Line, ...]] = {}
    for rule in shipped_rules(ROOT).values():
        # What is compared with the usual has no level that could be drawn.
        if rule.against == "level" and (limit := rule.at("", BARE)):
            found[rule.metric] = (*found.get(rule.metric, ()), Line(limit.level, rule.severity, limit.is_over))
    return found
