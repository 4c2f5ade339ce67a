"""One look at the estate's health: the numbers judged, the stores in trouble asked, the incidents carried on and kept.

Who is in trouble is asked before the look's transaction begins: a store that does not answer must not hold the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sluice.errors import SluiceError, Terminal
from sluice.estate.insight import Insight
from sluice.estate.models import Store
from sluice.insight.health.asking import OpenStore, ask_all
from sluice.insight.health.at_once import at_once
from sluice.insight.health.blockers import Session, find_waits, tree
from sluice.insight.health.due import BACK, Outcome
from sluice.insight.health.evaluating import Look, evaluate
from sluice.insight.health.grouping import Place
from sluice.insight.health.incidents import carried, members_of
from sluice.insight.health.ours import Busy, find_busy, whose
from sluice.insight.health.reading import SOON, read_numbers
from sluice.insight.health.replicas import Dropped, dropped_of, most_of
from sluice.insight.health.rules import Rule, Rules
from sluice.insight.health.seldom import counted_on
from sluice.insight.health.silence import Hushed
from sluice.insight.health.troubles import Trouble, troubles
from sluice.insight.health.unwritten import UNWRITTEN
from sluice.ledger.incidents import Incidents
from sluice.ledger.samples import ONE_DAY, Sample, Samples, Series, Span
from sluice.ledger.scalings import Scalings
from sluice.stores.postgres import Connection

WEEKS = timedelta(days=14)
LEAST_DAYS = 3
"""Of fewer days nobody knows what is usual."""
KEPT = timedelta(days=400)
"""How long incidents that were cleared are kept."""
REPLICAS = "replicas_count"


@dataclass(frozen=True)
class Seen:
    """What a look has found."""

    now: datetime
    outcome: Outcome
    failures: tuple[str, ...] = ()
    """What could not be asked."""


@dataclass
class _Asked:
    """What stores in trouble said."""

    ours: dict[tuple[str, str], str] = field(default_factory=dict)
    evidence: dict[Place, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def watch(
    ledger: Connection, stores: Mapping[str, Store], insight: Insight, rules: Rules, open_store: OpenStore
) -> Seen:
    """Look once. Raises what the ledger raises; a store that cannot be asked is told in `failures`."""
    samples, incidents = Samples(ledger), Incidents(ledger).prepare()
    numbers, unanswered = ask_all(rules.rules, open_store)
    now = incidents.now()
    samples.record(now, numbers)
    look = replace(
        gathered(samples, rules.rules, stores, now),
        unanswered={name: isinstance(error, Terminal) for name, error in unanswered.items()},
        mistakes=len(rules.mistakes),
        unsure=rules.unsure,
        told={member.key: member for _, member in members_of(incidents.board(now - BACK).incidents)},
    )
    found = troubles(evaluate(rules.rules, look, incidents.states()), rules.rules, look)
    asked = _asked(found, stores, open_store)
    hushed = Hushed(now, insight.maintenance, rules.silences, asked.ours)
    with incidents.looking():
        states = evaluate(rules.rules, look, incidents.states())
        found = [replace(one, runbook=insight.page_at(one.runbook)) for one in troubles(states, rules.rules, look)]
        judged = None if rules.mistakes else {*rules.rules, *UNWRITTEN}
        outcome = carried(found, incidents.board(now - BACK), hushed, asked.evidence, judged)
        incidents.keep(states, outcome.incidents, outcome.messages)
        incidents.forget(now - KEPT)
    failures = (*map(str, (*rules.mistakes, *unanswered.values())), *asked.failures)
    return Seen(now, outcome, failures)


def gathered(samples: Samples, rules: Mapping[str, Rule], stores: Mapping[str, Store], now: datetime) -> Look:
    """Read what the rules look at."""
    read = read_numbers(samples, rules.values(), now)
    lately = counted_on(read.lately, stores, now)
    dropped = dropped_of(Scalings(samples.connection).between(now - KEPT, now + SOON), now)
    most = _most(samples, read.by_series, dropped, now)
    return Look(now, stores, read.by_series, lately, _usual(samples, rules, now), most, dropped)


def _most(
    samples: Samples, numbers: Mapping[Series, Sequence[Sample]], dropped: Dropped, now: datetime
) -> dict[str, float]:
    """Give the most replicas of each store within a day: by its hours, and by the last one's numbers, not rolled up yet."""
    hours = samples.spans("hour", {REPLICAS}, now - ONE_DAY, now)
    seen = [(series, Sample(one.at, one.highest)) for series, spans in hours.items() for one in spans]
    seen += [(series, one) for series, ones in numbers.items() if series.metric == REPLICAS for one in ones]
    return most_of(seen, dropped)


def _usual(samples: Samples, rules: Mapping[str, Rule], now: datetime) -> dict[Series, dict[int, float]]:
    """Give the mean of each hour of the day, over the days of two weeks on which it was measured."""
    metrics = {rule.metric for rule in rules.values() if rule.against == "usual"}
    spans = samples.spans("hour", metrics, now - WEEKS, now - ONE_DAY / 2) if metrics else {}
    return {series: _by_hour(found) for series, found in spans.items()}


def _by_hour(spans: Sequence[Span]) -> dict[int, float]:
    means: dict[int, list[float]] = {}
    for one in spans:
        means.setdefault(one.at.astimezone(UTC).hour, []).append(one.mean)
    return {hour: sum(found) / len(found) for hour, found in means.items() if len(found) >= LEAST_DAYS}


def _asked(found: Sequence[Trouble], stores: Mapping[str, Store], open_store: OpenStore) -> _Asked:
    """Ask each store of PostgreSQL where somebody waits, or where it may be us who are in the way."""
    asked = _Asked()
    wanted: dict[str, set[str]] = {}
    for one in found:
        store = stores.get(one.series.store)
        if store and store.engine == "postgres" and (one.ours or one.cause == "locks"):
            wanted.setdefault(one.series.store, set()).add(one.cause)
    found_at = at_once({name: partial(_ask_who, name, open_store) for name in wanted})
    for name, causes in wanted.items():
        seen = found_at.get(name, "it has not answered in time")
        if isinstance(seen, str):
            asked.failures.append(f"{name} cannot be asked who is in the way: {seen}")
            continue
        waits, busy = seen
        if waits:
            asked.evidence[name, "locks"] = "\n".join(tree(waits))
        asked.ours |= {(name, cause): who for cause in causes if (who := whose(cause, waits, busy))}
    return asked


def _ask_who(name: str, open_store: OpenStore) -> tuple[Sequence[Session], Sequence[Busy]] | str:
    """Ask a store who waits there and who is at work; or say why it cannot be asked."""
    try:
        with open_store(name) as c:
            return find_waits(c), find_busy(c)
    except SluiceError as error:
        return str(error)
