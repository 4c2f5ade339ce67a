"""A person's own questions to a store: read-only, within five seconds, their answers kept like every other number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TypeAlias

import psycopg

from sluice.errors import SluiceError, Terminal
from sluice.insight.health.rules import Rule
from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, rows, translated
from sluice.stores.statements import raw, statement

OpenStore: TypeAlias = Callable[[str], AbstractContextManager[Connection]]
"""Opens a store of PostgreSQL by its name; it is closed afterwards."""


class NoNumber(Terminal):
    """A question of a person's own does not give a number."""


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
        raise NoNumber(f"Rule {rule.name} at {store}: {first}. Mend its sql in include/estate/health.yaml.") from error
    return {Series(store, rule.metric, str(row.get("subject") or "")): _number(rule, row) for row in found}


def _number(rule: Rule, row: Mapping[str, object]) -> float:
    value = row.get("value", next(iter(row.values())) if len(row) == 1 else None)
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NoNumber(f"Rule {rule.name}: its sql must give a number named `value`. Mend include/estate/health.yaml.")
    return number


def ask_all(rules: Mapping[str, Rule], open_store: OpenStore) -> tuple[dict[Series, float], dict[str, SluiceError]]:
    """Ask every question; give the numbers, and of each rule what went wrong: one that fails keeps no other from being asked."""
    numbers: dict[Series, float] = {}
    failures: dict[str, SluiceError] = {}
    for rule in rules.values():
        if rule.sql and rule.store:
            try:
                with open_store(rule.store) as c:
                    numbers |= ask(c, rule, rule.store)
            except SluiceError as error:
                failures[rule.name] = error
    return numbers, failures
