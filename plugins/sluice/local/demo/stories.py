"""The demo's stories, by name; each is imported when it is played."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sluice.local.demo.report import Report
from sluice.local.demo.stage import Stage


@dataclass(frozen=True)
class Story:
    """A story: its report's file, what it is played on, and how it is played, judged and told."""

    report: str
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

        return Story("demo.json", Certify, play, judged, as_table, lambda stays: nullcontext())
    from sluice.local.demo.dynamodb import report, story
    from sluice.local.demo.dynamodb.laying import samples_laid
    from sluice.local.demo.dynamodb.stage import Tyler

    return Story("demo-dynamodb.json", Tyler, story.play, report.judged, report.as_table, samples_laid)
