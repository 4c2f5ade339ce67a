"""Rules, numbers and looks for the tests of the watch over the estate's health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sluice.estate.health import Lasting, Levels
from sluice.estate.models import Store
from sluice.insight.health.due import Outcome
from sluice.insight.health.evaluating import Look, evaluate
from sluice.insight.health.incidents import carried, members_of
from sluice.insight.health.rules import Rule
from sluice.insight.health.silence import Hushed
from sluice.insight.health.troubles import Trouble, troubles
from sluice.insight.health.unwatched import HEARD
from sluice.insight.metrics import METRICS
from sluice.ledger.incidents import Board, Key, State
from sluice.ledger.samples import Sample, Series

ROOT = Path(__file__).parents[1]
NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
"""A Friday."""
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PAGE = "docs/howto/know-what-is-wrong.md"
ANSWERS = {"postgres": "up_count", "dynamodb": "table_up_count"}


def a_store(**more: Any) -> Store:
    """A store of PostgreSQL."""
    told = {"engine": "postgres", "connection": "pg", "rto": timedelta(minutes=5), "rpo": timedelta(seconds=30)}
    return Store(**{**told, **more})


def a_rule(name: str = "busy", metric: str = "connections_used_percent", lasts: str = "0s", **more: Any) -> Rule:
    """A rule: wrong above 80."""
    found = METRICS[metric]
    made = Rule(
        name,
        metric,
        found.engine,
        found.often,
        Levels(over=80.0),
        Lasting.parse(lasts),
        "P2",
        name,
        PAGE,
        "Look.",
        "me",
    )
    return replace(made, **more)


def minutes(values: Iterable[float], start: datetime = NOON, every: timedelta = MINUTE) -> list[Sample]:
    """Numbers of each minute."""
    return [Sample(start + n * every, float(value)) for n, value in enumerate(values)]


class Estate:
    """An estate whose looks are made one after the other, without a database."""

    def __init__(self, *rules: Rule, stores: Sequence[str] = ("certify",), **hushes: Any) -> None:
        self.rules = {rule.name: rule for rule in rules}
        self.stores: dict[str, Store] = {name: a_store() for name in stores}
        self.numbers: dict[Series, list[Sample]] = {}
        self.states: dict[Key, State] = {}
        self.board = Board()
        self.hushes = hushes
        self.usual: dict[Series, dict[int, float]] = {}
        self.most: dict[str, float] = {}
        self.dropped: dict[str, list[datetime]] = {}
        self.unanswered: dict[str, bool] = {}
        self.mistakes = 0
        self.unsure: frozenset[str] = frozenset()
        self.speaks = True
        """Whether each store of which there are numbers answers itself, where a test says nothing of that."""
        self.judged: set[str] | None = None
        """The rules that there are, where that is known."""
        self.told: list[str] = []

    def record(self, series: Series, samples: Iterable[Sample]) -> None:
        """Keep numbers."""
        self.numbers.setdefault(series, []).extend(samples)

    def see(self, now: datetime) -> list[Trouble]:
        """Judge the numbers that are there by now, and carry the states on."""
        known = {series: [one for one in found if one.at <= now] for series, found in self.numbers.items()}
        day = {series: found[-1] for series, found in known.items() if found and now - found[-1].at < 24 * HOUR}
        hour = {series: [one for one in found if one.at >= now - 2 * HOUR] for series, found in known.items()}
        if self.speaks:
            day = self._answers(day) | day
        told = {one.key: one for _, one in members_of(self.board.incidents)}
        look = Look(
            now,
            self.stores,
            hour,
            day,
            self.usual,
            self.most,
            self.dropped,
            self.unanswered,
            self.mistakes,
            self.unsure,
            told,
        )
        self.states = evaluate(self.rules, look, self.states)
        return troubles(self.states, self.rules, look)

    def _answers(self, day: Mapping[Series, Sample]) -> dict[Series, Sample]:
        told = {series.store for series in self.numbers if series.metric in HEARD}
        newest: dict[str, datetime] = {}
        for series, last in day.items():
            newest[series.store] = max(last.at, newest.get(series.store, last.at))
        there = [one for one in newest if one in self.stores and one not in told]
        return {Series(one, ANSWERS[self.stores[one].engine]): Sample(newest[one], 1.0) for one in there}

    def look(self, now: datetime, **asked: Any) -> Outcome:
        """Make a whole look."""
        return self.carry(self.see(now), now, **asked)

    def carry(
        self,
        found: Sequence[Trouble],
        now: datetime,
        evidence: Mapping[tuple[str, str], str] | None = None,
        **hushes: Any,
    ) -> Outcome:
        """Carry the incidents on by troubles."""
        outcome = carried(found, self.board, Hushed(now, **{**self.hushes, **hushes}), evidence, self.judged)
        known = {one.id: one for one in (*self.board.incidents, *outcome.incidents)}
        self.board = Board(tuple(known.values()), max(known, default=0) + 1)
        self.told += [f"{one.kind} {one.subject}" for one in outcome.messages]
        return outcome

    @property
    def open(self) -> list[tuple[str, str]]:
        """The places of the open incidents."""
        return [one.place for one in self.board.incidents if one.cleared is None]


def a_trouble(store: str = "certify", cause: str = "slow", rule: str = "", subject: str = "", **more: Any) -> Trouble:
    """Something that is wrong."""
    made = Trouble(
        rule or f"rule_{cause}",
        Series(store, "a_count", subject),
        "P3",
        cause,
        (),
        NOON,
        f"{cause} is wrong",
        "Look.",
        PAGE,
        "me",
    )
    return replace(made, **more)
