"""What is wrong, by the rules and the numbers: pure. The same numbers, states and moment give the same states again.

A state is kept only of what is wrong, or about to be. It is carried by the numbers, one after the other, and never by the look:
whether somebody looks every minute or every five changes nothing. No number is no news: it neither begins nor ends a fault,
however long none comes, and of what was measured always it is a fault of its own, until numbers come or the file asks for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from sluice.estate.models import Store
from sluice.insight.health.expected import is_expected, is_watched
from sluice.insight.health.listed import STALE, is_listed_no_more
from sluice.insight.health.replicas import Dropped, most_at
from sluice.insight.health.rules import Limit, Rule
from sluice.insight.health.seldom import more_patience
from sluice.insight.health.unwatched import TWICE, Heard, missing
from sluice.insight.health.unwritten import MISTAKEN, SILENT, UNANSWERED, UNWRITTEN
from sluice.ledger.incidents import Key, Member, State
from sluice.ledger.samples import Sample, Series

EARLY = timedelta(seconds=5)
"""By so much a number may come early: else what lasts a minute would take two of those that come every minute."""
LEAST_USUAL = 1.0
"""What is less than this a second, or a millisecond, counts as this much: of almost nothing, much is a multiple."""


@dataclass(frozen=True)
class Look:
    """What a look goes by."""

    now: datetime
    stores: Mapping[str, Store]
    numbers: Mapping[Series, Sequence[Sample]]
    """Of the rules' metrics, as far back as they look, oldest first."""
    lately: Mapping[Series, Sample]
    """The last number of every series within a day."""
    usual: Mapping[Series, Mapping[int, float]]
    """The mean of each hour of the day (UTC), of those days that were measured."""
    most: Mapping[str, float] = field(default_factory=dict)
    """Of each store, the most replicas that were seen in a day."""
    dropped: Dropped = field(default_factory=dict)
    """When `scale_capacity` took replicas away."""
    unanswered: Mapping[str, bool] = field(default_factory=dict)
    """The rules whose own question gave no number; True where that does not pass by itself."""
    mistakes: int = 0
    """How much is wrong in a person's own file of rules."""
    unsure: Set[str] = frozenset()
    """The rules of which nobody knows by which level they are to be judged, while it is."""
    told: Mapping[Key, Member] = field(default_factory=dict)
    """What open incidents say is wrong."""

    def is_unsure(self, name: str, rules: Mapping[str, Rule]) -> bool:
        """Tell whether nobody knows how a rule is to be judged: it may stand in a file that cannot be read."""
        return self.mistakes > 0 and name not in UNWRITTEN and (name in self.unsure or name not in rules)


def evaluate(rules: Mapping[str, Rule], look: Look, before: Mapping[Key, State]) -> dict[Key, State]:
    """Give every state there is now."""
    unwatched = Heard(look.now, look.stores, look.lately, before).unwatched()
    found: dict[Key, State] = {(SILENT, series): state for series, state in unwatched.states.items()}
    found |= _unanswered(rules, look, before)
    if look.mistakes:
        key = (MISTAKEN, Series("", MISTAKEN))
        found[key] = State(
            "firing", before[key].since if key in before else look.now, look.now, value=float(look.mistakes)
        )
    measured = _by_metric(look)
    for rule in rules.values():
        for series in _looked_at(rule, measured, before, look.stores):
            key = (rule.name, series)
            limit = limit_of(rule, series, look, before.get(key))
            if limit and (state := _judged(rule, limit, series, look, before.get(key), unwatched.silent)):
                found[key] = state
    return {**_kept(rules, look, before), **found}


def _kept(rules: Mapping[str, Rule], look: Look, before: Mapping[Key, State]) -> dict[Key, State]:
    """Give what is wrong by rules that cannot be read now: a mistake in a file makes no store well."""
    return {
        key: state
        for key, state in before.items()
        if state.phase == "firing"
        and key in look.told
        and look.is_unsure(key[0], rules)
        and is_watched(key[1].store, look.stores)
    }


def limit_of(rule: Rule, series: Series, look: Look, state: State | None) -> Limit | None:
    """Give what is too much of a series, whose state is this; None where the rule is none of its store's matter."""
    most = most_at(series.store, look.most, state, look.dropped)
    return rule.at(series.store, look.stores.get(series.store), most)


def _unanswered(rules: Mapping[str, Rule], look: Look, before: Mapping[Key, State]) -> dict[Key, State]:
    """Give the questions that get no answer. Where the store could not be asked, nothing is known anew."""
    found: dict[Key, State] = {}
    for name, is_certain in look.unanswered.items():
        key = (UNANSWERED, Series(rules[name].store or "", rules[name].metric))
        since = before[key].since if key in before else look.now
        if is_certain:
            found[key] = State("firing" if look.now - since >= TWICE else "pending", since, look.now)
        elif key in before:
            found[key] = before[key]
    return found


