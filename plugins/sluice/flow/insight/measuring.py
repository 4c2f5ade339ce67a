"""The operators of `measure_sizes`: measure each store, roll up what was sampled, and forget what is too old.

Rolling up may take longer than it is given, where much is measured and it stood still: each hour stays that is done, and what is
too old is forgotten by a task of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.estate import Store, read_stores
from sluice.flow.connections import aws_client, dsn_of
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.insight.collecting.looked import Looked
    from sluice.ledger.samples import Samples

HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
UNFINISHED = 2 * HOUR
"""The last hour that was rolled up had not ended; of the one before, the last numbers came later. All later ones are noted."""
DROPPED = ("dropped_bytes", "dropped_rows_count")


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
        store = read_stores(ROOT).stores.get(self.store)
        if store is None:
            raise AirflowSkipException(
                f"include/estate/estate.yaml has no store {self.store!r} any more: nothing is measured."
            )
        with opened_ledger(f"sizes {self.store}") as ledger:
            samples = ledger.samples
            measured = _measured(self.store, store, samples)
            for note in measured.notes:
                self.log.warning("%s", note)
            return samples.record(samples.now(), measured.values)


class RollUpSamples(BaseOperator):
    """Roll up every hour and day that is not rolled up yet, or may have got numbers late."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> str:
        """Give from when on it did. Raises StoreDown; what was done until then stays done."""
        kept = read_stores(ROOT).insight.keep
        with opened_ledger("rolling up") as ledger:
            end = ledger.samples.now()
            start = _roll_up(ledger.samples, end, oldest=end - timedelta(days=kept.samples.days))
        self.log.info("Rolled up from %s", f"{start:%Y-%m-%d %H:%M}")
        return start.isoformat()


class ForgetSamples(BaseOperator):
    """Forget what is too old and was rolled up, before anything more is."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> list[str]:
        """Give which days of samples were dropped. Raises StoreDown, LockBusy."""
        kept = read_stores(ROOT).insight.keep
        with opened_ledger("forgetting") as ledger:
            samples = ledger.samples
            today, rolled = samples.now().date(), samples.rolled_up_to()
            oldest, hours, days = (today - timedelta(days=one.days) for one in (kept.samples, kept.hours, kept.days))
            # Where rolling up stands still its numbers wait for it: of a number nobody rolled up nothing would be left.
            gone = samples.forget(min(oldest, rolled.date()) if rolled else oldest, hours, days)
        self.log.info("Dropped: %s", ", ".join(gone) or "nothing")
        return gone


def _roll_up(samples: Samples, end: datetime, oldest: datetime) -> datetime:
    """Roll up what is new, and each hour of which numbers came late; say from when on everything was."""
    rolled = samples.rolled_up_to()
    start = rolled - UNFINISHED if rolled else oldest
    for day, night in pieces(start, end, ONE_DAY):
        for hour, over in pieces(day, night, HOUR):
            samples.roll_up(hour, over, ["hour"])
        samples.roll_up(day, night, ["day"])
    for hour in samples.late_hours():
        if hour >= oldest:
            samples.roll_up(hour, hour + HOUR)
    return start


def pieces(start: datetime, end: datetime, length: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Cut a window at whole hours or days, in UTC. Pure."""
    first = datetime(1970, 1, 1, tzinfo=UTC)
    while start < end:
        until = min(end, first + ((start - first) // length + 1) * length)
        yield start, until
        start = until


def _measured(name: str, store: Store, samples: Samples) -> Looked:
    from sluice.flow.insight.looks import size_of, tables_of
    from sluice.insight.collecting.looked import Looked
    from sluice.insight.collecting.sizes import measure_sizes
    from sluice.insight.collecting.tables import measure_tables

    if store.engine == "dynamodb":
        client = aws_client(store.connection, "dynamodb")
        listed = tables_of(store, client, name)
        return measure_tables(client, name, listed.names) + Looked(notes=listed.notes)
    now = samples.now()
    before = samples.between(DROPPED, now - timedelta(days=read_stores(ROOT).insight.keep.samples.days), now, name)
    last = {series: found[-1] for series, found in before.items()}
    return measure_sizes(dsn_of(store.connection), name, last, size_of(store), in_cloud=store.watch.cloud is not None)
