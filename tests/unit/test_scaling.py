"""When a rule holds, what is proposed for it, and what holds it back: by numbers that were made for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sluice.estate import EstateErrors, read_stores
from sluice.estate.calendar import Window
from sluice.estate.instance_sizes import SIZES, UnknownClass
from sluice.estate.scaling import Cooldown, CpuRule, MemoryRule, Scaling, StorageRule, UnitsRule
from sluice.insight.metrics import METRICS
from sluice.insight.scaling.classes import next_classes, times
from sluice.insight.scaling.disk import Disk
from sluice.insight.scaling.evaluating import Holds, Unknown, evaluate, judge, thresholds_of
from sluice.insight.scaling.instance import Follower, InstanceStanding
from sluice.insight.scaling.own_window import lies_within
from sluice.insight.scaling.plan import KINDS, Action, Held, NoPlan, Plan, Step, kept_proposals, proposals, read_plan
from sluice.insight.scaling.planning import Asked, is_time, plan_instance
from sluice.insight.scaling.replica_load import ReplicaLoad
from sluice.insight.scaling.units import TableStanding, Used, plan_tables, wanted_of
from sluice.ledger.samples import Sample
from sluice.stores.dynamodb.autoscaling import Scaled, plan_scaling
from sluice.stores.dynamodb.tables import Index, TableDefinition

NOON = datetime(2024, 4, 3, 12, tzinfo=UTC)  # a Wednesday
MINUTE = timedelta(minutes=1)
SUNDAY = Window(days=("sun",), opens=time(5), closes=time(6))
SCALING = Scaling()
INSTANCE = InstanceStanding(
    "shop", "available", "db.r6g.xlarge", Disk(500, "gp3", 12000, 500), window="sun:05:00-sun:05:30",
    larger="db.r6g.2xlarge", smaller="db.r6g.large", next_replica="shop-scaled-1",
)  # fmt: skip
THRESHOLDS = {(one.rule, one.way): one for one in thresholds_of(SCALING)}
TB = 10**12


def taken(*values: float, until: datetime = NOON) -> list[Sample]:
    """One sample a minute, the last at `until`."""
    return [Sample(until - MINUTE * (len(values) - 1 - n), value) for n, value in enumerate(values)]


def found(**of: list[Sample]):
    names = {"cpu": "cpu_percent", "memory": "memory_used_percent", "storage": "disk_used_percent"}
    quiet = {
        "cpu_percent": taken(*[50] * 40),
        "memory_used_percent": taken(*[60] * 40),
        "disk_used_percent": taken(*[20] * 40),
    }
    return quiet | {names[rule]: samples for rule, samples in of.items()}


def asked(instance: InstanceStanding = INSTANCE, scaling: Scaling = SCALING, **of: object) -> Asked:
    samples = found(**{rule: of.pop(rule) for rule in ("cpu", "memory", "storage") if rule in of})
    now = of.get("now", NOON)
    told = {"now": now, "most_bytes": 10 * TB, "maintenance": (SUNDAY,), **of}
    return Asked("shop", scaling, instance, evaluate(scaling, samples, now), samples["cpu_percent"], **told)


def loads(**busy: float) -> list[ReplicaLoad]:
    """How busy replicas were themselves."""
    return [ReplicaLoad(name, taken(*[value] * 22)) for name, value in busy.items()]


IDLE = loads(**{"shop-scaled-1": 5})

# ---- what a person writes ----

WRITTEN = """estate: sample
vault: {{connection: s3, bucket: vault}}
ledger: {{connection: ledger}}
stores:
  shop: {{engine: {engine}, connection: c, rto: 1h, rpo: 5m{watch}, scaling: {scaling}}}
