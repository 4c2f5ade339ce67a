"""What a look reads of the ledger: of each metric as far back as its own rules look, and of tables only those that matter.

Of what is measured once an hour there are thousands (every table). A look wants those with a number beyond a level, or of which a
rule has a state: nothing follows from the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.insight.health.listed import BESIDE, LISTS, LOCKED
from sluice.insight.health.rules import Rule, lookback
from sluice.insight.health.unwatched import HEARD
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import ONE_DAY, Beyond, Sample, Samples, Series

SOON = timedelta(seconds=1)


@dataclass(frozen=True)
class Numbers:
    """What was read."""

    by_series: Mapping[Series, list[Sample]]
    """Oldest first."""
    lately: Mapping[Series, Sample]
    """The last one of a day."""


def read_numbers(samples: Samples, rules: Collection[Rule], now: datetime) -> Numbers:
    """Read what rules look at, and what a look goes by beside them. Raises what the ledger raises."""
    many = {metric: beyond for metric, beyond in _levels(rules).items() if _is_many(metric) and None not in beyond}
    found: dict[Series, list[Sample]] = {}
    for back, metrics in _windows(rules).items():
        if few := metrics - many.keys():
            found |= samples.between(few, now - back, now + SOON)
        if levels := [one for metric in metrics & many.keys() for one in many[metric] if one]:
            found |= samples.beyond(levels, now - back, now + SOON)
    last = {series: ones[-1] for series, ones in found.items() if series.metric in many and ones[-1].at <= now}
    wanted = {
        *HEARD,
        LOCKED,
        *LISTS.values(),
        *BESIDE.values(),
        *(rule.metric for rule in rules if rule.metric not in many),
    }
    return Numbers(found, last | samples.latest(now, within=ONE_DAY, metrics=wanted))


def _windows(rules: Collection[Rule]) -> dict[timedelta, set[str]]:
    """Say how far back each metric is read: a rule that looks at days makes nobody else's numbers of days be read."""
    far: dict[str, timedelta] = {}
    for rule in rules:
        far[rule.metric] = max(lookback(rule), far.get(rule.metric, timedelta()))
    made: dict[timedelta, set[str]] = {}
    for metric, back in far.items():
        made.setdefault(back, set()).add(metric)
    return made


def _is_many(metric: str) -> bool:
    found = METRICS.get(metric)
    return found is not None and found.often == "hour" and found.of != ""


def _levels(rules: Collection[Rule]) -> dict[str, list[Beyond | None]]:
    """List the levels of each metric; None is one that its numbers alone do not tell."""
    made: dict[str, list[Beyond | None]] = {}
    for rule in rules:
        for levels in (rule.levels, *(rule.stores or {}).values()):
            is_over = levels.over is not None
            level = levels.over if is_over else levels.under
            known = rule.against == "level" and isinstance(level, int | float)
            made.setdefault(rule.metric, []).append(Beyond(rule.metric, float(level or 0), is_over) if known else None)
    return made
