"""What the demo of the capacity report plays on: a year of days in the ledger, and Airflow, which reports its last weeks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from time import monotonic, sleep
from types import TracebackType

from sluice.ledger.forecasts import Forecasts, Reported
from sluice.ledger.samples import Samples
from sluice.local import databases
from sluice.local.airflow_api import FINISHED
from sluice.local.demo.insight.year import EVENTS, LEDGER, SHOP, hours, year
from sluice.local.demo.stage import RunFailed, Stage
from sluice.local.environment import REGION
from sluice.local.machine import VAULT_BUCKET
from sluice.stores.clock import find_now
from sluice.stores.objects import Vault, vault_client
from sluice.stores.postgres import Connection, connect
from sluice.stores.statements import statement

DAG = "capacity_report"
STORES = (SHOP, EVENTS, LEDGER)
WEEK, AT_SIX = timedelta(days=7), time(6, tzinfo=UTC)
LONGEST = 600.0
"""Seconds that one report may take, with all that Airflow does."""


class Insight(Stage):
    """Three made-up stores, and nobody who writes."""

    dag_ids = (DAG,)

    def begin_afresh(self) -> None:
        """Forget the year of an earlier demo, and keep a new one: it ends with the last Monday's window."""
        self.ledger: Connection = connect(self.settings.dsn("sluice", databases.LEDGER), purpose="demo")
        samples = Samples(self.ledger).prepare()
        self.ledger.execute(statement("demo.clear_year"), {"stores": list(STORES)})
        now = find_now(self.ledger)
        latest = now.astimezone(UTC) - timedelta(hours=AT_SIX.hour)
        self.until: date = latest.date() - timedelta(days=latest.weekday())
        self.days = samples.record_spans("day", year(self.until)) + samples.record_spans("hour", hours(self.until))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.options.keep:
            self.ledger.execute(statement("demo.clear_year"), {"stores": list(STORES)})
        self.ledger.close()
        super().__exit__(kind, error, trace)

    def reports_until(self, until: date, count: int = 1) -> list[Reported]:
        """Let Airflow make the reports of so many weeks up to a Monday, one after the other. Raises RunFailed."""
        last = datetime.combine(until - WEEK, AT_SIX)
        first = last - (count - 1) * WEEK
        started = self.api.create_backfill(DAG, first, last, "completed", at_once=1)
        self._watch(first, last, count)
        self.api.wait_backfill(DAG, started, seconds=LONGEST * count)
        done = self.api.runs(DAG, first, last)
        self.runs += [run.run_id for run in done]
        for run in done:
            if run.state != "success":
                raise RunFailed(self.why_red(DAG, run.run_id))
        return [self._kept(until - number * WEEK) for number in range(count)][::-1]

    def _watch(self, first: datetime, last: datetime, count: int) -> None:
        """Say how many are done, while they are."""
        told, deadline = 0, monotonic() + LONGEST * count
        while told < count and monotonic() < deadline:
            done = sum(run.state in FINISHED for run in self.api.runs(DAG, first, last))
            if done > told:
                self.say(f"  {done} of {count}")
            told = max(told, done)
            sleep(2)

    def _kept(self, until: date) -> Reported:
        found = Forecasts(self.ledger).report_before(until + timedelta(days=1))
        if found is None or found.until != until:
            raise RunFailed(f"{DAG} is green and has left no report until {until}.")
        return found

    @cached_property
    def vault(self) -> Vault:
        """The vault."""
        key, secret = self.settings.secrets["vault_key"], self.settings.secrets["vault_secret"]
        return Vault(vault_client(self.settings.vault_url, key, secret, REGION), VAULT_BUCKET)
