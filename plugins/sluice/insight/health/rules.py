"""The rules: those that come along, changed and added to by a person's own. Read afresh by each look, every mistake at once.

A rule is complete when it says what is wrong, for how long, how urgent that is, of which family, and what somebody does then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from sluice.estate.checks import validated
from sluice.estate.document import Document, open_document
from sluice.estate.health import HealthFile, Lasting, Levels, RuleFile, Silence
from sluice.estate.mistakes import EstateErrors, Mistake, choice
from sluice.estate.models import Store
from sluice.estate.severity import Severity
from sluice.estate.showing import shown
from sluice.insight.health.levels import level_of
from sluice.insight.health.unwritten import UNWRITTEN
from sluice.insight.metrics import METRICS, Engine, Often

SHIPPED = Path("include/health/rules.yaml")
OWN = Path("include/estate/health.yaml")
FIELDS = ("lasts", "severity", "cause", "runbook", "do", "owner")
"""What every rule says, beside what it looks at and the level."""
LEVELS = ("over", "under", "clear")
OWN_METRIC = "own_"
"""How the numbers of a person's own question are kept: `own_` and the rule's name."""


@dataclass(frozen=True)
class Rule:
    """What is wrong, for how long, how urgent that is, and what somebody does then."""

    name: str
    metric: str
    engine: Engine
    often: Often
    levels: Levels
    lasts: Lasting
    severity: Severity
    cause: str
    runbook: str
    do: str
    owner: str
    explained_by: tuple[str, ...] = ()
    ours: Literal["silent", "told"] = "told"
    against: Literal["level", "usual"] = "level"
    stores: Mapping[str, Levels] | None = None
    store: str | None = None
    sql: str | None = None

    def at(self, name: str, store: Store | None, most: float = 0.0) -> Limit | None:
        """Give what is too much at a store, of which `most` replicas were seen; None where the rule is none of its matter."""
        levels = (self.stores or {}).get(name, self.levels)
        wrong = levels.under if levels.over is None else levels.over
        if (level := level_of(wrong, store, most)) is None:
            return None
        clear = level_of(levels.clear, store, most)
        return Limit(level, level if clear is None else clear, levels.over is not None)


@dataclass(frozen=True)
class Limit:
    """The level beyond which it is wrong, and the one from which on it is well again."""

    level: float
    clear: float
    is_over: bool

    def is_wrong(self, value: float) -> bool:
        """Tell whether a number is beyond the level."""
        return value > self.level if self.is_over else value < self.level

    def is_well(self, value: float) -> bool:
        """Tell whether one is well again."""
        return value <= self.clear if self.is_over else value >= self.clear


@dataclass(frozen=True)
class Rules:
    """All that is looked at, by name, and what nobody wants to be told."""

    rules: Mapping[str, Rule]
    silences: tuple[Silence, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """What is wrong in a person's own file: then only those that come along are here."""
    unsure: frozenset[str] = frozenset()
    """Then, those that their file names, or all of them: nobody knows by which level they are to be judged."""


def read_rules(root: Path, stores: Mapping[str, Store]) -> Rules:
    """Read the rules of the project at `root`, for the estate's stores. Raises EstateErrors with all that is wrong."""
    return _read(root, stores, with_own=(root / OWN).exists())


def read_rules_that_hold(root: Path, stores: Mapping[str, Store]) -> Rules:
    """The same, and where a person's own file has mistakes, the rules that come along and those mistakes.

    Raises EstateErrors where what comes along is wrong.
    """
    try:
        return read_rules(root, stores)
    except EstateErrors as error:
        found = _read(root, stores, with_own=False)
        return replace(found, mistakes=error.mistakes, unsure=_named(root) or frozenset(found.rules))


def _named(root: Path) -> frozenset[str]:
    told = _open(root, OWN).get("rules", otherwise={})
    return frozenset(told if isinstance(told, Mapping) else ())


def shipped_rules(root: Path) -> Mapping[str, Rule]:
    """Read the rules that come along, as nobody has changed them. Raises EstateErrors where they are wrong."""
    return _read(root, {}, with_own=False).rules


def _read(root: Path, stores: Mapping[str, Store], with_own: bool) -> Rules:
    shipped, own = _open(root, SHIPPED), _open(root, OWN)
    first, mistakes = validated(shipped, HealthFile)
    second, wrong = validated(own, HealthFile) if with_own else (HealthFile(), [])
    mistakes += wrong
    if first is None or second is None:
        raise EstateErrors(mistakes)
    made: dict[str, Rule] = {}
    mistakes += _misnamed(own, second)
    for name in first.rules | second.rules:
        told = _merged(first.rules.get(name), second.rules.get(name))
        document = own if name in second.rules else shipped
        found = _misspelt(own, name, told, first) or [*_wrong(document, name, told, stores)]
        mistakes += found
        if not found and not told.off:
            made[name] = _made(name, told)
    causes = {rule.cause for rule in made.values()}
    mistakes += _unknown_causes(own, second, causes) if not mistakes else []
    mistakes += _wrong_silences(own, second, {*first.rules, *second.rules, *UNWRITTEN}, stores)
    if mistakes:
        raise EstateErrors(mistakes)
    return Rules(made, second.silences)


def _open(root: Path, path: Path) -> Document:
    return open_document(root / path, path.as_posix())


