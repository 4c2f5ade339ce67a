"""Servers and tables as they are made of hours in the ledger and of what AWS answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sluice.estate.amounts import exactly, ranging
from sluice.insight.cost.costs import costs_of
from sluice.insight.cost.from_samples import (
    Described,
    instance_of,
    percentile,
    table_described,
    tables_of,
)
from sluice.insight.cost.known import Known
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Series, Span

from tests.priced import LISTED, MONTH

START = datetime(2026, 7, 1, tzinfo=UTC)
ANSWER = {
    "DBInstanceIdentifier": "shop-1",
    "DBInstanceClass": "db.r6g.xlarge",
    "AllocatedStorage": 400,
    "MultiAZ": True,
    "StorageType": "gp3",
    "Iops": 12000,
}


def hours(*means: float, busier: float = 0) -> list[Span]:
    """Give an hour for each mean, from START on."""
    return [
        Span(START + timedelta(hours=number), mean, mean + busier, mean, mean, 60) for number, mean in enumerate(means)
    ]


def test_every_metric_that_is_asked_for_is_measured():
    asked = {
        *("items_bytes", "read_units_rate", "write_units_rate"),
        *("read_units_provisioned_rate", "write_units_provisioned_rate"),
        *("cpu_percent", "memory_used_percent", "up_count", "index_bytes", "disk_used_bytes", "transactions_rate"),
    }
    assert asked <= set(METRICS)


@pytest.mark.parametrize(("percent", "value"), [(10, 1), (11, 2), (50, 5), (90, 9), (95, 10), (100, 10), (0, 1)])
def test_a_percentile_is_the_nearest_rank(percent: int, value: float):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


def test_a_percentile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_table_on_demand_lies_between_its_low_and_its_high_days():
    days = [mean for day in range(1, 11) for mean in [day - 1, day + 1] * 12]  # means of 1, 2 … 10
    found = {
        Series("tyler", "items_bytes", "users"): hours(5, 7),
        Series("tyler", "write_units_rate", "users"): hours(*days, busier=3),
        Series("other", "items_bytes", "users"): hours(1),
        Series("tyler", "items_bytes", "empty"): [],
    }
    (table,) = tables_of("tyler", found, {"users": Described(infrequent=True, continuous_backup=True)})
    assert (table.name, table.size, table.infrequent, table.continuous_backup) == ("users", exactly(7.0), True, True)
    assert table.writes.used == ranging(1.0, 9.0)
    assert table.writes.provisioned is None
    assert (table.writes.hours[1].mean, table.writes.hours[1].busiest) == (Decimal("2"), Decimal("5"))
    assert table.reads.used == exactly(0)


def test_a_table_that_was_deleted_is_not_paid_any_more_and_all_are_while_nobody_measures():
    gone, there = Series("tyler", "items_bytes", "gone"), Series("tyler", "items_bytes", "users")
    found = {gone: hours(*[9] * 24), there: hours(*[7] * 48)}
    assert [one.name for one in tables_of("tyler", found, {})] == ["users"]
    found[there] = hours(*[7] * 47)
    assert [one.name for one in tables_of("tyler", found, {})] == ["gone", "users"], "a day has not passed"


def test_a_provisioned_table_says_what_it_never_fell_below():
    found = {
        Series("tyler", "items_bytes", "users"): hours(7),
        Series("tyler", "write_units_rate", "users"): hours(*[1.0] * 48),
        Series("tyler", "write_units_provisioned_rate", "users"): hours(*[300.0] * 24, *[250.0] * 24),
    }
    (table,) = tables_of("tyler", found, {})
    assert table.writes.provisioned == ranging(250.0, 300.0)
    assert (table.writes.lowest, table.writes.days) == (Decimal(250), 2)


def test_a_table_that_was_put_on_demand_since_is_on_demand():
    found = {
        Series("tyler", "items_bytes", "users"): hours(7),
        Series("tyler", "write_units_rate", "users"): hours(*[1.0] * 48),
        Series("tyler", "write_units_provisioned_rate", "users"): hours(*[300.0] * 24),
    }
    (table,) = tables_of("tyler", found, {})
    assert (table.writes.provisioned, table.writes.lowest, table.writes.days) == (None, Decimal(0), 0)


def test_a_server_is_as_aws_describes_it_and_as_it_was_measured():
    found = {
        Series("shop", "cpu_percent"): hours(*[10.0] * 336, busier=5),
        Series("shop", "memory_used_percent"): hours(*[30.0] * 335),
        Series("shop", "up_count"): hours(*[1.0] * 2400),
    }
    server = instance_of("shop", ANSWER, found, 80)
    assert (server.store, server.name, server.kind, server.disk) == ("shop", "shop-1", "db.r6g.xlarge", exactly(400))
    assert (server.standby, server.storage, server.operations, server.full_at) == (True, "gp3", 12000, 80)
    assert server.cpu == Decimal("15"), "its busiest minutes"
    assert server.memory is None, "an hour short of a fortnight"
    assert server.steady_days == 100


def test_a_server_of_which_little_is_answered_is_one_alone_on_gp2():
    least = {key: ANSWER[key] for key in ("DBInstanceIdentifier", "DBInstanceClass", "AllocatedStorage")}
    server = instance_of("shop", least, {}, 85)
    assert (server.standby, server.storage, server.operations, server.steady_days) == (False, "gp2", 0, 0)


@pytest.mark.parametrize(("down", "days"), [(0, 100), (120, 100), (121, 0)])
def test_a_server_that_was_down_in_a_twentieth_of_its_hours_is_not_steady(down: int, days: int):
    spans = [replace(span, highest=0.0) if number < down else span for number, span in enumerate(hours(*[1.0] * 2400))]
    assert instance_of("shop", ANSWER, {Series("shop", "up_count"): spans}, 85).steady_days == days


def test_hours_that_nobody_measured_count_as_down():
    spans = [span for number, span in enumerate(hours(*[1.0] * 2400)) if number % 10]
    assert instance_of("shop", ANSWER, {Series("shop", "up_count"): spans}, 85).steady_days == 0


def test_what_the_service_says_of_a_table_is_read():
    off = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "DISABLED"}}
    on = {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}}
    rare = {"Table": {"TableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"}}}
    assert table_described({"Table": {}}, off) == Described()
    assert table_described(rare, on) == Described(infrequent=True, continuous_backup=True)


INDEXED = {
    "GlobalSecondaryIndexes": [
        {"IndexName": "GSI1", "ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": 20}},
        {"IndexName": "GSI2", "ProvisionedThroughput": {"ReadCapacityUnits": 30, "WriteCapacityUnits": 40}},
    ]
}


def test_a_write_goes_to_none_of_the_indexes_or_to_all_of_them():
    described = table_described({"Table": INDEXED}, {"ContinuousBackupsDescription": {}})
    assert described == Described(unmeasured=2, reads=40, writes=60)
    found = {
        Series("tyler", "items_bytes", "users"): hours(7),
        Series("tyler", "read_units_rate", "users"): hours(5.0),
        Series("tyler", "write_units_rate", "users"): hours(5.0),
    }
    (table,) = tables_of("tyler", found, {"users": described})
    assert (table.reads.used, table.writes.used, table.unmeasured) == (exactly(5.0), ranging(5.0, 15), 2)
    (note, *_) = costs_of(MONTH, Known(tables=(table,)), LISTED, {}).notes
    assert note.startswith("what indexes are read is not measured") and note.endswith("tyler users")


def test_what_is_provisioned_for_indexes_is_paid_too():
    found = {
        Series("tyler", "items_bytes", "users"): hours(7),
        **{Series("tyler", f"{kind}_units_provisioned_rate", "users"): hours(100.0) for kind in ("read", "write")},
    }
    (table,) = tables_of("tyler", found, {"users": Described(unmeasured=2, reads=40, writes=60)})
    assert (table.reads.provisioned, table.writes.provisioned) == (exactly(140), exactly(160))
    assert (table.reads.lowest, table.writes.lowest) == (Decimal(140), Decimal(160))
    assert not any("indexes" in note for note in costs_of(MONTH, Known(tables=(table,)), LISTED, {}).notes)
