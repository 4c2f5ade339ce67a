"""What is measured of a store becomes what it costs: samples in the ledger, rolled up, read again, priced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sluice.estate.amounts import exactly
from sluice.insight.cost.costs import costs_of
from sluice.insight.cost.forecast import Ahead
from sluice.insight.cost.from_samples import instance_of, tables_of
from sluice.insight.cost.known import GB, Known
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Samples, Series
from sluice.stores.postgres import connect

from tests.priced import LISTED, by_store, money

START = datetime(2024, 4, 1, tzinfo=UTC)
DAYS, DAY, HOUR = 20, timedelta(days=1), timedelta(hours=1)
SIZE = Series("tyler", "items_bytes", "users")
WRITES = Series("tyler", "write_units_rate", "users")
READS = Series("tyler", "read_units_rate", "users")
CPU, MEMORY, UP = (Series("shop", name) for name in ("cpu_percent", "memory_used_percent", "up_count"))
ANSWER = {
    "DBInstanceIdentifier": "shop-1",
    "DBInstanceClass": "db.r6g.xlarge",
    "AllocatedStorage": 400,
    "StorageType": "gp3",
}


def test_hours_in_the_ledger_are_priced(database):
    """A table of 40 GB, 100 writes a second on even days and 200 on odd ones; a server that idles."""
    values = {SIZE: 40.0 * GB, READS: 0.0, CPU: 12.0, MEMORY: 31.0, UP: 1.0}
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        samples = Samples(c).prepare()
        for hour in range(DAYS * 24):
            at = START + hour * HOUR
            samples.record(at, {**values, WRITES: 100.0 * (1 + at.day % 2)})
        samples.roll_up(START, START + DAYS * DAY)
        hours = samples.spans("hour", list(METRICS), START, START + DAYS * DAY)
    tables = tables_of("tyler", hours, {})
    known = Known((instance_of("shop", ANSWER, hours, 85),), tables)
    ahead = {SIZE: Ahead(Decimal(40 * GB), exactly(80 * GB))}
    costs = costs_of(START.date(), known, LISTED, ahead)
    assert by_store(costs) == {"shop": money("374.5"), "tyler": money("174.25", "338.5")}
    assert costs.later == money("558.75", "723")  # ten dollars more: the table holds twice as much
    assert [(one.what, one.monthly) for one in costs.savings[:1]] == [("make shop-1 a db.r6g.large", money("164.25"))]
