"""The operators of `watch_health`: look at the estate's health, tell people of what changed, and say that somebody looked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import SluiceError, Transient
from sluice.estate import read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.insight.blind import note_watched, tell_blind
from sluice.flow.insight.channels import PATIENCE, AlertLate, Notice, channels_of, hushed_hook, name_of, send, taken_by
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.models import Channel, Store
    from sluice.insight.health.asking import OpenStore
    from sluice.insight.health.looking import Seen
    from sluice.ledger.incidents import Incidents
    from sluice.stores.postgres import Connection

QUESTION = "5s"
"""For how long a question to a store may run."""
ANSWERED_WITHIN = timedelta(seconds=10)
"""Whoever has not answered by then hangs: a frozen server ends no statement by itself."""
TEST = "This is a test, nothing is wrong: who reads this is told here of what is {} or more urgent."


class NoAnswer(Transient):
    """A store is too slow for a question of a moment."""


@contextmanager
def opened_store(name: str, dsn: str) -> Iterator[Connection]:
    """Open a transaction of a store for a question of a moment; one that hangs is cut off.

    Raises StoreDown, Refused, ThroughPooler, NoAnswer.
    """
    from psycopg.errors import QueryCanceled

    from sluice.insight.collecting.lifeline import cut_after
    from sluice.insight.collecting.sessions import opened

    limits = {"statement_timeout": QUESTION, "lock_timeout": QUESTION}
    try:
        with cut_after(ANSWERED_WITHIN) as line, opened(dsn, name, "health", line, **limits) as c:
            yield c
    except QueryCanceled as error:
        raise NoAnswer(
            f"{name} has not answered a question within {QUESTION}. It is asked again at the next look."
        ) from error


def opener_of(stores: Mapping[str, Store]) -> OpenStore:
    """Give what opens each store of PostgreSQL. Airflow is asked for all addresses here: stores are opened in threads.

    What is opened raises NoConnection besides.
    """
    had = {name: _address(store.connection) for name, store in stores.items() if store.engine == "postgres"}

    def open_store(name: str) -> AbstractContextManager[Connection]:
        address = had[name]
        if isinstance(address, SluiceError):
            raise address
        return opened_store(name, address)

    return open_store


def _address(connection: str) -> str | SluiceError:
    try:
        return dsn_of(connection)
    except SluiceError as error:
        return error


class WatchHealth(BaseOperator):
    """Judge the numbers by the rules, and keep what became of the incidents."""

    ui_color = "#e8f1fb"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(on_failure_callback=tell_blind, **kwargs)

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many incidents are open, how much is wrong, and how much is to be told. Raises EstateErrors, StoreDown."""
        from sluice.insight.health.looking import watch
        from sluice.insight.health.rules import read_rules_that_hold
        from sluice.ledger.seen import SeenThings
        from sluice.overview.estate.watchers import HEALTH

        check_words(context)
        estate = read_stores(ROOT)
        rules = read_rules_that_hold(ROOT, estate.stores)
        with opened_ledger("health") as ledger:
            seen = watch(ledger.connection, estate.stores, estate.insight, rules, opener_of(estate.stores))
            try:
                SeenThings(ledger.connection).prepare().note_looked(HEALTH)
            except SluiceError as error:  # a note for a page stops no alarm
                self.log.warning("That somebody has looked was not noted: %s", error)
        for failure in seen.failures:
            self.log.warning("%s", failure)
        note_watched(channels_of(estate), context)
        return self._told(seen)

    def _told(self, seen: Seen) -> dict[str, int]:
        from sluice.insight.health.incidents import members_of
        from sluice.insight.health.telling import table

        self.log.info("%s", table(seen.outcome.incidents))
        found = list(members_of(seen.outcome.incidents))
        opened = sum(one.cleared is None for one in seen.outcome.incidents)
        return {"incidents": opened, "wrong": len(found), "to_tell": len(seen.outcome.messages)}


class TellIncidents(BaseOperator):
    """Tell each channel what it has not taken yet; with `params.test`, that it can be told, first of all."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many messages each channel took. Raises NoConnection, AlertLate, AlertRefused, once all were tried."""
        channels = channels_of(read_stores(ROOT))
        failures: list[SluiceError] = self._try(channels) if context["params"].get("test") else []
        with opened_ledger("health") as ledger:
            taken = {name_of(one): self._tell(one, ledger.incidents, failures) for one in channels}
        if not channels:
            self.log.warning("Nobody is told: estate.yaml has neither `alerts` nor `notify`.")
        if failures:
            raise next((one for one in failures if isinstance(one, AlertLate)), failures[0])
        return taken

    def _try(self, channels: Sequence[Channel]) -> list[SluiceError]:
        """Send each channel a test message, however little it is told of; say of each whether it took it."""
        failures: list[SluiceError] = []
        for channel in channels:
            try:
                send(channel, Notice("P4", "A test of Sluice's channels", TEST.format(channel.since), {"kind": "test"}))
            except SluiceError as error:
                failures.append(error)
                self.log.error("%s: did not take the test message. %s", name_of(channel), error)
            else:
                self.log.info("%s: took the test message.", name_of(channel))
        return failures

    def _tell(self, channel: Channel, incidents: Incidents, failures: list[SluiceError]) -> int:
        count = 0
        for message in incidents.untold(name_of(channel), taken_by(channel), incidents.now()):
            details = {**message.details, "at": message.at.isoformat()}
            try:
                send(channel, Notice(message.severity, message.subject, message.text, details))
            except SluiceError as error:
                incidents.note_told(message, name_of(channel), str(error).partition("\n")[0])
                failures.append(error)
                if isinstance(error, AlertLate):
                    break  # who does not answer would not take the next one either, and each try takes its time
            else:
                incidents.note_told(message, name_of(channel))
                count += 1
        return count


class NotHeard(AlertLate):
    """Who waits for the call after each look did not take it."""


class CallAlive(BaseOperator):
    """Call whoever tells people when these calls end: nobody else would notice that this watch is dead."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> None:
        """Call. Raises NoConnection, NotHeard."""
        from airflow.sdk.exceptions import AirflowException
        from requests import RequestException

        if (alive := read_stores(ROOT).insight.alive) is None:
            raise AirflowSkipException("Nobody waits for a call: estate.yaml has no `insight.alive`.")
        try:
            hushed_hook("GET", alive).run(extra_options={"timeout": PATIENCE})
        except (AirflowException, RequestException) as error:  # the address is a secret with most such services
            raise NotHeard(
                f"{alive!r} was not called ({type(error).__name__}). It is tried again by itself; is the connection there?"
            ) from None
