"""What needs no engine: which shards may be read, what a table's plan is, how fast to write."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from sluice.stores.dynamodb.capacity import AdaptiveRate, Units
from sluice.stores.dynamodb.client import Throttled
from sluice.stores.dynamodb.streams import Shard, padded, readable
from sluice.stores.dynamodb.tables import Index, TableDefinition, plan_tables
from sluice.stores.dynamodb.writes import Cancelled, Refused, Unwritable
from sluice.stores.patience import Patience, patiently

PARENT, LEFT, RIGHT = Shard("p", None, True), Shard("l", "p"), Shard("r", "p")


def names(shards, finished) -> list[str]:
    return [shard.id for shard in readable(shards, finished)]


def test_children_wait_for_their_parent() -> None:
    assert names([LEFT, PARENT, RIGHT], set()) == ["p"]
    assert names([LEFT, PARENT, RIGHT], {"p"}) == ["l", "r"]
    assert names([LEFT, PARENT, RIGHT], {"p", "l"}) == ["r"]
    assert names([Shard("g", "l"), LEFT, PARENT], {"p"}) == ["l"], "grandchildren too"


def test_a_parent_that_is_trimmed_away_keeps_nobody_waiting() -> None:
    assert names([LEFT, RIGHT], set()) == ["l", "r"]


def test_padded_numbers_sort_like_numbers() -> None:
    assert padded("9") < padded("10") < padded("1" + "0" * 39)
    assert len(padded("9")) == 40
    assert "9" > "10", "which is why"


TABLE = TableDefinition("t", "PK", "SK", indexes=(Index("GSI1", "GSI1PK", "GSI1SK"),), ttl="at", stream=True)
FOUND = replace(TABLE, types={"PK": "S", "SK": "S", "GSI1PK": "S", "GSI1SK": "S"})


def plan(wanted, found):
    (one,) = plan_tables([wanted], {wanted.name: found})
    return one


def test_a_table_that_is_not_there_is_made() -> None:
    made = plan(TABLE, None)
    assert (made.what, made.steps) == ("created", (("create", ""), ("ttl", "at")))
    assert str(made) == "t: created (create; ttl at)"


def test_a_table_as_it_should_be_is_left_alone() -> None:
    assert str(plan(TABLE, FOUND)) == "t: unchanged"


def test_more_than_asked_for_is_left_alone() -> None:
    more = replace(FOUND, indexes=(*FOUND.indexes, Index("OTHER", "x")))
    assert plan(TABLE, more).what == "unchanged"
    assert plan(replace(TABLE, stream=False), FOUND).what == "unchanged"


def test_what_lacks_is_added() -> None:
    bare = replace(FOUND, indexes=(), ttl=None, stream=False)
    assert plan(TABLE, bare).what == "changed"
    assert plan(TABLE, bare).steps == (("stream", "NEW_AND_OLD_IMAGES"), ("index", "GSI1"), ("ttl", "at"))


REFUSED = {
    "its key is PK and SK, not id": replace(TABLE, partition="id", sort=None),
    "its key is PK and SK, not PK:": replace(TABLE, sort=None),
    "index GSI1 is by GSI1PK and GSI1SK, ALL, not by other, ALL": replace(TABLE, indexes=(Index("GSI1", "other"),)),
    "PK is of type S, not N": replace(TABLE, types={"PK": "N"}),
    "it expires items by at, not by other": replace(TABLE, ttl="other"),
    "it expires items by at, not by None": replace(TABLE, ttl=None),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_would_lose_data_is_refused_with_its_reason(reason) -> None:
    refused = plan(REFUSED[reason], FOUND)
    assert (refused.what, refused.steps) == ("refused", ())
    assert reason in str(refused)


def test_an_index_that_lacks_attributes_is_not_ours() -> None:
    thin = replace(FOUND, indexes=(replace(FOUND.indexes[0], projection="KEYS_ONLY"),))
    assert "KEYS_ONLY" in str(plan(TABLE, thin))


def test_capacity_between_the_bounds_is_autoscalings_business() -> None:
    bounded = replace(TABLE, capacity=(5, 4000))
    assert plan(bounded, replace(FOUND, capacity=(5, 900))).what == "unchanged"
    assert plan(bounded, replace(FOUND, capacity=(4, 900))).steps == (("capacity", "5 units"),)
    assert plan(bounded, FOUND).steps == (("capacity", "5 units"),)
    assert plan(TABLE, replace(FOUND, capacity=(5, 5))).steps == (("capacity", "on demand"),)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rate(clock, **settings) -> AdaptiveRate:
    return AdaptiveRate(clock=clock, sleep=clock.sleep, **settings)


def test_nothing_goes_faster_than_the_rate(clock) -> None:
    slow = rate(clock, start=10)
    for _ in range(21):
        slow.take()
    assert clock.now == pytest.approx(2.0)


def test_time_in_which_nobody_asked_is_not_saved_up(clock) -> None:
    slow = rate(clock, start=10)
    clock.now = 100
    for _ in range(11):
        slow.take()
    assert clock.now == pytest.approx(101)


def test_it_rises_by_a_step_a_second_and_halves_once_a_second(clock) -> None:
    moving = rate(clock, start=100, step=10, least=20, most=122)
    clock.now = 0.5
    moving.went_well()
    assert moving.rate == pytest.approx(105)
    clock.now = 4
    moving.went_well()
    assert moving.rate == pytest.approx(115), "a pause counts as one second"
    clock.now = 5
    moving.went_well()
    assert moving.rate == 122, "no further than the most"
    moving.throttled()
    moving.throttled()
    assert moving.rate == 61, "two answers to one burst count once"
    for clock.now in range(7, 12):
        moving.throttled()
    assert moving.rate == 20, "no lower than the least"


def test_it_finds_the_capacity_of_a_table(clock) -> None:
    """A table that bears 300 a second, a client that knows nothing of it: most of it is used, little is refused."""
    finding, done, refused, second, used = rate(clock, start=2000, step=20), 0, 0, 0, 0
    while clock.now < 300:
        finding.take()
        if int(clock.now) != second:
            second, used = int(clock.now), 0
        used += 1
        if used > 300:
            refused += 1
            finding.throttled()
        else:
            done += 1
            finding.went_well()
    assert done / clock.now > 200
    assert refused / done < 0.1


def test_units_of_one_answer_and_of_many_are_counted() -> None:
    units = Units()
    assert units.count({"ConsumedCapacity": {"TableName": "a", "CapacityUnits": 0.5}}) == 0.5
    assert units.count({"ConsumedCapacity": [{"TableName": t, "CapacityUnits": 2.0} for t in "ab"]}) == 4
    assert units.count({}) == 0
    assert (units.by_table(), units.total()) == ({"a": 2.5, "b": 2.0}, 4.5)


@pytest.mark.parametrize("kind", [Cancelled, Unwritable])
def test_a_refusal_goes_from_process_to_process_with_its_reasons(kind) -> None:
    refused = (Refused(3, "condition", {"id": {"S": "a"}}),)
    again = pickle.loads(pickle.dumps(kind("said", refused)))
    assert (str(again), again.refused) == ("said", refused)


def test_patience_ends_and_grows(monkeypatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("sluice.stores.patience.random.uniform", lambda _, most: most)
    monkeypatch.setattr("sluice.stores.patience.time.sleep", waited.append)

    def refuse() -> None:
        raise Throttled("no")

    with pytest.raises(Throttled):
        patiently(refuse, Throttled, Patience(again=4, first=1, longest=3))
    assert waited == [1, 2, 3, 3]
