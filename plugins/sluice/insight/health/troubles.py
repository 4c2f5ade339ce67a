"""What is wrong now, one line each: a state with what its rule says of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.severity import Severity
from sluice.insight.health.evaluating import Look, limit_of
from sluice.insight.health.listed import STALE
from sluice.insight.health.rules import OWN, OWN_METRIC, Rule
from sluice.insight.health.unwatched import ITSELF, NEVER
from sluice.insight.health.unwritten import MISTAKEN, SILENT, UNANSWERED
from sluice.ledger.incidents import Key, Member, State
from sluice.ledger.samples import Series

NO_DATA = "no_data"
"""The cause of what is measured no more while the rest of its store is."""
WATCHING = "watching"
"""The cause of a store that nobody measures at all."""
UNREACHABLE = "unreachable"
"""The cause of a store that does not answer."""
PAGE = "docs/howto/know-what-is-wrong.md#no-data"
RULES_PAGE = "docs/howto/write-a-rule.md"
UNSURE = f"; its rule cannot be judged while {OWN} has mistakes"


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong."""

    rule: str
    series: Series
    severity: Severity
    cause: str
    explained_by: tuple[str, ...]
    since: datetime
    text: str
    do: str
    runbook: str
    owner: str
    ours: bool = False
    """Whether nobody is told while our own sessions cause it."""

    @property
    def key(self) -> Key:
        """What it is, from look to look."""
        return self.rule, self.series

    def as_member(self, hushed: str | None, follows: bool = False) -> Member:
        """Give it as its incident keeps it."""
        where = self.series.store, self.series.metric, self.series.subject
        return Member(
            self.rule, *where, self.severity, self.cause, self.text, self.do, self.runbook, self.owner, hushed, follows
        )

    def follows(self, others: Sequence[Trouble]) -> bool:
        """Tell whether one of the others, at the same store, explains it."""
        return any(
            one.cause in self.explained_by and one.cause != self.cause and one.series.store == self.series.store
            for one in others
        )


def troubles(states: Mapping[Key, State], rules: Mapping[str, Rule], look: Look) -> list[Trouble]:
    """List what is wrong, the most urgent and oldest first."""
    found = [
        _trouble(name, series, state, rules, look)
        for (name, series), state in states.items()
        if state.phase != "pending"
    ]
    return sorted(found, key=lambda one: (one.severity, one.since, one.rule, one.series))


def _trouble(name: str, series: Series, state: State, rules: Mapping[str, Rule], look: Look) -> Trouble:
    if name in _UNWRITTEN:
        return _UNWRITTEN[name](series, state)
    member = look.told.get((name, series))
    if member and look.is_unsure(name, rules):
        return _unsure(member, series, state)
    return _told(rules[name], series, state, look)


def _unsure(was: Member, series: Series, state: State) -> Trouble:
    """What is wrong by a rule that cannot be read now: as it was told last."""
    text = was.text if was.text.endswith(UNSURE) else was.text + UNSURE
    return Trouble(
        was.rule, series, was.severity, was.cause, (), state.since, text, was.do, was.runbook, was.owner
    )  # fmt: skip


def _told(rule: Rule, series: Series, state: State, look: Look) -> Trouble:
    if state.phase == "missing":
        return _missing(rule, series, state)
    limit = limit_of(rule, series, look, state)
    assert limit
    beyond = f"{'over' if limit.is_over else 'under'} {limit.level:g}"
    usual = " times the usual" if rule.against == "usual" else ""
    last = look.lately.get(series)
    is_over = last is None or look.now - last.at > STALE[rule.often]
    ended = f", and has no number since {_at(state.seen)}" if is_over else ""
    text = f"{_whose(series)}{rule.metric} is {state.value:.4g}{usual}, {beyond}, since {_at(state.since)}{ended}"
    return Trouble(
        rule.name, series, rule.severity, rule.cause, rule.explained_by, state.since, text,
        rule.do, rule.runbook, rule.owner, rule.ours == "silent",
    )  # fmt: skip


def _missing(rule: Rule, series: Series, state: State) -> Trouble:
    text = f"{_whose(series)}{rule.metric} has no number since {_at(state.since)}"
    do = "Its numbers come no more: the log of collect_samples says why."
    severity: Severity = "P2" if rule.severity == "P1" else "P3"
    explained = (UNREACHABLE, WATCHING, *rule.explained_by)
    return Trouble(rule.name, series, severity, NO_DATA, explained, state.since, text, do, PAGE, "platform")


def _silent(series: Series, state: State) -> Trouble:
    if series.metric in ITSELF:
        return _speechless(series, state)
    if series.metric == NEVER:
        return _never(series, state)
    whom = f"{series.store} is measured by nobody" if series.store else "Nobody measures any store"
    do = "Does collect_samples run? It is red, paused, or does not get its turn."
    severity: Severity = "P2" if series.store else "P1"
    text = f"{whom} since {_at(state.since)}, or before"
    return Trouble(SILENT, series, severity, WATCHING, (), state.since, text, do, PAGE, "platform")


def _never(series: Series, state: State) -> Trouble:
    whom = f"{series.store} was never measured" if series.store else "No store was ever measured"
    do = "Is collect_samples switched on? Where it runs, its log says why a store is not reached."
    severity: Severity = "P2" if series.store else "P1"
    text = f"{whom}, or not for a day before it was missed, at {_at(state.since)}"
    return Trouble(SILENT, series, severity, WATCHING, (), state.since, text, do, PAGE, "platform")


def _speechless(series: Series, state: State) -> Trouble:
    who = series.store if series.metric == "up_count" else f"the PgBouncer before {series.store}"
    text = (
        f"{who} says nothing itself since {_at(state.since)}, or before: no {series.metric}, though others tell of it"
    )
    do = "A password or a right of its connection? The log of collect_samples says why."
    return Trouble(SILENT, series, "P2", WATCHING, (), state.since, text, do, PAGE, "platform")


def _unanswered(series: Series, state: State) -> Trouble:
    text = f"the question of rule {series.metric.removeprefix(OWN_METRIC)} gives no number since {_at(state.since)}"
    # The store's answer stays in the log: it may hold what stands in a row.
    do = f"The log of watch_health has the store's answer. Mend its sql in {OWN}, or GRANT USAGE on its schema and SELECT."
    explained = (UNREACHABLE, WATCHING)
    return Trouble(UNANSWERED, series, "P2", NO_DATA, explained, state.since, text, do, RULES_PAGE, "platform")


def _mistaken(series: Series, state: State) -> Trouble:
    text = f"{OWN} has mistakes ({state.value:.0f}) since {_at(state.since)}: only the rules that come along are judged"
    do = "`./sluice status` names each with its line."
    return Trouble(MISTAKEN, series, "P2", "rules", (), state.since, text, do, RULES_PAGE, "platform")


_UNWRITTEN: Mapping[str, Callable[[Series, State], Trouble]] = {
    SILENT: _silent,
    UNANSWERED: _unanswered,
    MISTAKEN: _mistaken,
}
"""What is wrong by no rule of a file."""


def _whose(series: Series) -> str:
    return f"{series.subject}: " if series.subject else ""


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
