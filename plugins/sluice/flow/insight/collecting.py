"""The operators of `collect_samples` and `measure_sizes`: look at each store, keep what is found, roll it up, forget the old."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from sluice.errors import Terminal, Transient
from sluice.estate import Store, read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.insight.collecting.cloudwatch import Reached
    from sluice.insight.collecting.collecting import Taken
    from sluice.insight.collecting.looked import Looked
    from sluice.ledger.samples import Samples

DAY = timedelta(days=1)
DROPPED = ("dropped_bytes", "dropped_rows_count")
LAGS_WITHIN = timedelta(minutes=10)
"""How old a heartbeat's word may be: it is given every five minutes."""
LEAST = 60.0
"""Seconds that a run lasts which fails."""


class NotMeasured(Terminal):
    """Something could not be looked at, and will not be until a person acts."""


@contextmanager
def opened_samples(purpose: str) -> Iterator[Samples]:
    """Open the ledger's samples. Raises NoConnection, StoreDown."""
    from sluice.ledger.samples import Samples
    from sluice.stores.postgres import connect

    with connect(dsn_of(read_stores(ROOT).ledger.connection), purpose=purpose) as c:
        yield Samples(c).prepare()


class CollectSamples(BaseOperator):
    """Look at every store once a minute, at each full minute of the ledger's clock, as often as `params.looks` says."""

    ui_color = "#e8f1fb"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._said: set[str] = set()

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many looks there were, and numbers. Raises NotMeasured, at the end; StoreDown where the ledger is."""
        from sluice.flow.insight.looks import Eyes
        from sluice.insight.collecting.collecting import collect, keep

        check_words(context)
        looks, kept = int(context["params"]["looks"]), 0
        taken: Sequence[Taken] = ()
        with unhurried(), opened_samples("collecting") as samples:
            eyes = Eyes(reached_of(samples))
            eyes.looks(samples.now())  # connections and clients take seconds to make: before the minute, not in it
            for _ in range(looks):
                time.sleep(seconds_to_next(samples.now()))
                now = samples.now()
                taken = collect(eyes.looks(now), now)
                count = keep(samples, taken) + keep_lags(samples, eyes.stores, now, context["run_id"])
                self._tell(now, count, taken)
                kept += count
        require_measured(taken)
        return {"looks": looks, "numbers": kept}

    def _tell(self, now: datetime, count: int, taken: Sequence[Taken]) -> None:
        slowest = max(taken, key=lambda one: one.seconds)
        told = f"{slowest.look.part} of {slowest.look.store}, {slowest.seconds:.2f} s"
        self.log.info("%s: %s looks, %s numbers; the slowest: %s", f"{now:%H:%M}", len(taken), count, told)
        for one in taken:
            for what in (*one.looked.notes, *([str(one.failed)] if one.failed else [])):
                if what not in self._said:  # once for each run, and not every minute
                    self._said.add(what)
                    self.log.warning("%s", what)


@contextmanager
def unhurried() -> Iterator[None]:
    """Let no failure come sooner than a minute: one run follows another, and one that fails at once would turn in circles."""
    began = time.monotonic()
    try:
        yield
    except Exception:
        time.sleep(max(0.0, LEAST - (time.monotonic() - began)))
        raise


class ListStores(BaseOperator):
    """List the stores of the estate."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have. Raises EstateErrors."""
        check_words(context)
        return list(read_stores(ROOT).stores)