def _merged(shipped: RuleFile | None, own: RuleFile | None) -> RuleFile:
    """Put what a person says over what comes along. A level of theirs takes the others with it: half of each is neither's."""
    if shipped is None or own is None:
        return own or shipped or RuleFile()
    told = {name: getattr(own, name) for name in own.model_fields_set}
    if {"over", "under"} & told.keys():
        told = {**dict.fromkeys(LEVELS), **told}
    return shipped.model_copy(update={**told, "stores": {**shipped.stores, **own.stores}})


def _made(name: str, told: RuleFile) -> Rule:
    metric = METRICS.get(told.metric or "")
    assert told.lasts and told.severity and told.cause and told.runbook and told.do and told.owner
    return Rule(
        name,
        told.metric or f"{OWN_METRIC}{name}",
        metric.engine if metric else "postgres",
        metric.often if metric else "minute",
        Levels(over=told.over, under=told.under, clear=told.clear),
        told.lasts,
        told.severity,
        told.cause,
        told.runbook,
        told.do,
        told.owner,
        told.explained_by or (),
        told.ours or "told",
        told.against or "level",
        told.stores,
        told.store,
        told.sql,
    )


def _misnamed(document: Document, own: HealthFile) -> list[Mistake]:
    names = (name for name in own.rules if name in UNWRITTEN)
    return [document.mistake(("rules", name), shown(name), "another name: this is no rule of a file") for name in names]


def _misspelt(own: Document, name: str, told: RuleFile, shipped: HealthFile) -> list[Mistake]:
    """Find a rule that is none of those that come along and asks nothing: what else it lacks is not what is wrong with it."""
    if name in shipped.rules or told.metric is not None or told.sql is not None:
        return []
    new = "with a metric or a question of your own (sql), a new rule"
    allowed = f"{new}; else one of those that come along: {choice(name, shipped.rules)}"
    return [own.mistake(("rules", name), shown(name), allowed)]


def _wrong(document: Document, name: str, told: RuleFile, stores: Mapping[str, Store]) -> Iterator[Mistake]:
    """Find what a rule lacks, and what of it cannot be together."""
    at = ("rules", name)
    if told.off:
        return
    if (told.metric is None) is (told.sql is None):
        found = "neither" if told.metric is None else "both"
        yield document.mistake((*at, "metric"), found, "a metric, or a question of your own (sql)")
    if told.metric is not None and told.metric not in METRICS:
        yield document.mistake((*at, "metric"), shown(told.metric), choice(told.metric, METRICS))
    for field in FIELDS:
        if getattr(told, field) is None:
            key = "for" if field == "lasts" else field
            yield document.mistake((*at, key), shown(None), f"its {key}: a new rule says all of it")
    yield from _wrong_levels(document, at, told)
    for store, levels in told.stores.items():
        yield from _wrong_levels(document, (*at, "stores", store), levels)
        if store not in stores:
            yield document.mistake((*at, "stores", store), shown(store), choice(store, stores))
    if told.sql is not None:
        asked = sorted(one for one, store in stores.items() if store.engine == "postgres")
        if told.store not in asked:
            yield document.mistake((*at, "store"), shown(told.store), choice(str(told.store), asked))
    elif told.store is not None:
        yield document.mistake((*at, "store"), shown(told.store), "none with a metric; `stores` has levels for each")


def _wrong_levels(document: Document, at: tuple[str, ...], told: RuleFile | Levels) -> Iterator[Mistake]:
    if (told.over is None) is (told.under is None):
        found = "neither" if told.over is None else "both"
        yield document.mistake((*at, "over"), found, "over or under")
        return
    level, clear = told.under if told.over is None else told.over, told.clear
    if not isinstance(level, int | float) or not isinstance(clear, int | float):
        return  # what a store's file says is known when it is looked at
    if (clear > level) if told.over is not None else (clear < level):
        side = f"at most {level:g}" if told.over is not None else f"at least {level:g}"
        yield document.mistake((*at, "clear"), shown(clear), f"{side}: it must be well there")


def _unknown_causes(document: Document, own: HealthFile, causes: set[str]) -> list[Mistake]:
    """Find explanations that no rule gives. Of a person's own alone: theirs may have switched off what ours name."""
    return [
        document.mistake(("rules", name, "explained_by", number), shown(cause), choice(cause, causes))
        for name, rule in own.rules.items()
        for number, cause in enumerate(rule.explained_by or ())
        if cause not in causes
    ]


def _wrong_silences(document: Document, own: HealthFile, rules: set[str], stores: Mapping[str, Any]) -> list[Mistake]:
    found = []
    for number, silence in enumerate(own.silences):
        at = ("silences", number)
        if silence.store is not None and silence.store not in stores:
            found.append(document.mistake((*at, "store"), shown(silence.store), choice(silence.store, stores)))
        if silence.rule is not None and silence.rule not in rules:
            found.append(document.mistake((*at, "rule"), shown(silence.rule), choice(silence.rule, rules)))
    return found


def lookback(rule: Rule) -> timedelta:
    """Give how far back numbers are read: an hour of those of each minute, four of those of each hour; of periods, two more.

    What lasts longer is carried by its state.
    """
    whole = 2 * rule.lasts.period if rule.lasts.count else timedelta()
    return timedelta(hours=1 if rule.often == "minute" else 4) + whole
