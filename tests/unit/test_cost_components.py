"""What each part costs, against sums reckoned by hand from the shipped list prices; and in 90 days."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from sluice.estate.amounts import exactly, ranging
from sluice.estate.costs import CostLine, Reserved
from sluice.estate.instance_sizes import UnknownClass
from sluice.insight.cost.components import components, sum_of
from sluice.insight.cost.costs import costs_of, how
from sluice.insight.cost.forecast import GROWS_WITH, Ahead, growth, later, not_forecast
from sluice.insight.cost.known import GB, Known, Load, Written
from sluice.insight.cost.prices import UnknownPrice
from sluice.insight.cost.reserved import uses
from sluice.ledger.samples import Series

from tests.priced import LISTED, MONTH, SERVER, TABLE, by_store, money, used


def sums(known: Known) -> dict[str, object]:
    return {one.what: one.monthly for one in components(known, LISTED)}


def test_a_server_with_a_standby_pays_all_twice():
    pair = replace(SERVER, standby=True, operations=14_000)
    assert sums(Known(instances=(pair,))) == {
        "shop-1, db.r6g.xlarge with a standby": money("657"),  # 2 × 730 h × 0.45
        "shop-1, disk of gp3": money("92"),  # 2 × 400 GB × 0.115
        "shop-1, operations of its disk": money("80"),  # 2 × (14,000 − 12,000) × 0.02
    }


def test_a_small_disk_brings_fewer_operations_along():
    small = replace(SERVER, disk=exactly(20), operations=4000)
    assert sums(Known(instances=(small,)))["shop-1, operations of its disk"] == money("20")
    assert "shop-1, operations of its disk" not in sums(Known(instances=(replace(small, operations=3000),)))


def test_a_table_on_demand_pays_by_the_million():
    table = replace(TABLE, writes=used(100, 200), reads=used(10), continuous_backup=True)
    assert sums(Known(tables=(table,))) == {
        "users, storage": money("10"),  # 40 GB × 0.25
        "users, writes": money("164.25", "328.5"),  # 262.8 to 525.6 million × 0.625
        "users, reads": money("3.285"),  # 26.28 million × 0.125
        "users, continuous backup": money("8"),  # 40 GB × 0.2
    }


def test_provisioned_units_are_paid_by_the_hour_used_or_not():
    table = replace(TABLE, writes=Load(exactly(1), exactly(100)), reads=Load(exactly(1), exactly(100)))
    assert sums(Known(tables=(table,))) == {
        "users, storage": money("10"),
        "users, provisioned writes": money("47.45"),  # 100 × 730 × 0.00065
        "users, provisioned reads": money("9.49"),  # 100 × 730 × 0.00013
    }


def test_the_infrequent_class_has_its_own_prices():
    table = replace(TABLE, infrequent=True, writes=used(100), reads=Load(exactly(1), exactly(100)))
    assert list(sums(Known(tables=(table,))).values()) == [money("4"), money("204.984"), money("11.68")]


def test_lines_of_a_person_are_sums_or_quantities():
    lines = (
        Written("shop", CostLine(what="Support", monthly=ranging(30, 50))),
        Written("", CostLine(what="Transfer", quantity=ranging(1000, 2000), price="transfer.regions")),
    )
    parts = components(Known(lines=lines), LISTED)
    assert [(one.store, one.what, one.monthly) for one in parts] == [
        ("shop", "Support", money("30", "50")),
        ("", "Transfer", money("20", "40")),
    ]
    assert sum_of(parts) == money("50", "90")


def test_a_line_with_a_price_that_is_not_there_stops_all():
    line = Written("shop", CostLine(what="Tea", quantity=exactly(1), price="kitchen.tea"))
    with pytest.raises(UnknownPrice, match=r"kitchen\.tea"):
        costs_of(MONTH, Known(lines=(line,)), LISTED, {})


def test_what_is_reserved_is_paid_whole_and_covers_half_of_a_server_twice_its_size():
    known = Known(instances=(SERVER,), reserved=(Reserved(what="db.r6g.large", count=1),))
    assert sums(known) == {
        "shop-1, db.r6g.xlarge": money("164.25"),  # half of 730 × 0.45
        "shop-1, disk of gp3": money("46"),
        "reserved: 1 of db.r6g.large": money("110.0475", "116.6175"),  # 730 × 0.225 × 0.67 to 0.71
    }
    (use,) = uses(known, LISTED)
    assert (use.what, use.percent, use.enough) == ("db.r6g", exactly(100), True)
    assert use.pays_from == exactly(67) + ranging(0, 4)


def test_a_reservation_that_half_is_used_is_not_enough():
    known = Known(instances=(replace(SERVER, kind="db.m6g.large"),), reserved=(Reserved(what="db.m6g.large", count=2),))
    (use,) = uses(known, LISTED)
    assert (use.percent, use.enough) == (exactly(50), False)
    assert sums(known)["shop-1, db.m6g.large"] == money("0")


@pytest.mark.parametrize(("hours", "enough"), [(Decimal("620.5"), True), (Decimal("620"), False)])
def test_85_percent_of_the_hours_are_enough(hours: Decimal, enough: bool):
    known = Known(
        instances=(replace(SERVER, hours=exactly(hours)),), reserved=(Reserved(what="db.r6g.xlarge", count=1),)
    )
    assert [use.enough for use in uses(known, LISTED)] == [enough]


def test_another_family_is_not_covered():
    known = Known(instances=(SERVER,), reserved=(Reserved(what="db.m6g.xlarge", count=1),))
    assert sums(known)["shop-1, db.r6g.xlarge"] == money("328.5")
    assert [use.percent for use in uses(known, LISTED)] == [exactly(0)]


def test_reserved_units_cover_tables_of_the_class_standard_alone():
    held = (Reserved(what="dynamodb.write_units", count=100, monthly=exactly(20)),)
    table = replace(TABLE, writes=Load(exactly(1), ranging(100, 400)))
    found = sums(Known(tables=(table,), reserved=held))
    assert found["users, provisioned writes"] == money("0", "142.35")  # 300 × 730 × 0.00065
    assert found["reserved: 100 of dynamodb.write_units"] == money("20")
    rare = Known(tables=(replace(table, infrequent=True),), reserved=held)
    assert [use.percent for use in uses(rare, LISTED)] == [exactly(0)]


def test_a_table_of_the_infrequent_class_pays_all_its_units_beside_one_that_is_covered():
    load = Load(exactly(1), exactly(100))
    tables = (replace(TABLE, writes=load), replace(TABLE, name="old", infrequent=True, writes=load))
    found = sums(Known(tables=tables, reserved=(Reserved(what="dynamodb.write_units", count=100),)))
    assert found["users, provisioned writes"] == money("0")
    assert found["old, provisioned writes"] == money("59.13")  # 100 × 730 × 0.00081


def test_a_standby_uses_a_reservation_as_its_server_does():
    known = Known(instances=(replace(SERVER, standby=True),), reserved=(Reserved(what="db.r6g.xlarge", count=2),))
    assert sums(known)["shop-1, db.r6g.xlarge with a standby"] == money("0")
    assert [use.percent for use in uses(known, LISTED)] == [exactly(100)]
    one = replace(known, reserved=(Reserved(what="db.r6g.xlarge", count=1),))
    assert sums(one)["shop-1, db.r6g.xlarge with a standby"] == money("328.5")


def test_a_size_that_nobody_knows_is_refused_where_a_person_wrote_it():
    with pytest.raises(UnknownClass, match=r"db\.r6g\.huge"):
        components(Known(reserved=(Reserved(what="db.r6g.huge", count=1),)), LISTED)


def test_a_server_without_a_price_is_left_out_and_said_to_be():
    odd = (replace(SERVER, name="odd", kind="db.x9z.large"), replace(SERVER, name="fast", storage="io2"))
    costs = costs_of(MONTH, Known(instances=(SERVER, *odd)), LISTED, {})
    assert costs.now == money("374.5")
    assert [note.partition(";")[0] for note in costs.notes[:2]] == [
        "not counted, as no price is known of it: shop odd, db.x9z.large on gp3",
        "not counted, as no price is known of it: shop fast, db.r6g.xlarge on io2",
    ]


SIZE, WRITES = Series("tyler", "items_bytes", "users"), Series("tyler", "write_units_rate", "users")


def test_in_90_days_a_table_holds_and_does_as_much_as_is_forecast():
    ahead = {SIZE: Ahead(Decimal(100), ranging(110, 150)), WRITES: Ahead(Decimal(10), ranging(5, 20))}
    known = later(Known(tables=(replace(TABLE, writes=used(100, 200)),)), ahead)
    assert list(sums(known).values()) == [money("11", "15"), money("82.125", "657"), money("0")]


def test_a_disk_is_extended_before_it_is_full_and_never_shrinks():
    held = Series("shop", "disk_used_bytes")
    ahead = {held: Ahead(Decimal(300 * GB), ranging(170 * GB, 510 * GB))}
    (server,) = later(Known(instances=(SERVER,)), ahead).instances
    assert server.disk == ranging(400, 600)  # 510 GB are 85 % of 600


def test_lines_grow_with_what_they_say():
    ahead = {SIZE: Ahead(Decimal(100), ranging(110, 150)), WRITES: Ahead(Decimal(10), ranging(5, 20))}
    ahead[Series("shop", "disk_used_bytes")] = Ahead(Decimal(100), exactly(100))
    lines = [CostLine(what=str(one), monthly=exactly(10), grows_with=one) for one in ("size", "load", None)]
    grown = later(Known(lines=tuple(Written("tyler", one) for one in lines)), ahead).lines
    assert [one.line.monthly for one in grown] == [ranging(11, 15), ranging(5, 20), exactly(10)]
    assert growth("", GROWS_WITH["size"], ahead) == exactly(1.05) + ranging(0, 0.2)


def test_what_is_not_forecast_stays_and_is_said_to():
    lines = [CostLine(what=what, monthly=exactly(1), grows_with=grows) for what, grows in WRITTEN.items()]
    asked_for = replace(TABLE, writes=used(5), reads=used(5))
    provisioned = replace(TABLE, name="paid", writes=Load(exactly(1), exactly(100)))
    known = Known(
        instances=(SERVER,), tables=(asked_for, provisioned), lines=tuple(Written("shop", one) for one in lines)
    )
    assert later(known, {}) == known
    assert not_forecast(known, {SIZE: Ahead(Decimal(1), exactly(1))}) == (
        "shop: what it holds",
        "tyler users: reads",
        "tyler users: writes",
        "tyler paid: what it holds",
        "tyler paid: provisioned writes",
        "shop: Transfer, which grows with load",
        "shop: Archive, which grows with size",
    )
    asked = {Series("shop", "transactions_rate"): Ahead(Decimal(100), ranging(150, 200))}
    assert "shop: Transfer, which grows with load" not in not_forecast(known, asked)
    assert later(known, asked).lines[0].line.monthly == ranging(1.5, 2)


WRITTEN = {"Transfer": "load", "Archive": "size", "Support": None}


PROVISIONED = Series("tyler", "write_units_provisioned_rate", "users")


def grown_writes(writes: Load, **ahead: tuple[int, int, int]) -> tuple[Load, tuple[str, ...]]:
    """What writes will be with what is used and provisioned foreseen so: now, P10, P90; and what a bill notes of it."""
    series = {"used": WRITES, "provisioned": PROVISIONED}
    told = {series[name]: Ahead(Decimal(now), ranging(low, high)) for name, (now, low, high) in ahead.items()}
    told[SIZE] = Ahead(Decimal(1), exactly(1))
    known = Known(tables=(replace(TABLE, writes=writes),))
    return later(known, told).tables[0].writes, costs_of(MONTH, known, LISTED, told).notes


def test_units_that_the_service_scales_grow_with_use_within_their_bounds():
    writes = Load(exactly(80), exactly(100), scaled=ranging(10, 250))
    for ahead in ({"used": (80, 160, 240)}, {"used": (80, 160, 240), "provisioned": (100, 100, 100)}):
        grown, notes = grown_writes(writes, **ahead)
        assert (grown.provisioned, notes) == (ranging(200, 250), ())
    assert grown_writes(writes, used=(80, 4, 8))[0].provisioned == exactly(10)


def test_units_that_the_service_scales_and_of_whose_use_nothing_is_foreseen_go_on_as_they_went():
    writes = Load(exactly(80), exactly(100), scaled=ranging(10, 250))
    grown, notes = grown_writes(writes, provisioned=(100, 120, 150))
    assert (grown.provisioned, notes) == (ranging(120, 150), ())
    assert grown_writes(writes)[1] == ("not forecast, so in 90 days as today: tyler users: provisioned writes",)


def test_units_that_a_person_sets_stay_and_a_use_that_outgrows_them_is_told():
    by_hand = Load(exactly(80), exactly(100))
    grown, notes = grown_writes(by_hand, used=(80, 90, 240), provisioned=(100, 100, 100))
    assert grown.provisioned == exactly(100)
    assert notes == (
        "provisioned by hand, and more is forecast to be used in 90 days, which the sum does not have: tyler users: writes",
    )
    assert grown_writes(by_hand, used=(80, 90, 100), provisioned=(100, 100, 100))[1] == ()


def test_a_load_is_no_sum_of_unlike_units():
    ahead = {
        Series("tyler", "read_units_rate", "users"): Ahead(Decimal(6000), exactly(6000)),
        Series("tyler", "read_units_rate", "orders"): Ahead(Decimal(4000), exactly(5000)),
        Series("shop", "transactions_rate"): Ahead(Decimal(100), ranging(280, 300)),
    }
    line = CostLine(what="Transfer", monthly=exactly(10), grows_with="load")
    grown = {
        store: later(Known(lines=(Written(store, line),)), ahead).lines[0].line.monthly
        for store in ("", "shop", "tyler")
    }
    assert grown == {"": ranging(11, 30), "shop": ranging(28, 30), "tyler": exactly(11)}


def test_a_database_whose_disk_nobody_measures_grows_with_its_size():
    held = {Series("shop", "database_bytes"): Ahead(Decimal(100), ranging(110, 150))}
    line = Written("shop", CostLine(what="Archive", monthly=exactly(10), grows_with="size"))
    assert [one.line.monthly for one in later(Known(lines=(line,)), held).lines] == [ranging(11, 15)]


def test_of_many_that_are_not_forecast_five_are_named():
    tables = tuple(replace(TABLE, name=f"t{number}", writes=used(5), reads=used(5)) for number in range(9))
    (note,) = costs_of(MONTH, Known(tables=tables), LISTED, {}).notes
    assert note.endswith(": tyler t0: what it holds, tyler t0: reads, tyler t0: writes, tyler t1: what it holds, tyler t1: reads"
                         " and 22 more")  # fmt: skip


def test_each_sum_says_what_it_is_made_of_but_one_that_a_person_wrote():
    known = Known(
        tables=(replace(TABLE, writes=used(100, 200)),),
        lines=(Written("", CostLine(what="Support", monthly=exactly(5))),),
    )
    costs = costs_of(MONTH, known, LISTED, {SIZE: Ahead(Decimal(100), ranging(110, 150))})
    assert {one.what: how(one) for one in costs.components} == {
        "users, storage": "40 × dynamodb.storage, per GB-month",
        "users, writes": "263 to 526 × dynamodb.writes, per million units",
        "users, reads": "0.00 × dynamodb.reads, per million units",
        "Support": "",
    }
    assert by_store(costs) == {"tyler": money("174.25", "338.5"), "": money("5")}
    assert costs.notes == ("not forecast, so in 90 days as today: tyler users: writes",)
