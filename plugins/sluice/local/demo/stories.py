"""The demo's stories, by name; each is imported when it is played."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from sluice.estate.datasets import DATASETS
from sluice.estate.read import MIGRATIONS
from sluice.local.demo.laying import samples_laid
from sluice.local.demo.report import Report
from sluice.local.demo.stage import Stage


@dataclass(frozen=True)
class Story:
    """A story: its report's file, what it is played on, and how it is played, judged and told."""

    report: str
    search: str
    """What finds its DAGs in Airflow's page."""
    stage: type[Stage]
    play: Callable[[Any], Report]
    judged: Callable[[Report], list[str]]
    """The promises that were not kept."""
    as_table: Callable[[Report], str]
    prepared: Callable[[bool], AbstractContextManager[object]]
    """What must be there before the machine is brought up; told whether it stays."""


def named(name: str) -> Story:
    """Give a story."""
    if name == "postgres":
        from sluice.local.demo.postgres.report import as_table, judged
        from sluice.local.demo.postgres.stage import Certify
        from sluice.local.demo.postgres.story import play

        return Story("demo.json", "migrate", Certify, play, judged, as_table, lambda stays: nullcontext())
    if name == "dynamodb":
        from sluice.local.demo.dynamodb import report, story
        from sluice.local.demo.dynamodb.stage import Tyler
        from sluice.local.tyler import shape

        laid = partial(samples_laid, "tyler", shape.MIGRATIONS, MIGRATIONS)
        return Story("demo-dynamodb.json", "migrate", Tyler, story.play, report.judged, report.as_table, laid)
    if name == "safety":
        from sluice.local.demo.safety import report as proven
        from sluice.local.demo.safety.stage import Safety
        from sluice.local.demo.safety.story import play as restore
        from sluice.local.demo.safety.switched_on import backup_switched_on

        judged, as_table = proven.judged, proven.as_table
        return Story("demo-safety.json", "certify", Safety, restore, judged, as_table, backup_switched_on)
    if name == "insight":
        from sluice.local.demo.insight import report as foreseen
        from sluice.local.demo.insight.laying import stores_added
        from sluice.local.demo.insight.stage import Insight
        from sluice.local.demo.insight.story import play as foresee

        checked, shown = foreseen.judged, foreseen.as_table
        return Story("demo-insight.json", "capacity", Insight, foresee, checked, shown, stores_added)
    from sluice.local.demo.upkeep import report as told
    from sluice.local.demo.upkeep.stage import Upkeep
    from sluice.local.demo.upkeep.story import play as keep

    laid = partial(samples_laid, "upkeep", ("audit_log",), DATASETS)
    return Story("demo-upkeep.json", "archive", Upkeep, keep, told.judged, told.as_table, laid)