def _looked_at(
    rule: Rule, measured: Mapping[str, Sequence[Series]], before: Mapping[Key, State], stores: Mapping[str, Store]
) -> list[Series]:
    """List what a rule looks at: what is measured, and what it has a state of, though no number came for a day."""
    kept = [series for name, series in before if name == rule.name and series.metric == rule.metric]
    found = dict.fromkeys([*measured.get(rule.metric, ()), *kept])
    return [one for one in found if rule.store in (None, one.store) and is_watched(one.store, stores)]


def _by_metric(look: Look) -> dict[str, list[Series]]:
    """List what there is of each metric: what has numbers, and what had some within a day."""
    found: dict[str, list[Series]] = {}
    for series in {**look.numbers, **look.lately}:
        found.setdefault(series.metric, []).append(series)
    return found


def _judged(
    rule: Rule, limit: Limit, series: Series, look: Look, before: State | None, silent: Set[str]
) -> State | None:
    last = look.lately.get(series)
    if last is None or look.now - last.at > STALE[rule.often]:
        if series.store in silent:
            return before if before and before.phase == "firing" else None  # no number, no news
        return _without_numbers(rule, series, look, before, last)
    carried = before if before and before.phase != "missing" else None
    return walked(rule, limit, _points(rule, series, look), carried, more_patience(look.stores.get(series.store)))


def _without_numbers(rule: Rule, series: Series, look: Look, before: State | None, last: Sample | None) -> State | None:
    """What is left of a series that goes on no more: a slot may be dropped, a store's own numbers may not end."""
    if not is_expected(series, look.stores) or (series.subject and _is_gone(rule, series, look, before)):
        return None
    if before and (before.phase == "firing" or (before.phase == "missing" and last is None)):
        return before
    expected = last is not None and rule.severity != "P4" and rule.against == "level"
    return missing(last.at, look.now) if last and expected else None


def _is_gone(rule: Rule, series: Series, look: Look, before: State | None) -> bool:
    """Tell whether nobody waits for numbers of one thing among many: it was well, or is known to be there no more."""
    if before is None or before.phase != "firing":
        return True
    return rule.name not in look.unanswered if rule.sql else is_listed_no_more(series, look.lately, look.now)


def _points(rule: Rule, series: Series, look: Look) -> list[Sample]:
    """Give what is judged: each number, or the mean of each period that is over."""
    samples = [one for one in look.numbers.get(series, ()) if one.at <= look.now]
    if rule.against == "usual":
        samples = [*_times_usual(samples, look.usual.get(series, {}))]
    if not rule.lasts.count:
        return samples
    period, made = rule.lasts.period, []
    for start, group in groupby(samples, key=lambda one: floor(one.at, period)):
        values = [one.value for one in group]
        if start + period <= look.now:
            made.append(Sample(start + period, sum(values) / len(values)))
    return made


def _times_usual(samples: Sequence[Sample], usual: Mapping[int, float]) -> Iterator[Sample]:
    """Give how many times what is usual at its own hour each number is; of an hour that nobody knows, none."""
    for one in samples:
        if (mean := usual.get(one.at.astimezone(UTC).hour)) is not None:
            yield replace(one, value=one.value / max(mean, LEAST_USUAL))


def walked(
    rule: Rule, limit: Limit, points: Sequence[Sample], state: State | None, patience: timedelta = timedelta()
) -> State | None:
    """Carry a state on by the numbers that came since; they may be so much further apart than of other stores."""
    for point in points:
        if state is None or point.at > state.seen:
            state = _stepped(rule, limit, point, state, _gap(rule) + patience)
    return state


def _stepped(rule: Rule, limit: Limit, point: Sample, state: State | None, gap: timedelta) -> State | None:
    if state and state.phase == "firing":
        return None if limit.is_well(point.value) and not limit.is_wrong(point.value) else _seen(state, point)
    if not limit.is_wrong(point.value):
        return None
    if state is None or point.at - state.seen > gap:
        begun = point.at - (rule.lasts.period if rule.lasts.count else timedelta())
        state = State("pending", begun, point.at, 1, point.value, float(limit.level))
    else:
        state = replace(_seen(state, point), streak=state.streak + 1)
    return replace(state, phase="firing") if _lasts(rule, state) else state


def _seen(state: State, point: Sample) -> State:
    return replace(state, seen=point.at, value=point.value)


def _lasts(rule: Rule, state: State) -> bool:
    if rule.lasts.count:
        return state.streak >= rule.lasts.count
    return state.seen - state.since >= rule.lasts.period - EARLY


def _gap(rule: Rule) -> timedelta:
    """After how long without a number nobody knows whether it was wrong all the time."""
    return rule.lasts.period if rule.lasts.count else STALE[rule.often]


def floor(at: datetime, period: timedelta) -> datetime:
    """Give the beginning of the period, counted from the epoch, that a moment lies in."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (at - epoch) // period * period