"""
WATCHED = ", watch: {cloud: {connection: aws, instance: shop}}"


@pytest.mark.parametrize(
    ("engine", "watch", "scaling", "told"),
    [
        ("postgres", WATCHED, "{}", ""),
        ("dynamodb", "", "{units: {least: 5, most: 10}}", ""),
        ("postgres", "", "{}", "a store with `watch: {cloud: …}`"),
        ("postgres", WATCHED, "{units: {}}", "none: of postgres, cpu and memory and storage scale"),
        ("dynamodb", "", "{cpu: {}}", "none: of dynamodb, units scale"),
        ("postgres", WATCHED, "{cpu: {up: 30}}", "less than `up`, which is 30"),
        ("postgres", WATCHED, "{memory: {down: 85}}", "less than `up`, which is 80"),
        ("postgres", WATCHED, "{memory: {smallest: 4xlarge, largest: large}}", "no larger size than large"),
        ("dynamodb", "", "{units: {least: 50, most: 10}}", "no more than `most`, which is 10"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, engine: str, watch: str, scaling: str, told: str) -> None:
    (tmp_path / "include/estate").mkdir(parents=True)
    text = WRITTEN.format(engine=engine, watch=watch, scaling=scaling)
    (tmp_path / "include/estate/estate.yaml").write_text(text)
    if not told:
        assert read_stores(tmp_path).stores["shop"].scaling is not None
        return
    with pytest.raises(EstateErrors) as caught:
        read_stores(tmp_path)
    assert told in str(caught.value)
    assert len(caught.value.mistakes) == 1


# ---- what may be done ----


def test_every_action_has_its_words_and_only_a_class_restarts_anything() -> None:
    assert set(KINDS) == set(get_args(Action))
    assert [action for action, kind in KINDS.items() if kind.restarts] == ["change_class"]


def test_a_plan_with_an_action_that_is_not_known_is_none() -> None:
    told = Plan(
        "shop", (Step("cpu", "up", "add_replica", "shop-scaled-1", "0 replicas", "1 replica", "", "", ""),)
    ).told()
    assert read_plan(told).steps[0].action == "add_replica"
    told["steps"][0]["action"] = "cut_the_network"
    with pytest.raises(NoPlan, match="cut_the_network is no action"):
        read_plan(told)


# ---- when a rule holds ----


def test_the_documents_numbers_are_the_defaults() -> None:
    told = {
        (threshold.rule, threshold.way): (threshold.percent, threshold.lasting / MINUTE)
        for threshold in thresholds_of(SCALING)
    }
    assert told == {
        ("storage", "up"): (85, 5), ("cpu", "up"): (70, 5), ("cpu", "down"): (30, 15), ("memory", "up"): (80, 3),
        ("memory", "down"): (40, 20),
    }  # fmt: skip
    units, rests = SCALING.units, SCALING.cooldown
    assert (SCALING.cpu.most_replicas, units.target, rests.up.seconds, rests.down.seconds) == (10, 70, 300, 900)


def test_every_rule_reads_a_metric_that_is_measured_each_minute() -> None:
    assert {METRICS[threshold.metric].often for threshold in thresholds_of(SCALING)} == {"minute"}


@pytest.mark.parametrize(
    ("values", "holds"),
    [((71,) * 6, True), ((71, 71, 71, 70, 71, 71), False), ((70,) * 6, False), ((60, *(71,) * 6), True)],
    ids=["all over", "one that just meets it", "all that just meet it", "one under, before its time"],
)
def test_five_minutes_over_means_every_sample_of_five_minutes(values: tuple[float, ...], holds: bool) -> None:
    assert isinstance(judge(THRESHOLDS["cpu", "up"], taken(*values), NOON), Holds) is holds


def test_what_holds_says_its_numbers() -> None:
    told = judge(THRESHOLDS["cpu", "up"], taken(50, 72, 80, 75, 88, 71, 79), NOON)
    assert isinstance(told, Holds)
    assert str(told) == (
        "cpu_percent was over 70 % in each of 6 samples, 2024-04-03 11:55 to 12:00 UTC: 71 to 88 %, 78 % on average"
    )


def test_a_gap_in_the_samples_proves_nothing() -> None:
    whole = taken(*[90] * 8)
    holed = [one for one in whole if one.at not in (NOON - 2 * MINUTE, NOON - 3 * MINUTE)]
    late = [one for one in whole if one.at > NOON - 4 * MINUTE]
    for samples in (holed, late, [], taken(*[90] * 8, until=NOON - 11 * MINUTE)):
        assert isinstance(judge(THRESHOLDS["cpu", "up"], samples, NOON), Unknown), samples
    assert isinstance(judge(THRESHOLDS["cpu", "up"], whole, NOON), Holds)


def test_a_single_minute_that_is_missing_is_no_gap_and_numbers_may_come_late() -> None:
    one_missing = [one for one in taken(*[90] * 8) if one.at != NOON - 2 * MINUTE]
    assert isinstance(judge(THRESHOLDS["cpu", "up"], one_missing, NOON), Holds)
    assert isinstance(judge(THRESHOLDS["cpu", "up"], taken(*[90] * 8, until=NOON - 9 * MINUTE), NOON), Holds)


def test_what_was_measured_later_is_not_seen() -> None:
    calm_then_hot = [*taken(*[50] * 10), *taken(*[90] * 10, until=NOON + 10 * MINUTE)]
    assert judge(THRESHOLDS["cpu", "up"], calm_then_hot, NOON) is None
    assert isinstance(judge(THRESHOLDS["cpu", "up"], calm_then_hot, NOON + 10 * MINUTE), Holds)


def test_a_rule_that_nobody_can_judge_is_told_and_proposes_nothing() -> None:
    plan = plan_instance(asked(cpu=[]))
    assert plan.steps == ()
    assert [str(held) for held in plan.held] == ["cpu: cpu_percent: nothing was measured"]


# ---- what is proposed ----


def test_a_quiet_store_is_left_alone() -> None:
    assert plan_instance(asked()) == Plan("shop")


def test_busy_processors_propose_a_replica_and_at_their_most_none() -> None:
    (step,) = plan_instance(asked(cpu=taken(*[90] * 6))).steps
    assert (step.action, step.subject, step.before, step.after) == (
        "add_replica",
        "shop-scaled-1",
        "0 replicas",
        "1 replica",
    )
    assert "each of 6 samples" in step.why
    ten = replace(INSTANCE, followers=tuple(Follower(f"r{n}", "available", False) for n in range(10)))
    (held,) = plan_instance(asked(ten, cpu=taken(*[90] * 6))).held
    assert "10 are allowed" in held.why


def test_a_replica_that_is_coming_up_is_waited_for_and_a_name_that_is_taken_not_used() -> None:
    coming = replace(INSTANCE, followers=(Follower("shop-scaled-1", "creating", True),))
    (held,) = plan_instance(asked(coming, cpu=taken(*[90] * 6))).held
    assert "shop-scaled-1 is still coming up" in held.why
    up = replace(INSTANCE, followers=(Follower("shop-scaled-1", "available", True),), next_replica="shop-scaled-2")
    assert plan_instance(asked(up, cpu=taken(*[90] * 6))).steps[0].subject == "shop-scaled-2"


def test_idle_processors_take_away_a_replica_of_ours_and_nobody_elses() -> None:
    idle = taken(*[10] * 17)
    mixed = replace(
        INSTANCE, followers=(Follower("theirs", "available", False), Follower("shop-scaled-1", "available", True))
    )
    (step,) = plan_instance(asked(mixed, cpu=idle, replicas=loads(**{"shop-scaled-1": 5}))).steps
    assert (step.action, step.subject) == ("drop_replica", "shop-scaled-1")
    assert step.why.endswith("shop-scaled-1 itself was 5 to 5 % busy.")
    theirs = replace(INSTANCE, followers=mixed.followers[:1])
    assert plan_instance(asked(theirs, cpu=idle)) == Plan("shop")


def test_a_replica_that_is_busy_itself_stays_however_idle_the_instance_is() -> None:
    idle = taken(*[10] * 17)
    names = ("shop-scaled-1", "shop-scaled-2")
    both = replace(INSTANCE, followers=tuple(Follower(name, "available", True) for name in names))
    busy = {"shop-scaled-2": 90}
    (held,) = plan_instance(asked(both, cpu=idle, replicas=loads(**busy))).held
    assert "nobody knows how busy shop-scaled-1 is itself" in held.why
    assert "shop-scaled-2 is in use itself: its processors were 90 % busy" in held.why
    (step,) = plan_instance(asked(both, cpu=idle, replicas=loads(**busy, **{"shop-scaled-1": 5}))).steps
    assert step.subject == "shop-scaled-1"


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (
            ReplicaLoad("shop-scaled-1", unknown="CloudWatch refuses"),
            "busy shop-scaled-1 is itself: CloudWatch refuses",
        ),
        (ReplicaLoad("shop-scaled-1", taken(*[5] * 4)), "busy shop-scaled-1 is itself: nothing was measured for"),
    ],
    ids=["refused", "a gap"],
)
def test_a_replica_of_which_nobody_knows_how_busy_it_is_stays(load: ReplicaLoad, why: str) -> None:
    ours = replace(INSTANCE, followers=(Follower("shop-scaled-1", "available", True),))
    (held,) = plan_instance(asked(ours, cpu=taken(*[10] * 17), replicas=[load])).held
    assert why in held.why


def test_nothing_goes_down_to_come_up_again() -> None:
    wide = Scaling(cpu=CpuRule(up=50, down=40), memory=MemoryRule(up=60, down=40))
    one = replace(INSTANCE, followers=(Follower("shop-scaled-1", "available", True),))
    (held,) = plan_instance(asked(one, wide, cpu=taken(*[39] * 17), replicas=loads(**{"shop-scaled-1": 39}))).held
    assert "could be 78 %: it would come again" in held.why
    held = plan_instance(asked(scaling=wide, memory=taken(*[39] * 22))).held[0]
    assert "could be 78 %: it would come back" in held.why


def test_a_smaller_class_must_bear_the_processors_too() -> None:
    idle = taken(*[20] * 22)
    (held,) = plan_instance(asked(memory=idle)).held
    assert "in the smaller class that could be 100 %" in held.why
    (step,) = plan_instance(asked(memory=idle, cpu=taken(*[33] * 40))).steps
    assert (step.action, step.way, step.after) == ("change_class", "down", "db.r6g.large")
    unknown = plan_instance(asked(memory=idle, cpu=[]))
    assert unknown.steps == ()
    assert "Nobody knows how busy" in unknown.held[0].why


def test_a_change_of_class_waits_for_the_instances_window_unless_it_is_maintenance_or_a_person_says_now() -> None:
    full = taken(*[95] * 5)
    (step,) = plan_instance(asked(memory=full)).steps
    assert (step.action, step.after, step.at_once) == ("change_class", "db.r6g.2xlarge", False)
    assert "restarted, in its own window, sun:05:00-sun:05:30 UTC" in step.disturbs
    assert plan_instance(asked(memory=full, at_once=True)).steps[0].at_once
    sunday = datetime(2024, 4, 7, 5, 10, tzinfo=UTC)
    plan = plan_instance(asked(memory=taken(*[95] * 5, until=sunday), now=sunday))
    assert plan.steps[0].at_once
    assert is_time(plan.steps[0], sunday, (SUNDAY,), False)
    assert not is_time(plan.steps[0], sunday + timedelta(hours=1), (SUNDAY,), False), "a yes that came too late"
    assert is_time(plan.steps[0], sunday + timedelta(hours=1), (SUNDAY,), True)


def test_a_window_of_its_own_outside_of_the_estates_maintenance_is_not_used() -> None:
    (held,) = plan_instance(asked(replace(INSTANCE, window="wed:11:00-wed:11:30"), memory=taken(*[95] * 5))).held
    assert "outside of the estate's maintenance" in held.why
    assert lies_within("sun:05:30-sun:06:00", (SUNDAY,))
    assert not lies_within("sun:05:30-sun:06:01", (SUNDAY,))
    assert not lies_within("", (SUNDAY,))
    assert lies_within("sun:23:50-mon:00:20", (Window(days=("sun",), opens=time(23), closes=time(1)),))


def test_no_class_beyond_the_bounds() -> None:
    (held,) = plan_instance(asked(replace(INSTANCE, larger=None), memory=taken(*[95] * 5))).held
    assert "no larger class than db.r6g.xlarge" in held.why
    assert [*next_classes("db.t4g.medium", "up", None, "xlarge")] == ["db.t4g.large", "db.t4g.xlarge"]
    assert [*next_classes("db.t4g.medium", "down", "small", None)] == ["db.t4g.small"]
    assert next(next_classes("db.m4.10xlarge", "up", None, None)) == "db.m4.12xlarge"
    assert [*next_classes("db.z9.huge", "up", None, None)] == []
    assert times("db.r6g.xlarge", "db.r6g.4xlarge") == 4
    assert times("db.r6g.xlarge", "db.r6g.large") == 0.5


def test_each_size_of_a_class_is_larger_than_the_one_before_it_and_counts_as_aws_counts() -> None:
    assert [*SIZES.values()] == sorted(SIZES.values())
    assert (SIZES["nano"], SIZES["small"], SIZES["large"], SIZES["xlarge"], SIZES["18xlarge"]) == (0.25, 1, 4, 8, 144)
    with pytest.raises(UnknownClass, match=r"db\.z9\.huge has a size that is not known here"):
        times("db.z9.huge", "db.z9.large")


def test_a_full_disk_is_extended_by_its_part_and_never_beyond_what_it_may_have() -> None:
    full = taken(*[85] * 6)
    (step,) = plan_instance(asked(storage=full)).steps
    assert (step.action, step.before, step.after, step.at_once) == ("extend_storage", "500 GiB", "600 GiB", True)
    bounded = plan_instance(asked(storage=full, most_bytes=560 * 2**30)).steps[0]
    assert bounded.after == "560 GiB"
    (held,) = plan_instance(asked(storage=full, most_bytes=540 * 2**30)).held
    assert "the estate allows 540 GiB" in held.why


def test_what_rds_is_told_besides_a_larger_disk_is_in_the_plan_and_under_its_seal() -> None:
    full = taken(*[90] * 6)
    near = replace(INSTANCE, disk=Disk(500, "io1", 1000, extends_itself_to=620))
    plan = plan_instance(asked(near, storage=full, most_bytes=700 * 2**30))
    assert plan.steps[0].settings == (("Iops", 1000), ("MaxAllocatedStorage", 700)), "and never past `most`"
    assert "500 GiB → 600 GiB, with Iops 1000, MaxAllocatedStorage 700, at once" in str(plan)
    assert "RDS extends it by itself, too, up to 700 GiB" in str(plan)
    freer = plan_instance(asked(near, storage=full))
    assert freer.steps[0].settings[1] == ("MaxAllocatedStorage", 756)
    assert freer.seal != plan.seal
    assert read_plan(json.loads(json.dumps(plan.told()))) == plan
    tight = plan_instance(asked(near, storage=full, most_bytes=620 * 2**30))
    assert tight.steps[0].settings[1] == ("MaxAllocatedStorage", 600), "that is: by itself no more"
    assert "extends it by itself no more" in tight.steps[0].why


def test_operations_that_a_larger_disk_brings_are_told_with_its_costs() -> None:
    wide = replace(INSTANCE, disk=Disk(2000, "io2", 1000))
    (step,) = plan_instance(asked(wide, storage=taken(*[90] * 6))).steps
    assert step.costs == "400 GiB more of io2, and 1200 IOPS instead of 1000"
    small = replace(INSTANCE, disk=Disk(380, "gp3", 3000, 125))
    (step,) = plan_instance(asked(small, storage=taken(*[90] * 6))).steps
    assert step.settings == (("Iops", 12000), ("StorageThroughput", 500))
    assert "slower for hours" in step.disturbs


def test_the_disks_of_replicas_are_extended_along_or_it_is_said_why_not() -> None:
    gp2 = Disk(500, "gp2")
    followers = (
        Follower("same", "available", False, gp2),
        Follower("larger", "available", False, Disk(900, "gp2")),
        Follower("nearly", "available", False, Disk(580, "gp2")),
        Follower("busy", "creating", False, gp2),
        Follower("waiting", "available", False, gp2, ("DBInstanceClass",)),
        Follower("arn:aws:rds:eu-central-1:1:db:far", "available", False),
    )
    several = replace(INSTANCE, disk=gp2, followers=followers)
    plan = plan_instance(asked(several, storage=taken(*[90] * 6)))
    assert [(step.subject, step.before, step.after) for step in plan.steps] == [
        ("shop", "500 GiB", "600 GiB"), ("same", "500 GiB", "600 GiB"), ("nearly", "580 GiB", "638 GiB"),
    ]  # fmt: skip
    assert [held.why.split(" is not extended with it: ")[0] for held in plan.held] == [
        "busy",
        "waiting",
        followers[-1].name,
    ]
    tight = plan_instance(asked(several, storage=taken(*[90] * 6), most_bytes=600 * 2**30))
    assert "nearly is not extended with it: it has 580 GiB" in tight.held[0].why


def test_a_disk_that_is_full_already_is_extended_and_nothing_else_is_done_with_the_instance() -> None:
    full = replace(INSTANCE, status="storage-full")
    plan = plan_instance(asked(full, storage=taken(*[100] * 6), cpu=taken(*[90] * 6)))
    assert [step.action for step in plan.steps] == ["extend_storage"]
    assert "shop is storage-full" in plan.held[0].why


def test_a_disk_is_not_extended_twice_within_six_hours_and_replicas_rest_five_minutes() -> None:
    full, busy = taken(*[90] * 6), taken(*[90] * 6)
    rested = {("storage", "up"): NOON - timedelta(hours=5), ("cpu", "up"): NOON - timedelta(minutes=6)}
    plan = plan_instance(asked(storage=full, cpu=busy, last=rested))
    assert [step.action for step in plan.steps] == ["add_replica"]
    assert "rests until 2024-04-03 13:00 UTC" in plan.held[0].why
    again = plan_instance(asked(cpu=busy, last={("cpu", "up"): NOON - timedelta(minutes=4)}))
    assert again.steps == ()


def test_a_rest_counts_from_whichever_way_it_has_scaled_last() -> None:
    ours = replace(INSTANCE, followers=(Follower("shop-scaled-1", "available", True),))
    idle = taken(*[10] * 17)
    for minutes, steps in ((14, 0), (15, 1)):
        last = {("cpu", "up"): NOON - timedelta(minutes=minutes)}
        assert len(plan_instance(asked(ours, cpu=idle, last=last, replicas=IDLE)).steps) == steps


def test_a_change_that_waits_for_its_window_is_never_brought_along() -> None:
    waiting = replace(INSTANCE, pending={"DBInstanceClass": "db.r6g.2xlarge"})
    plan = plan_instance(asked(waiting, storage=taken(*[90] * 6), cpu=taken(*[90] * 6)))
    assert [step.action for step in plan.steps] == ["add_replica"]
    assert "DBInstanceClass db.r6g.2xlarge waits for the instance's window" in plan.held[0].why


@pytest.mark.parametrize(
    ("standing", "why"),
    [({"status": "modifying"}, "shop is modifying"), ({"follows": "main"}, "is itself a replica, of main")],
)
def test_what_stands_in_the_way_is_told(standing: dict[str, str], why: str) -> None:
    (held,) = plan_instance(asked(replace(INSTANCE, **standing), cpu=taken(*[90] * 6))).held
    assert why in held.why


def test_nothing_goes_down_while_anything_goes_up_and_one_thing_goes_down_at_a_time() -> None:
    ours = replace(INSTANCE, followers=(Follower("shop-scaled-1", "available", True),))
    both = plan_instance(asked(ours, memory=taken(*[10] * 22), cpu=taken(*[10] * 22), replicas=IDLE))
    assert [step.action for step in both.steps] == ["drop_replica"]
    assert "one step down at a time" in both.held[0].why
    mixed = plan_instance(asked(ours, storage=taken(*[90] * 6), cpu=taken(*[10] * 22), replicas=IDLE))
    assert [step.action for step in mixed.steps] == ["extend_storage"]


# ---- a plan ----


def test_a_plan_is_known_by_its_steps_and_not_by_the_numbers_of_the_minute() -> None:
    first, second = (plan_instance(asked(cpu=taken(*[value] * 6))) for value in (80, 90))
    assert first.steps[0].why != second.steps[0].why
    assert first.seal == second.seal
    assert first.seal != plan_instance(asked(cpu=taken(*[90] * 6), storage=taken(*[90] * 6))).seal
    assert first.seal != replace(first, store="other").seal


def test_a_plan_is_kept_and_read_again_and_one_that_was_changed_is_refused() -> None:
    plan = plan_instance(asked(cpu=taken(*[90] * 6), storage=taken(*[90] * 6)))
    kept = json.loads(json.dumps(plan.told()))
    assert read_plan(kept) == plan
    kept["steps"][0]["after"] = "9999 GiB"
    with pytest.raises(NoPlan, match="not as it was sealed"):
        read_plan(kept)
    with pytest.raises(NoPlan, match="cannot be read"):
        read_plan({"store": "shop"})


def test_a_report_gets_a_line_for_each_proposal_and_for_each_that_is_held() -> None:
    plan = plan_instance(asked(cpu=taken(*[90] * 6), storage=[]))
    told = [(line.what, line.held) for line in proposals(plan)]
    assert told == [("add a replica of shop-scaled-1: 0 replicas → 1 replica", False), ("storage", True)]
    kept = {"shop": (NOON, plan.told()), "older": (NOON - timedelta(days=2), plan.told())}
    assert kept_proposals(kept, NOON - timedelta(days=1)) == proposals(plan)


# ---- tables ----

ENTITY = TableDefinition("entity", "PK", indexes=(Index("GSI1", "GSI1PK"),), capacity=(20, 20))
NOTHING = TableStanding(ENTITY, {}, {})


def registered(*scaled: Scaled) -> dict[tuple[str, str], Scaled]:
    return {(one.resource, one.what): one for one in scaled}


def test_a_table_that_nobody_scales_is_proposed_and_one_on_demand_is_left_alone() -> None:
    (step,) = plan_tables("tyler", SCALING, [NOTHING, TableStanding(replace(ENTITY, capacity=None), {}, {})]).steps
    assert (step.subject, step.before) == ("entity", "not scaled")
    assert step.after == "5 to 4000 units at 70 %, up after 300 s, down after 900 s"


def test_a_table_that_is_scaled_as_wanted_is_left_alone_and_bounds_that_are_open_stay() -> None:
    there = [replace(one, least=50, most=500) for one in plan_scaling([ENTITY])]
    standing = replace(NOTHING, registered=registered(*there))
    assert plan_tables("tyler", SCALING, [standing]) == Plan("tyler")
    (step,) = plan_tables("tyler", Scaling(units=UnitsRule(most=800)), [standing]).steps
    assert (step.before[:9], step.after[:9]) == ("50 to 500", "50 to 800")


def test_a_policy_of_somebody_elses_name_is_changed_and_not_doubled() -> None:
    there = [replace(one, policy="by-hand", aim=50.0) for one in plan_scaling([ENTITY])]
    wanted = wanted_of(SCALING, replace(NOTHING, registered=registered(*there)))
    assert {(one.named, one.aim) for one in wanted} == {("by-hand", 70.0)}


def test_units_that_are_at_their_most_are_told() -> None:
    standing = replace(NOTHING, used={"read": Used(93, 4000), "write": Used(93, 300)})
    (held,) = plan_tables("tyler", SCALING, [standing]).held
    assert held == Held("units", held.why)
    assert held.why.startswith("entity: 93 % of 4000 read units used, and that is the most")


def test_rests_are_what_the_estate_says() -> None:
    scaling = Scaling(cooldown=Cooldown(up=timedelta(minutes=1), down=timedelta(hours=1)), storage=StorageRule(by=50))
    assert {(one.up, one.down) for one in wanted_of(scaling, NOTHING)} == {(60, 3600)}
    assert plan_instance(asked(scaling=scaling, storage=taken(*[90] * 6))).steps[0].after == "750 GiB"
