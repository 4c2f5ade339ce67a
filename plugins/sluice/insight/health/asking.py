"""A person's own questions to a store: read-only, within five seconds, their answers kept like every other number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import psycopg

from sluice.errors import SluiceError, Terminal, Transient
from sluice.insight.health.at_once import PATIENCE, at_once
from sluice.insight.health.rules import Rule
from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, rows, translated
from sluice.stores.statements import raw, statement

OpenStore: TypeAlias = Callable[[str], AbstractContextManager[Connection]]
"""Opens a store of PostgreSQL by its name; it is closed afterwards."""


MOST_SUBJECTS = 100
"""So many subjects a question may have; the statement gives one more where there are more."""
_Answer: TypeAlias = Mapping[Series, float] | SluiceError


class NoNumber(Terminal):
    """A question of a person's own does not give a number."""


class NotBack(Transient):
    """A store has not answered while all others were asked."""


def ask(c: Connection, rule: Rule, store: str) -> dict[Series, float]:
    """Ask one question. Raises NoNumber, StoreDown, Refused."""
    assert rule.sql
    question = raw(rule.sql.strip().rstrip(";"))
    try:
        with translated(f"the question of rule {rule.name}"), c.transaction():
            c.execute(statement("health.limit_question"))
            found = rows(c, statement("health.ask_question", question=question))
    except psycopg.Error as error:
        first = str(error).strip().partition("\n")[0]
        raise NoNumber(_mend(rule, store, first)) from error
    return _numbers(rule, store, found)


def _numbers(rule: Rule, store: str, found: Sequence[Mapping[str, object]]) -> dict[Series, float]:
    """Read the answer. One that is cut, or says two things of one, would end what is wrong without anybody having mended it."""
    if len(found) > MOST_SUBJECTS:
        raise NoNumber(_mend(rule, store, f"it has more than {MOST_SUBJECTS} subjects"))
    numbers: dict[Series, float] = {}
    for row in found:
        subject = str(row.get("subject") or "")
        if (series := Series(store, rule.metric, subject)) in numbers:
            whose = f"of {subject!r}" if subject else "without a subject"
            raise NoNumber(_mend(rule, store, f"it has more than one number {whose}"))
        numbers[series] = _number(rule, row)
    return numbers


def _mend(rule: Rule, store: str, what: str) -> str:
    return f"Rule {rule.name} at {store}: {what}. Mend its sql in include/estate/health.yaml."


def _number(rule: Rule, row: Mapping[str, object]) -> float:
    value = row.get("value", next(iter(row.values())) if len(row) == 1 else None)
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NoNumber(f"Rule {rule.name}: its sql must give a number named `value`. Mend include/estate/health.yaml.")
    return number


def ask_all(
    rules: Mapping[str, Rule], open_store: OpenStore, patience: timedelta = PATIENCE
) -> tuple[dict[Series, float], dict[str, SluiceError]]:
    """Ask every question; give the numbers, and of each rule what went wrong: one that fails keeps no other from being asked."""
    by_store: dict[str, list[Rule]] = {}
    for rule in rules.values():
        if rule.sql and rule.store:
            by_store.setdefault(rule.store, []).append(rule)
    told: dict[str, dict[str, _Answer]] = {store: {} for store in by_store}
    at_once(
        {store: partial(_ask_store, store, asked, open_store, told[store]) for store, asked in by_store.items()},
        patience,
    )
    # Whoever is not back yet has answered some of it, and goes on to write.
    answers = {store: dict(found) for store, found in told.items()}
    numbers: dict[Series, float] = {}
    failures: dict[str, SluiceError] = {}
    for store, asked in by_store.items():
        for rule in asked:
            answer = answers[store].get(rule.name, _late(rule, store, patience))
            if isinstance(answer, SluiceError):
                failures[rule.name] = answer
            else:
                numbers |= answer
    return numbers, failures


def _ask_store(store: str, rules: Sequence[Rule], open_store: OpenStore, told: dict[str, _Answer]) -> None:
    """Ask a store its questions, until it is down or too slow: then it is left alone until the next look."""
    for number, rule in enumerate(rules):
        try:
            with open_store(store) as c:
                told[rule.name] = ask(c, rule, store)
        except Transient as error:
            told.update({each.name: error for each in rules[number:]})
            return
        except SluiceError as error:
            told[rule.name] = error


def _late(rule: Rule, store: str, patience: timedelta) -> NotBack:
    seconds = patience.total_seconds()
    return NotBack(
        f"Rule {rule.name}: {store} has not answered within {seconds:g} s. It is asked again at the next look."
    )
