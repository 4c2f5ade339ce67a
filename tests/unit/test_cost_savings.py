"""What would save, against sums reckoned by hand, and what is not said: nothing that may cost more or is not steady."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from sluice.estate.amounts import exactly, ranging
from sluice.estate.costs import Reserved
from sluice.insight.cost.costs import costs_of
from sluice.insight.cost.known import GB, Known, Load
from sluice.insight.cost.savings import Saving, candidates, largest

from tests.priced import IDLE, LISTED, MONTH, SERVER, TABLE, hourly, money, used

SMALL = replace(SERVER, kind="db.m6g.large")
STEADY = replace(SMALL, steady_days=90)
COLD = replace(TABLE, size=exactly(1000 * GB), writes=used(10))
FORTNIGHT = 14 * 24


def found(known: Known) -> dict[str, object]:
    """Give what would be told, were all of it told."""
    return {one.what: one.monthly for one in largest(candidates(known, LISTED), most=100)}


def test_a_cold_table_saves_in_the_infrequent_class():
    # storage 250 → 100; 26.28 million writes at 0.78 in place of 0.625
    assert found(Known(tables=(COLD,))) == {"move table users to the class Standard-IA": money("145.9266")}


def test_it_saves_least_where_it_holds_little_and_is_asked_much():
    table = replace(COLD, size=ranging(1000 * GB, 2000 * GB), writes=used(10, 100))
    # least: 150 − 262.8 × 0.155; most: 300 − 26.28 × 0.155
    assert found(Known(tables=(table,))) == {"move table users to the class Standard-IA": money("109.266", "295.9266")}


def test_a_busy_table_saves_nothing_there_and_an_infrequent_one_that_is_busy_does_in_standard():
    busy = replace(TABLE, writes=used(100))
    assert found(Known(tables=(busy,))) == {}
    # 262.8 million writes at 0.625 in place of 0.78, less 40 GB × 0.15
    assert found(Known(tables=(replace(busy, infrequent=True),))) == {
        "move table users to the class Standard": money("34.734")
    }


def test_a_steady_load_is_provisioned():
    table = replace(TABLE, writes=hourly(70, 70, FORTNIGHT), reads=hourly(0, 0, FORTNIGHT))
    # 183.96 million × 0.625, less 730 h × (100 units × 0.00065 + the 5 fewest × 0.00013)
    what = "provision the units of table users, scaled automatically at 70 %"
    assert found(Known(tables=(table,))) == {what: money("67.0505")}


def test_a_load_with_peaks_within_the_hour_is_not():
    table = replace(TABLE, writes=hourly(70, 700, FORTNIGHT), reads=hourly(0, 0, FORTNIGHT))
    assert found(Known(tables=(table,))) == {}


def test_nobody_says_how_a_table_is_paid_whose_indexes_are_not_measured():
    table = replace(TABLE, writes=hourly(70, 70, FORTNIGHT), reads=hourly(0, 0, FORTNIGHT), unmeasured=1)
    assert found(Known(tables=(table,))) == {}
    (cold,) = largest(candidates(Known(tables=(replace(COLD, unmeasured=4),)), LISTED))
    assert "what is read of its 4 indexes is not measured" in cold.risk


@pytest.mark.parametrize(("units", "told"), [(2800, True), (2801, False)])
def test_a_load_above_the_most_units_of_scaling_is_not(units: int, told: bool):
    table = replace(TABLE, writes=hourly(units, units, FORTNIGHT), reads=hourly(0, 0, FORTNIGHT))
    assert bool(found(Known(tables=(table,)))) is told


def test_a_load_that_is_known_for_less_than_a_fortnight_is_left_as_it_is():
    table = replace(TABLE, writes=hourly(70, 70, FORTNIGHT - 1), reads=hourly(0, 0, FORTNIGHT))
    assert found(Known(tables=(table,))) == {}


def test_units_that_nobody_uses_are_better_paid_by_request():
    writes, reads = (hourly(1, 5, FORTNIGHT, provisioned=100) for _ in range(2))
    # 47.45 + 9.49, less 2.628 million × 0.625 and × 0.125
    assert found(Known(tables=(replace(TABLE, writes=writes, reads=reads),))) == {
        "pay table users by request": money("54.969")
    }


def test_of_two_for_one_table_the_better_is_told():
    table = replace(
        COLD, writes=hourly(1, 5, FORTNIGHT, provisioned=100), reads=hourly(1, 5, FORTNIGHT, provisioned=100)
    )
    assert list(found(Known(tables=(table,)))) == ["move table users to the class Standard-IA"]


@pytest.mark.parametrize(("cpu", "memory", "told"), [(29, 39, True), (30, 39, False), (29, 40, False)])
def test_an_idle_server_is_made_smaller(cpu: int, memory: int, told: bool):
    idle = replace(SERVER, cpu=Decimal(cpu), memory=Decimal(memory), steady_days=400, standby=True)
    whats = found(Known(instances=(idle,)))
    assert whats.get("make shop-1 a db.r6g.large") == (money("328.5") if told else None)  # 2 × 730 × 0.225
    assert ("reserve 2 of db.r6g.xlarge for a year, for shop-1" in whats) is not told, (
        "not what should be smaller first"
    )


def test_a_server_that_nobody_measured_is_left_as_it_is():
    assert found(Known(instances=(replace(SERVER, cpu=Decimal(1)), replace(SERVER, memory=Decimal(1))))) == {}


def test_the_smallest_class_that_has_a_price_stays():
    assert found(Known(instances=(replace(SMALL, cpu=Decimal(1), memory=Decimal(1)),))) == {}


def test_what_a_reservation_covers_saves_nothing_by_being_smaller():
    idle = replace(SERVER, cpu=Decimal(1), memory=Decimal(1))
    assert found(Known(instances=(idle,), reserved=(Reserved(what="db.r6g.large", count=2),))) == {}


def test_provisioned_disks_move_to_gp3_and_gp2_costs_the_same():
    dear = replace(SMALL, disk=exactly(100), storage="io1", operations=1000)
    assert found(Known(instances=(dear,))) == {"move the disk of shop-1 from io1 to gp3": money("101")}  # 112.5 − 11.5
    # 4,000 operations are 1,000 more than come along: 412.5 − 11.5 − 20
    more = replace(dear, operations=4000)
    assert found(Known(instances=(more,))) == {"move the disk of shop-1 from io1 to gp3": money("381")}
    assert found(Known(instances=(replace(SMALL, storage="gp2"),))) == {}


def test_a_steady_server_is_reserved():
    what = "reserve 1 of db.m6g.large for a year, for shop-1"
    assert found(Known(instances=(STEADY,))) == {what: money("33.6603", "38.3031")}  # 116.07 × 0.29 to 0.33
    assert found(Known(instances=(replace(STEADY, steady_days=89),))) == {}
    assert found(Known(instances=(STEADY,), reserved=(Reserved(what="db.m6g.large", count=1),))) == {}


def test_only_as_many_are_reserved_as_no_reservation_covers():
    pair = replace(STEADY, name="shop-2", standby=True)
    known = Known(instances=(STEADY, pair), reserved=(Reserved(what="db.m6g.large", count=1),))
    what = "reserve 2 of db.m6g.large for a year, for shop-1, shop-2"
    assert found(known) == {what: money("67.3206", "76.6062")}


def test_of_two_sizes_the_larger_is_reserved_first():
    large = replace(STEADY, name="shop-2", kind="db.m6g.xlarge")
    known = Known(instances=(STEADY, replace(STEADY, name="shop-3"), large))
    assert sorted(found(known)) == [
        "reserve 1 of db.m6g.xlarge for a year, for shop-2",
        "reserve 2 of db.m6g.large for a year, for shop-1, shop-3",
    ]
    held = replace(known, reserved=(Reserved(what="db.m6g.large", count=2),))
    assert list(found(held)) == ["reserve 1 of db.m6g.xlarge for a year, for shop-2"], "what is left covers one alone"


def test_steady_units_are_reserved_by_the_hundred():
    load = Load(exactly(300), exactly(300), lowest=Decimal(250), days=90)
    known = Known(tables=(replace(TABLE, writes=load, reads=replace(IDLE, provisioned=exactly(0))),))
    assert found(known) == {"reserve 200 of dynamodb.write_units for a year": money("51.246")}  # 200 × 0.4745 × 0.54
    held = replace(known, reserved=(Reserved(what="dynamodb.write_units", count=200),))
    assert found(held) == {}
    short = replace(known.tables[0], writes=replace(load, days=89))
    assert found(Known(tables=(short,))) == {}


def test_nothing_is_reserved_for_a_table_that_should_be_paid_otherwise():
    writes = replace(hourly(1, 5, FORTNIGHT, provisioned=300), lowest=Decimal(300), days=90)
    table = replace(TABLE, writes=writes, reads=hourly(1, 5, FORTNIGHT, provisioned=5))
    assert list(found(Known(tables=(table,)))) == ["pay table users by request"]


def test_a_reservation_that_is_not_used_ends():
    held = (Reserved(what="db.m6g.large", count=4, monthly=exactly(400)),)
    known = Known(instances=(SMALL,), reserved=held)
    assert found(known) == {"let what is reserved of db.m6g end, or use it": money("300")}


def test_the_three_largest_are_told_largest_first():
    held = (Reserved(what="db.m6g.large", count=1, monthly=exactly(2)),)
    idle = replace(SERVER, cpu=Decimal(1), memory=Decimal(1))
    costs = costs_of(MONTH, Known(instances=(idle,), tables=(COLD,), reserved=held), LISTED, {})
    assert [one.what for one in costs.savings] == [
        "make shop-1 a db.r6g.large",
        "move table users to the class Standard-IA",
        "let what is reserved of db.m6g end, or use it",
    ]
    assert all(one.why and one.risk for one in costs.savings)


@pytest.mark.parametrize("monthly", [money("-1", "100"), money("0"), money("-5", "-1")])
def test_what_may_cost_more_is_not_told(monthly: object):
    assert largest([Saving("shop", "try", monthly, "", "", "it")]) == ()  # type: ignore[arg-type]