class MeasureSizes(BaseOperator):
    """Measure how large everything in a store is. In no pool: numbers must not wait behind the work that they watch."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#e8f1fb"

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store

    def execute(self, context: Context) -> int:
        """Give how many numbers were kept. Raises NoConnection, StoreDown, Refused, LockBusy, DynamoDown, AccessDenied."""
        store = read_stores(ROOT).stores[self.store]
        with opened_samples(f"sizes {self.store}") as samples:
            measured = _measured(self.store, store, samples)
            for note in measured.notes:
                self.log.warning("%s", note)
            return samples.record(samples.now(), measured.values)


class RollUpSamples(BaseOperator):
    """Roll up every hour and day that is not rolled up yet, or may have got numbers late, and forget what is too old."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> list[str]:
        """Give which days of samples were dropped. Raises StoreDown."""
        kept = read_stores(ROOT).insight.keep
        with opened_samples("rolling up") as samples:
            end = samples.now()
            # An outage of CloudWatch's reader brings numbers of up to a day ago; a pause of this DAG leaves hours behind.
            start = min(samples.rolled_up_to() or end - timedelta(days=kept.samples.days), end - DAY)
            samples.roll_up(start, end)
            before = [end.date() - timedelta(days=one.days) for one in (kept.samples, kept.hours, kept.days)]
            gone = samples.forget(*before)
        self.log.info("Rolled up from %s; dropped: %s", f"{start:%Y-%m-%d %H:%M}", ", ".join(gone) or "nothing")
        return gone


def seconds_to_next(now: datetime) -> float:
    """Say how long it is until the next full minute."""
    return 60 - now.second - now.microsecond / 1e6


def reached_of(samples: Samples) -> Reached:
    """Say up to where services were read, by what is kept of each."""
    from sluice.insight.collecting.cloudwatch import MINUTE, Reached
    from sluice.insight.collecting.dynamodb import EXPLAINING, URGENT
    from sluice.insight.collecting.rds import KEY

    reached, now = Reached(), samples.now()
    for metric, part in {KEY: "", "read_units_rate": URGENT, "system_errors_rate": EXPLAINING}.items():
        for series, found in samples.between([metric], now - DAY, now).items():
            name = f"{series.store}{part}"
            reached.ends[name] = max(found[-1].at + MINUTE, reached.ends.get(name, found[-1].at))
    return reached


def keep_lags(samples: Samples, stores: dict[str, Store], now: datetime, run: str) -> int:
    """Keep how late the latest replica of each store is, by the heartbeat that `watch_replicas` gives; say how many it were."""
    from sluice.flow.safety.replicated import last, of_replicas
    from sluice.flow.safety.watching_replicas import GATE
    from sluice.ledger.control import Control
    from sluice.ledger.samples import Sample, Series

    found = []
    for name in (name for name, store in stores.items() if store.replicas):
        told = last(Control(samples.connection, of_replicas(name), run).prepare(), GATE)
        # A replica whose lag nobody knows is not one without any.
        if told and told.at > now - LAGS_WITHIN and told.facts["servers"] > 1 and not told.facts["lag_unknown"]:
            late = told.facts["lag_milliseconds"] / 1000
            found.append((Series(name, "replica_lag_seconds"), Sample(told.at, late)))
    return samples.record_history(found)


def keep_stream_age(store: str, migration: str, seconds: float) -> None:
    """Keep how far a follower is behind its stream. Raises NoConnection, StoreDown, Refused."""
    from sluice.ledger.samples import Series

    with opened_samples(f"stream {migration}") as samples:
        samples.record(samples.now(), {Series(store, "stream_age_seconds", migration): seconds})


def require_measured(taken: Sequence[Taken]) -> None:
    """Raise NotMeasured where the last look at something failed for a reason that does not pass by itself."""
    failed = [one for one in taken if one.failed and not one.is_silent and not isinstance(one.failed, Transient)]
    if failed:
        told = "; ".join(f"{one.look.part} of {one.look.store}: {one.failed}" for one in failed)
        raise NotMeasured(f"Not measured, all else is: {told}")


def _measured(name: str, store: Store, samples: Samples) -> Looked:
    from sluice.insight.collecting.dynamodb import measure_tables
    from sluice.insight.collecting.sizes import measure_sizes

    if store.engine == "dynamodb":
        from sluice.flow.insight.looks import client_of, tables_of

        client = client_of(store.connection, "dynamodb")
        return measure_tables(client, name, tables_of(store, client, name))
    from sluice.flow.insight.looks import size_of

    now = samples.now()
    before = samples.between(DROPPED, now - timedelta(days=read_stores(ROOT).insight.keep.samples.days), now, name)
    last = {series: found[-1] for series, found in before.items()}
    return measure_sizes(dsn_of(store.connection), name, last, size_of(store), in_cloud=store.watch.cloud is not None)
