"""Tell people of what lasts from run to run: once when it begins, again when it gets more urgent and every four hours
while it is a P1, and once when it is over.

What they were told is kept in the ledger. Without the ledger they are told at each run: too often, and never too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate.severity import SEVERITIES, Severity
from sluice.flow.alerting import AlertLate, send_alert
from sluice.flow.connections import opened_control

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

TOLD = "people_told"
"""The facts of what people know of."""
REMIND = timedelta(hours=4)
"""After so long people are told again of a P1 that lasts."""
QUIET = timedelta(minutes=9)
"""How long it must be gone until it is over: of looks every five minutes, two in a row."""


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong, and what people are told of it."""

    severity: Severity
    subject: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a machine reads beside it."""

    @property
    def key(self) -> str:
        """What it is from run to run: its words, without the numbers in them."""
        return f"{self.subject}: {re.sub('[0-9A-F]*[0-9][0-9A-F.,/:-]*', '#', self.text)}"


@dataclass(frozen=True)
class Known:
    """What people were told of it, and when; and when it was wrong last."""

    wrong: Wrong
    told: datetime
    seen: datetime


@dataclass(frozen=True)
class Notice:
    """What is to be told now, and what is known of it then: nothing, where it is over."""

    key: str
    wrong: Wrong
    known: Known | None


def due(found: Sequence[Wrong], known: Mapping[str, Known], now: datetime) -> Iterator[Notice]:
    """Say what people are to be told now. Pure."""
    there = {one.key: one for one in found}
    for key, one in there.items():
        was = known.get(key)
        if was is None or _is_worse(one, was) or (one.severity == "P1" and now - was.told >= REMIND):
            yield Notice(key, one, Known(one, now, now))
    for key, was in known.items():
        if key not in there and now - was.seen >= QUIET:
            yield Notice(key, replace(was.wrong, text=f"It is over: {was.wrong.text}"), None)


def _is_worse(one: Wrong, was: Known) -> bool:
    return SEVERITIES.index(one.severity) < SEVERITIES.index(was.wrong.severity)


def tell_what_lasts(whose: str, found: Sequence[Wrong], log: Logger, context: Context) -> None:
    """Tell people what is new of `whose`, what still lasts and what is over. What a channel did not take is told again.

    Raises NoConnection, AlertLate, AlertRefused, once all was tried.
    """
    known, now = _known(whose, log, context), datetime.now(UTC)
    there = {one.key for one in found}
    after = {key: replace(was, seen=now) if key in there else was for key, was in known.items()}
    failures: list[SluiceError] = []
    for notice in due(found, known, now):
        try:
            was_told = send_alert(
                notice.wrong.severity, notice.wrong.subject, notice.wrong.text, context, **notice.wrong.details
            )
        except SluiceError as error:
            failures.append(error)
            continue
        if notice.known is None:
            after.pop(notice.key)
        elif was_told:
            after[notice.key] = notice.known
        else:
            log.warning("Nobody is told: estate.yaml has neither `alerts` nor `notify` for %s.", notice.wrong.severity)
    if after or known:
        _note(whose, after, log, context)
    if failures:  # what may pass first: Airflow tries again after that alone
        raise next((one for one in failures if isinstance(one, AlertLate)), failures[0])


def _known(whose: str, log: Logger, context: Context) -> dict[str, Known]:
    from sluice.ledger.control import NoFacts

    try:
        with opened_control(whose, context["ti"].run_id) as control:
            facts = control.facts(TOLD, any_run=True).facts
    except NoFacts:
        return {}
    except SluiceError as error:
        log.warning("What people know already is not known, so they are told again: %s", error)
        return {}
    return {key: _read(kept) for key, kept in facts.items()}


def _note(whose: str, known: Mapping[str, Known], log: Logger, context: Context) -> None:
    facts = {
        key: {**asdict(one), "told": one.told.isoformat(), "seen": one.seen.isoformat()} for key, one in known.items()
    }
    try:
        with opened_control(whose, context["ti"].run_id) as control:
            control.record_facts(TOLD, facts, epoch=1)
    except SluiceError as error:
        log.warning("That people know is not kept, so they are told again: %s", error)


def _read(kept: Mapping[str, Any]) -> Known:
    return Known(Wrong(**kept["wrong"]), datetime.fromisoformat(kept["told"]), datetime.fromisoformat(kept["seen"]))
