"""What a look reads of the ledger: as little as it can, and never so little that it would judge otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sluice.estate.health import Lasting, Levels
from sluice.insight.health.evaluating import Look, evaluate
from sluice.insight.health.looking import gathered
from sluice.insight.health.reading import read_numbers
from sluice.insight.health.rules import read_rules
from sluice.insight.health.troubles import troubles
from sluice.ledger.incidents import Incidents, State
from sluice.ledger.samples import ONE_DAY, Samples, Series
from sluice.stores.postgres import Connection, connect

from tests.conftest import Database
from tests.watched import HOUR, MINUTE, NOON, ROOT, a_rule, a_store

DEAD = a_rule("dead", "dead_rows_percent", "2h", levels=Levels(over=20.0, clear=10.0))
BUSY = a_rule("busy", "connections_used_percent")


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield c


@pytest.fixture
def samples(ledger: Connection) -> Samples:
    return Samples(ledger).prepare()


def test_a_rule_that_looks_at_days_makes_no_other_metric_be_read_for_days(samples: Samples) -> None:
    ours, theirs = Series("certify", BUSY.metric), Series("certify", "own_queue")
    for hours in range(40):
        samples.record(NOON - hours * HOUR, {ours: 1.0, theirs: 1.0})
    slow = replace(BUSY, name="queue", metric="own_queue", lasts=Lasting.parse("2 x 24h"))
    found = read_numbers(samples, [BUSY, slow], NOON).by_series
    assert (len(found[ours]), len(found[theirs])) == (2, 40)


def test_of_tables_only_those_are_read_that_matter_and_of_all_else_what_rules_name(samples: Samples) -> None:
    high, stood, well = (Series("certify", DEAD.metric, f"app.{name}") for name in ("high", "stood", "well"))
    named = {Series("certify", metric): 1.0 for metric in (BUSY.metric, "up_count", "database_bytes")}
    unnamed = Series("certify", "network_sent_bytes_rate")
    samples.record(NOON, {high: 21.0, stood: 1.0, well: 20.0, unnamed: 1.0, **named})
    incidents = Incidents(samples.connection)
    with incidents.looking():
        incidents.keep({("dead", stood): State("firing", NOON - HOUR, NOON - HOUR)}, (), ())
    found = read_numbers(samples, [DEAD, BUSY], NOON)
    assert found.by_series.keys() == {high, stood, Series("certify", BUSY.metric)}
    assert found.lately.keys() == {high, stood, *named}


@pytest.mark.parametrize(
    "levels", [Levels(over=20.0, clear=10.0), Levels(under=10.0, clear=30.0), Levels(over="disk_full_at")]
)
def test_a_look_judges_as_if_it_had_read_all(ledger: Connection, samples: Samples, levels: Levels) -> None:
    chance, stores = random.Random(5), {"certify": a_store(), "shop": a_store()}
    rules = {**read_rules(ROOT, stores).rules, "dead": replace(DEAD, levels=levels)}
    rules["of_shop"] = replace(DEAD, name="of_shop", stores={"shop": Levels(over=60.0)})
    tables = [Series(store, DEAD.metric, f"app.t{n}") for store in stores for n in range(12)]
    incidents, whole, seen = Incidents(ledger), {}, set[str]()
    for hour in range(30):
        at = NOON + hour * HOUR
        found = {
            series: chance.choice((0.0, *[15.0] * 9, 25.0, 70.0, 95.0)) for series in tables if chance.random() < 0.8
        }
        samples.record(at, {**found, **{Series(one, "database_bytes"): 1.0 for one in stores if chance.random() < 0.9}})
        samples.record(at, {Series(one, "up_count"): 1.0 for one in stores})
        look = gathered(samples, rules, stores, at)
        metrics = {rule.metric for rule in rules.values()}
        numbers = samples.between(metrics, at - 4 * HOUR, at + MINUTE)
        everything = Look(at, stores, numbers, samples.latest(at, within=ONE_DAY), look.usual, look.most)
        whole = evaluate(rules, everything, whole)
        read = evaluate(rules, look, incidents.states())
        assert read == whole
        assert troubles(read, rules, look) == troubles(whole, rules, everything)
        seen |= {rule for rule, _ in read}
        with incidents.looking():
            incidents.keep(read, (), ())
    assert seen >= {"dead", "of_shop"}, "something went wrong at all"
