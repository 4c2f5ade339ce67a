"""Where a panel draws lines: at the levels of the rules that come along, in the colour of how urgent each is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

from sluice.estate.checks import validated
from sluice.estate.document import open_document
from sluice.estate.health import HealthFile
from sluice.estate.mistakes import EstateErrors
from sluice.estate.models import Store
from sluice.insight.dashboards.panels import Line, Panel
from sluice.insight.health.levels import level_of
from sluice.insight.health.rules import SHIPPED

ROOT = Path(__file__).resolve().parents[4]
BARE = Store(engine="postgres", connection="none", rto=timedelta(hours=1), rpo=timedelta(minutes=5))
"""A store of which the file says nothing: a level that has a name is as for that one."""


def lines_of(panel: Panel) -> tuple[Line, ...]:
    """Give a panel's lines, the lowest first. Raises EstateErrors where the rules that come along cannot be read."""
    found = {line for metric in panel.metrics for line in _by_metric().get(metric, ())}
    return tuple(sorted(found | set(panel.lines)))


@cache
def _by_metric() -> dict[str, tuple[Line, ...]]:
    rules, mistakes = validated(open_document(ROOT / SHIPPED, SHIPPED.as_posix()), HealthFile)
    if rules is None:
        raise EstateErrors(mistakes)
    found: dict[str, tuple[Line, ...]] = {}
    for metric, line in _levels(rules):
        found[metric] = (*found.get(metric, ()), line)
    return found


def _levels(rules: HealthFile) -> Iterator[tuple[str, Line]]:
    """Give each level that is a number. What is compared with the usual has none that could be drawn."""
    for rule in rules.rules.values():
        over, under = level_of(rule.over, BARE), level_of(rule.under, BARE)
        level = under if over is None else over
        if rule.metric and rule.severity and level is not None and rule.against != "usual":
            yield rule.metric, Line(level, rule.severity, is_over=over is not None)
