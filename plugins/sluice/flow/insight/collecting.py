"""The operator of `collect_samples`: look at every store each minute, and keep what is found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

from sluice.errors import Terminal, Transient
from sluice.estate import Store
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.insight.collecting.cloudwatch import Reached
    from sluice.insight.collecting.collecting import Taken
    from sluice.ledger.samples import Samples

DAY = timedelta(days=1)
LAGS_WITHIN = timedelta(minutes=10)
"""How old a heartbeat's word may be: it is given every five minutes."""
LEAST = 60.0
"""Seconds that a run lasts which fails."""


class NotMeasured(Terminal):
    """Something could not be looked at, and will not be until a person acts."""


class CollectSamples(BaseOperator):
    """Look at every store once a minute, at each full minute of the ledger's clock, as often as `params.looks` says."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many looks there were, and numbers. Raises NotMeasured, at the end; StoreDown where the ledger is."""
        from sluice.flow.insight.looks import Eyes
        from sluice.flow.insight.streams import keep_silent_streams
        from sluice.insight.collecting.collecting import collect, keep

        check_words(context)
        looks, kept = int(context["params"]["looks"]), 0
        taken: Sequence[Taken] = ()
        said = set[str]()
        with unhurried(), opened_ledger("collecting") as ledger:
            samples = ledger.samples
            eyes = Eyes(reached_of(samples))
            eyes.looks(samples.now())  # connections and clients take seconds to make: before the minute, not in it
            for _ in range(looks):
                time.sleep(seconds_to_next(samples.now()))
                now = samples.now()
                taken = collect(eyes.looks(now), now)
                count = keep(samples, taken) + keep_lags(samples, eyes.stores, now, context["run_id"])
                count += keep_silent_streams(samples)
                self._tell(now, count, taken, said)
                kept += count
        require_measured(taken)
        return {"looks": looks, "numbers": kept}

    def _tell(self, now: datetime, count: int, taken: Sequence[Taken], said: set[str]) -> None:
        slowest = max(taken, key=lambda one: one.seconds)
        told = f"{slowest.look.part} of {slowest.look.store}, {slowest.seconds:.2f} s"
        self.log.info("%s: %s looks, %s numbers; the slowest: %s", f"{now:%H:%M}", len(taken), count, told)
        for one in taken:
            failed = [f"{one.look.part} of {one.look.store}: {one.failed}"] if one.failed else []
            for what in (*one.looked.notes, *failed):
                if what not in said:  # once for each run, and not every minute
                    said.add(what)
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


def seconds_to_next(now: datetime) -> float:
    """Say how long it is until the next full minute."""
    return 60 - now.second - now.microsecond / 1e6


def reached_of(samples: Samples) -> Reached:
    """Say up to where services were read, and how large disks were, by what is kept of each."""
    from sluice.insight.collecting.cloudwatch import AS_NOW, MINUTE, Reached
    from sluice.insight.collecting.dynamodb import EXPLAINING, URGENT, part_of
    from sluice.insight.collecting.rds import KEY, disk_of
    from sluice.ledger.samples import Series

    reached, now = Reached(), samples.now()
    sorts = {"read_units_rate": URGENT, "system_errors_rate": EXPLAINING}
    for series, last in samples.latest(now, within=DAY, metrics=[KEY, *sorts]).items():
        is_table = series.metric in sorts
        name = part_of(series.store, sorts[series.metric], series.subject) if is_table else series.store
        reached.ends[name] = last.at + MINUTE
    # As it was some minutes ago: that it is still the same tells of all between. CloudWatch's come later than a size is seen.
    disks = samples.latest(now - AS_NOW, within=DAY, metrics=["disk_used_bytes", "disk_free_bytes"])
    for series, held in disks.items():
        free = disks.get(Series(series.store, "disk_free_bytes"))
        if series.metric == "disk_used_bytes" and free and free.at == held.at:
            reached.sizes[disk_of(series.store)] = (held.at, held.value + free.value)
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


def require_measured(taken: Sequence[Taken]) -> None:
    """Raise NotMeasured where the last look at something failed for a reason that does not pass by itself."""
    failed = [one for one in taken if one.failed and not one.is_silent and not isinstance(one.failed, Transient)]
    if failed:
        told = "; ".join(f"{one.look.part} of {one.look.store}: {one.failed}" for one in failed)
        raise NotMeasured(f"Not measured, all else is: {told}")
