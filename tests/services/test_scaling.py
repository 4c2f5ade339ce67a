"""Scaling from the samples to what stands, by Airflow's tasks: in RDS and in Application Auto Scaling, both emulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.configuration import conf as conf_of_airflow
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    TaskAwaitingInput,
)
from botocore.exceptions import ClientError, EndpointConnectionError
from sluice.estate.scaling import MemoryRule, Scaling
from sluice.flow import alerting, connections
from sluice.flow.asking import APPROVE, REJECT
from sluice.flow.consent import Consent
from sluice.flow.insight import ledger as insight_ledger
from sluice.flow.insight import scaled, waiting
from sluice.flow.insight import scaling as tasks
from sluice.flow.insight.scaling import (
    ApproveScaling,
    ListScaled,
    PlanScaling,
    ScaleStore,
    VerifyScaling,
)
from sluice.flow.insight.simulating import SimulateScaling
from sluice.insight.scaling.applying import NotOfRds, NotScaled, Overtaken, apply_step, verify_step
from sluice.insight.scaling.disk import Disk
from sluice.insight.scaling.evaluating import Holds, thresholds_of
from sluice.insight.scaling.extending import extend
from sluice.insight.scaling.instance import MADE_FOR, Follower, look
from sluice.insight.scaling.plan import Step, read_plan
from sluice.insight.scaling.units import NotRegistered, is_registered, plan_tables, register
from sluice.insight.scaling.units import look as look_at_table
from sluice.ledger.samples import Sample, Samples, Series
from sluice.ledger.scalings import Scalings
from sluice.local import databases
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect
from sluice.stores.rds import Absent, AccessDenied, AlreadyStands, NotYet, RdsDown, RdsRefused

from tests.as_airflow import postgres_connection, ran, vault_connection
from tests.conftest import Database
from tests.managed import INSTANCE, REGION
from tests.people import Told, connect_people, listening
from tests.scaled import Changing, changing

ESTATE = """estate: sample
vault: {{connection: s3_vault, bucket: {bucket}}}
ledger: {{connection: sluice_ledger}}
insight: {{maintenance: [{{days: [sun], from: "03:00", to: "06:00"}}]}}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 60m
    rpo: 10m
    watch: {{cloud: {{connection: aws_shop, instance: shop}}}}
    scaling: {{}}
  tyler: {{engine: dynamodb, connection: aws_shop, rto: 15m, rpo: 5m, scaling: {{units: {{least: 10}}}}}}
  alone: {{engine: postgres, connection: pg_shop, rto: 60m, rpo: 10m}}
"""
FORM: dict[str, Any] = {"store": None, "now": False, "dry_run": False, "simulate_from": None, "simulate_to": None}
PAGE = "https://airflow.example/of-ours"
MINUTE = timedelta(minutes=1)
NOON = datetime(2024, 4, 3, 12, tzinfo=UTC)
HOLDS = Holds(thresholds_of(Scaling())[0], NOON, NOON, 90, 90, 90, 6)
REAL_CLIENT = scaled.rds_client
COUNT = iter(range(1000))


@pytest.fixture
def shop(vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Changing]:
    """An instance in RDS, an estate that scales it, and Airflow's connections."""
    bucket = f"scaling-{next(COUNT)}"
    vault.store.create_bucket(bucket)
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text(ESTATE.format(bucket=bucket))
    for module in (connections, insight_ledger, scaled):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH", "extra": {"region_name": REGION}}
    dsns = {"PG_SHOP": database.dsn("admin"), "SLUICE_LEDGER": database.dsn(databases.LEDGER)}
    told = {name: postgres_connection(dsn) for name, dsn in dsns.items()}
    for name, text in {"AWS_SHOP": json.dumps(login), "S3_VAULT": vault_connection(vault), **told}.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", text)
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **_: None)  # of Airflow's database, which is not here
    monkeypatch.setattr(conf_of_airflow, "get", with_page(conf_of_airflow.get))
    monkeypatch.setattr(Consent, "_asks_still", lambda *_: True)
    with changing(Vault(vault.client(), bucket), tmp_path / "copies") as made:
        monkeypatch.setattr(scaled, "rds_client", lambda _: (made.client(), INSTANCE))
        yield made


@pytest.fixture
def ledger(database: Database) -> Iterator[tuple[Samples, Scalings]]:
    """What was measured, and what was scaled."""
    with connect(database.dsn(databases.LEDGER), purpose="test") as c:
        yield Samples(c).prepare(), Scalings(c)


@pytest.fixture
def measure(ledger: tuple[Samples, Scalings]) -> Callable[..., None]:
    """A function: `measure(cpu_percent=90)` has it so for the last half hour, each minute, by the ledger's clock."""
    samples, scalings = ledger

    def keep(subject: str = "", store: str = "shop", **values: float) -> None:
        now = scalings.now()
        samples.record_history(
            (Series(store, metric, subject), Sample(now - MINUTE * n, value))
            for metric, value in values.items()
            for n in range(30)
        )

    return keep


def with_page(get: Callable[..., Any]) -> Callable[..., Any]:
    """Configure Airflow with an address of its own."""
    return lambda section, key, **how: PAGE if (section, key) == ("api", "base_url") else get(section, key, **how)


def plan(run: str = "night", store: str = "shop", **form: Any) -> Any:
    return ran(PlanScaling(task_id="plan_scaling", store=store), run, **{**FORM, **form})


def asked(run: str = "night", store: str = "shop") -> ApproveScaling:
    question = ApproveScaling(task_id="approve_scaling", store=store)
    with pytest.raises(TaskAwaitingInput):
        ran(question, run, **FORM)
    return question


def agree(said: str = APPROVE, run: str = "night", store: str = "shop") -> ApproveScaling:
    question = asked(run, store)
    question.answered({"run_id": run}, said, "anna")  # type: ignore[arg-type]
    return question


def scale(run: str = "night", store: str = "shop", **form: Any) -> Any:
    return ran(ScaleStore(task_id="scale_store", store=store), run, **{**FORM, **form})


def verify(run: str = "night", store: str = "shop") -> Any:
    return ran(VerifyScaling(task_id="verify_scaling", store=store), run, **FORM)


# ---- from the samples to what stands ----


def test_a_busy_store_gets_a_replica_after_a_yes(shop: Changing, measure: Callable[..., None], ledger) -> None:
    measure(cpu_percent=90, memory_used_percent=60, disk_used_percent=20)
    assert plan()["steps"] == 1
    question = agree()
    assert question.subject == "Scale shop?"
    assert "- **shop-scaled-1**: add a replica, 0 replicas → 1 replica, at once" in question.body
    assert "**Why**: cpu_percent was over 70 % in each of" in question.body
    scale()
    (asked,) = shop.rds.said("CreateDBInstanceReadReplica")
    assert (asked["DBInstanceIdentifier"], asked["SourceDBInstanceIdentifier"]) == ("shop-scaled-1", INSTANCE)
    assert sorted(asked["VpcSecurityGroupIds"]) == ["sg-1", "sg-2"]
    assert (asked["PubliclyAccessible"], asked["EnableIAMDatabaseAuthentication"]) == (True, True), "as its source"
    assert {"Key": MADE_FOR, "Value": "shop"} in asked["Tags"]
    assert verify() == {"add a replica of shop-scaled-1": "there"}
    scale()
    assert len(shop.rds.said("CreateDBInstanceReadReplica")) == 1, "done once, whoever asks again"
    (done,) = ledger[1].between(ledger[1].now() - MINUTE, ledger[1].now() + MINUTE)
    assert (done.action, done.rule, done.after) == ("add_replica", "cpu", "1 replica")
    assert done.verified_at is not None


def test_after_it_has_scaled_a_rule_rests(shop: Changing, measure: Callable[..., None]) -> None:
    measure(cpu_percent=90)
    plan()
    agree()
    scale()
    with pytest.raises(AirflowSkipException, match="nothing is to be scaled"):
        plan("next night")


REFUSALS = {"overtaken": Overtaken, "AccessDenied": AccessDenied, "InvalidParameterValue": RdsRefused}


def refuse_changes(shop: Changing, monkeypatch: pytest.MonkeyPatch, said: Exception | str) -> None:
    """Have RDS take no change of the instance: it refuses with this code, or is not to be reached."""
    client = shop.client()

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": said, "Message": "no"}}, "x") if isinstance(said, str) else said

    client.meta.events.register("before-call.rds.ModifyDBInstance", refuse)
    monkeypatch.setattr(scaled, "rds_client", lambda _: (client, INSTANCE))


@pytest.mark.parametrize("why", REFUSALS)
def test_a_rule_does_not_rest_after_what_was_refused(
    shop: Changing, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, ledger, why: str
) -> None:
    measure(disk_used_percent=98)
    plan()
    agree()
    with monkeypatch.context() as refusing:
        if why == "overtaken":
            shop.instance.allocated_storage = 550
        else:
            refuse_changes(shop, refusing, why)
        with pytest.raises(REFUSALS[why]):
            scale()
    assert ledger[1].last("shop") == {}, "nothing was scaled"
    assert plan("next night")["steps"] == 1, "the disk is full still, and asked about again"
    agree(run="next night")
    scale("next night")
    assert ledger[1].last("shop").keys() == {("storage", "up")}


def test_what_may_have_been_taken_is_rested_after_whatever_is_answered_next(
    shop: Changing, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, ledger
) -> None:
    measure(disk_used_percent=98)
    plan()
    agree()
    with monkeypatch.context() as lost:
        refuse_changes(shop, lost, EndpointConnectionError(endpoint_url="https://rds.example"))
        with pytest.raises(RdsDown):
            scale()
    assert ledger[1].last("shop").keys() == {("storage", "up")}, "the answer may have been lost on the way back"
    with monkeypatch.context() as refusing:
        refuse_changes(shop, refusing, "AccessDenied")
        with pytest.raises(AccessDenied):
            scale()
    assert ledger[1].last("shop").keys() == {("storage", "up")}


def test_a_refusal_that_was_mended_counts_from_when_it_was_asked_for(
    shop: Changing, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, ledger
) -> None:
    measure(disk_used_percent=98)
    plan()
    agree()
    with monkeypatch.context() as refusing:
        refuse_changes(shop, refusing, "AccessDenied")
        with pytest.raises(AccessDenied):
            scale()
    mended = ledger[1].now()
    scale()
    (done,) = ledger[1].between(mended - MINUTE, mended + MINUTE)
    assert done.begun_at >= mended
    assert done.refused_at is None


def test_nothing_is_scaled_without_a_yes(shop: Changing, measure: Callable[..., None]) -> None:
    measure(disk_used_percent=90)
    plan()
    with pytest.raises(AirflowSkipException, match=r"nobody has agreed to its scaling in this run.*Nothing was scaled"):
        scale()
    with pytest.raises(AirflowFailException, match="anna rejected the scaling of shop"):
        agree(REJECT)
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        scale()
    assert shop.rds.said("ModifyDBInstance") == []


def test_a_yes_is_to_the_plan_that_was_shown_and_to_this_run(shop: Changing, measure: Callable[..., None]) -> None:
    measure(disk_used_percent=90)
    plan()
    agree()
    measure(cpu_percent=90)
    plan()  # cleared, and another plan by now
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        scale()
    plan("another")
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        scale("another")
    assert shop.rds.said("ModifyDBInstance") == []


def test_what_was_told_no_is_not_asked_again_today(shop: Changing, measure: Callable[..., None]) -> None:
    measure(disk_used_percent=90)
    plan()
    with pytest.raises(AirflowFailException):
        agree(REJECT)
    plan("later")
    with pytest.raises(AirflowSkipException, match="said No to this very manifest in run night"):
        agree(run="later")


@pytest.fixture
def people(shop: Changing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Who takes the alerts of this estate."""
    file = tmp_path / "include/estate/estate.yaml"
    file.write_text(f"alerts: people\n{file.read_text()}")
    monkeypatch.setattr(alerting, "ROOT", tmp_path)
    with listening() as (told, port):
        connect_people(monkeypatch, port)
        yield told


def test_people_are_told_once_that_a_question_waits_and_where(
    people: Told, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(disk_used_percent=90)
    monkeypatch.setattr(Consent, "_asks_still", lambda *_: False)  # nobody has answered in time
    for run in ("night", "an hour later"):
        plan(run)
        asked(run)
    (told,) = people.bodies
    assert (told["severity"], told["page"]) == (
        "P3",
        f"{PAGE}/dags/d/runs/night/tasks/approve_scaling/required_actions",
    )
    assert f"shop waits for a yes, for an hour: {told['page']}" in told["text"]
    assert "extend the disk of shop: 500 GiB → 600 GiB" in told["text"]
    measure(cpu_percent=90)
    plan("another")
    asked("another")
    assert "add a replica of shop-scaled-1" in people.bodies[1]["text"]
    monkeypatch.setattr(waiting, "AGAIN_AFTER", timedelta())
    plan("the next day")
    asked("the next day")
    assert len(people.bodies) == 3


def test_a_question_waits_also_where_nobody_can_be_told(
    people: Told, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Consent, "_asks_still", lambda *_: False)
    measure(disk_used_percent=90)
    for run, people.answers in (("night", 400), ("later", 200)):
        plan(run)
        asked(run)
    assert len(people.bodies) == 2, "what nobody took is told with the next question"


def test_a_yes_that_came_too_late_counts_for_nothing(
    shop: Changing, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(disk_used_percent=90)
    plan()
    agree()
    monkeypatch.setattr(tasks, "PATIENCE", timedelta())
    with pytest.raises(AirflowFailException, match="the load is another by now"):
        scale()


def test_a_dry_run_asks_nobody_and_keeps_the_plan_for_the_report(
    shop: Changing, measure: Callable[..., None], ledger
) -> None:
    measure(disk_used_percent=90)
    with pytest.raises(AirflowSkipException, match="A dry run"):
        plan(dry_run=True)
    at, kept = ledger[1].plans()["shop"]
    assert [step["action"] for step in kept["steps"]] == ["extend_storage"]
    ledger[1].keep_plan("shop", at - MINUTE, {})
    assert ledger[1].plans()["shop"][1] == kept, "an older plan changes nothing"


def test_a_full_disk_is_extended_at_once_and_a_class_waits_for_its_window(
    shop: Changing, measure: Callable[..., None]
) -> None:
    measure(disk_used_percent=90, memory_used_percent=95)
    plan()
    agree()
    scale()
    assert shop.instance.allocated_storage == 600
    assert shop.instance.db_instance_class == "db.r6g.xlarge"
    assert verify() == {"extend the disk of shop": "there", "change the class of shop": "in its window"}
    shop.window_opens()
    assert shop.instance.db_instance_class == "db.r6g.2xlarge"
    assert verify() == {"extend the disk of shop": "there", "change the class of shop": "there"}
    shop.instance.allocated_storage = 500  # somebody has taken back the first of two
    with pytest.raises(AirflowRescheduleException):
        verify()


def test_a_person_may_say_now(shop: Changing, measure: Callable[..., None]) -> None:
    measure(memory_used_percent=95)
    plan(now=True)
    agree()
    scale(now=True)
    assert shop.instance.db_instance_class == "db.r6g.2xlarge"


def test_what_was_agreed_for_now_is_refused_where_nobody_says_so_when_it_is_done(
    shop: Changing, measure: Callable[..., None]
) -> None:
    measure(memory_used_percent=95)
    plan(now=True)
    agree()
    with pytest.raises(Overtaken, match="restarts it at once"):
        scale(now=False)
    assert shop.instance.db_instance_class == "db.r6g.xlarge"


def test_while_something_else_is_done_with_it_nobody_waits_at_a_worker(
    shop: Changing, measure: Callable[..., None]
) -> None:
    measure(disk_used_percent=90)
    plan()
    agree()
    shop.instance.status = "backing-up"
    with pytest.raises(AirflowRescheduleException):
        scale()
    shop.instance.status = "available"
    scale()
    shop.instance.status = "modifying"
    with pytest.raises(AirflowRescheduleException):
        verify()
    shop.instance.status = "storage-optimization"
    assert verify() == {"extend the disk of shop": "there"}


def test_what_was_taken_back_since_is_red(
    shop: Changing, measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(disk_used_percent=90)
    plan()
    agree()
    scale()
    shop.instance.allocated_storage = 500
    with pytest.raises(AirflowRescheduleException):  # a service may show it late
        verify()
    monkeypatch.setattr(tasks, "SHOWS_WITHIN", timedelta())
    with pytest.raises(NotScaled, match="stands as before"):
        verify()


def test_the_list_is_of_those_that_scale(shop: Changing) -> None:
    listed = ListScaled(task_id="list_stores")
    assert ran(listed, **FORM) == ["shop", "tyler"]
    assert ran(listed, **{**FORM, "store": "shop"}) == ["shop"]
    with pytest.raises(scaled.NotScaledHere, match=r"no `scaling` for a store 'alone'; it has one for: shop, tyler"):
        ran(listed, **{**FORM, "store": "alone"})


def test_the_service_is_where_the_estate_says(shop: Changing) -> None:
    client, instance = REAL_CLIENT(scaled.scaling_of_store("shop")[0])
    assert (client.meta.service_model.service_name, client.meta.region_name, instance) == ("rds", REGION, INSTANCE)


def test_a_recorded_load_is_walked_through_and_drawn(
    shop: Changing, measure: Callable[..., None], vault, ledger
) -> None:
    measure(cpu_percent=90, memory_used_percent=60)
    now = ledger[1].now()
    simulate = SimulateScaling(task_id="simulate_scaling", store="shop")
    told = {**FORM, "simulate_from": (now - timedelta(hours=1)).isoformat(), "simulate_to": (now + MINUTE).isoformat()}
    made = ran(simulate, **told)
    assert "1 change from" in made["told"]
    drawn = connections.open_vault().get(made["picture"])
    assert b"shop: what its rules would have done" in drawn
    with pytest.raises(AirflowSkipException, match="No simulation was asked for"):
        ran(simulate, **FORM)
    with pytest.raises(AirflowSkipException, match="A simulation"):
        ran(PlanScaling(task_id="plan_scaling", store="shop"), **told)
    with pytest.raises(AirflowFailException, match="is not after"):
        ran(simulate, **{**told, "simulate_to": told["simulate_from"]})
    with pytest.raises(AirflowFailException, match="such as 2026-11-16"):
        ran(simulate, **{**told, "simulate_to": "soon"})
    with pytest.raises(AirflowSkipException, match="nothing was measured"):
        ran(simulate, **{**FORM, "simulate_from": "2001-01-01", "simulate_to": "2001-01-02"})


# ---- in RDS ----

ADD = Step("cpu", "up", "add_replica", "shop-scaled-1", "0 replicas", "1 replica", "", "", "")
DROP = Step("cpu", "down", "drop_replica", "shop-scaled-1", "1 replica", "0 replicas", "", "", "")
EXTEND = Step(
    "storage", "up", "extend_storage", INSTANCE, "500 GiB", "600 GiB", "", "", "", settings=(("Iops", 12000),)
)
CLASS = Step("memory", "up", "change_class", INSTANCE, "db.r6g.xlarge", "db.r6g.2xlarge", "", "", "", at_once=False)


def test_what_stands_is_seen(shop: Changing) -> None:
    found = look(shop.client(), "shop", INSTANCE, MemoryRule())
    assert (found.instance_class, found.disk, found.larger, found.smaller) == (
        "db.r6g.xlarge", Disk(500, "gp3", 12000, 500, 2000), "db.r6g.2xlarge", "db.r6g.large",
    )  # fmt: skip
    assert (found.keeps_backups, found.stands_by, found.next_replica) == (True, True, "shop-scaled-1")
    assert found.window == "sun:04:00-sun:04:30"
    apply_step(shop.client(), "shop", INSTANCE, ADD)
    (follower,) = look(shop.client(), "shop", INSTANCE, MemoryRule(largest="xlarge")).followers
    assert (follower.name, follower.ours) == ("shop-scaled-1", True)
    shop.rds.inside("shop-scaled-1").deletion_protection = True  # a person keeps it
    assert not look(shop.client(), "shop", INSTANCE, MemoryRule()).followers[0].ours
    assert look(shop.client(), "shop", INSTANCE, MemoryRule(largest="xlarge")).larger is None
    abroad, far = shop.client(), "arn:aws:rds:eu-central-1:123456789012:db:far"

    def add(parsed: dict[str, Any], **_: Any) -> None:
        for one in parsed.get("DBInstances", ()):
            one["ReadReplicaDBInstanceIdentifiers"] = [far]

    abroad.meta.events.register("after-call.rds.DescribeDBInstances", add)
    assert look(abroad, "shop", INSTANCE, MemoryRule()).followers == (Follower(far, "available", False),)
    with pytest.raises(Absent, match="no instance other"):
        look(shop.client(), "shop", "other", MemoryRule())


def test_what_has_become_otherwise_is_refused(shop: Changing) -> None:
    shop.instance.allocated_storage = 550
    with pytest.raises(Overtaken, match="has 550 GiB by now"):
        apply_step(shop.client(), "shop", INSTANCE, EXTEND)
    shop.instance.db_instance_class = "db.r6g.large"
    with pytest.raises(Overtaken, match=r"has db.r6g.large by now"):
        apply_step(shop.client(), "shop", INSTANCE, CLASS)
    assert shop.rds.said("ModifyDBInstance") == []


def test_what_waits_for_the_window_is_never_brought_along(shop: Changing) -> None:
    apply_step(shop.client(), "shop", INSTANCE, CLASS)
    assert verify_step(shop.client(), "shop", INSTANCE, CLASS) == "in its window"
    with pytest.raises(Overtaken, match="DBInstanceClass of shop waits for its window"):
        apply_step(shop.client(), "shop", INSTANCE, EXTEND)
    assert shop.instance.db_instance_class == "db.r6g.xlarge", "nobody was restarted"


def test_the_bound_of_its_own_growth_goes_along_with_the_disk(shop: Changing) -> None:
    told = (("Iops", 12000), ("MaxAllocatedStorage", 2394))
    apply_step(shop.client(), "shop", INSTANCE, replace(EXTEND, after="1900 GiB", settings=told))
    (asked,) = shop.rds.said("ModifyDBInstance")
    assert (asked["AllocatedStorage"], asked["MaxAllocatedStorage"], asked["ApplyImmediately"]) == (1900, 2394, True)


@pytest.mark.parametrize(
    ("kind", "size", "iops", "bound", "by", "after"),
    [
        ("gp2", 500, None, 2000, 20, (600, None, 2000)),
        ("gp3", 100, None, 2000, 20, (120, None, 2000)),
        ("gp3", 380, None, 2000, 20, (456, 12000, 2000)),
        ("gp3", 500, 16000, 2000, 20, (600, 16000, 2000)),
        ("io1", 500, 3000, 620, 20, (600, 3000, 756)),
        ("io2", 2000, 1000, 2400, 20, (2400, 1200, 3024)),
        ("gp3", 1500, 12000, 1600, 100, (3000, 12000, None)),
    ],
    ids=["gp2", "small", "it becomes striped", "gp3", "io1", "too few for so much", "no room below what it may have"],
)
def test_a_disk_is_extended_as_rds_takes_it_and_as_the_plan_says(
    shop: Changing,
    kind: str,
    size: int,
    iops: int | None,
    bound: int,
    by: int,
    after: tuple[int, int | None, int | None],
) -> None:
    inside = shop.instance
    inside.storage_type, inside.allocated_storage, inside.iops = kind, size, iops
    inside.max_allocated_storage = bound
    found = look(shop.client(), "shop", INSTANCE, MemoryRule())
    (step,) = extend(found, by, 3200, HOLDS)
    apply_step(shop.client(), "shop", INSTANCE, step)
    assert verify_step(shop.client(), "shop", INSTANCE, step) == "there"
    stands = look(shop.client(), "shop", INSTANCE, MemoryRule()).disk
    assert (stands.size, stands.iops, stands.extends_itself_to) == after


def test_more_operations_than_were_agreed_to_are_not_taken_back(shop: Changing) -> None:
    shop.instance.iops = 20000
    with pytest.raises(Overtaken, match="has more Iops by now than was agreed to, with Iops 12000"):
        apply_step(shop.client(), "shop", INSTANCE, EXTEND)


def test_the_disks_of_replicas_are_extended_too_and_no_other(shop: Changing, measure: Callable[..., None]) -> None:
    apply_step(shop.client(), "shop", INSTANCE, ADD)
    measure(disk_used_percent=90)
    assert plan()["steps"] == 2
    agree()
    scale()
    assert [asked["DBInstanceIdentifier"] for asked in shop.rds.said("ModifyDBInstance")] == [INSTANCE, "shop-scaled-1"]
    assert shop.rds.inside("shop-scaled-1").allocated_storage == 600
    assert verify() == {"extend the disk of shop": "there", "extend the disk of shop-scaled-1": "there"}
    shop.rds.inside("shop-scaled-1").allocated_storage = 500
    shop.rds.client().promote_read_replica(DBInstanceIdentifier="shop-scaled-1")
    with pytest.raises(Overtaken, match="shop-scaled-1 is no replica of shop by now"):
        apply_step(shop.client(), "shop", INSTANCE, replace(EXTEND, subject="shop-scaled-1"))


def test_a_replica_that_was_promoted_is_not_the_new_one_and_keeps_its_name(shop: Changing) -> None:
    apply_step(shop.client(), "shop", INSTANCE, ADD)
    shop.rds.client().promote_read_replica(DBInstanceIdentifier="shop-scaled-1")
    with pytest.raises(AlreadyStands, match="shop-scaled-1 follows shop no more: it was promoted"):
        verify_step(shop.client(), "shop", INSTANCE, ADD)
    assert look(shop.client(), "shop", INSTANCE, MemoryRule()).next_replica == "shop-scaled-2"


@pytest.mark.parametrize("whose", ["nobody's", "another store's"])
def test_only_a_replica_that_a_rule_has_made_is_taken_away(shop: Changing, whose: str) -> None:
    client = shop.client()
    apply_step(client, "shop", INSTANCE, ADD)
    tags = [] if whose == "nobody's" else [{"Key": MADE_FOR, "Value": "other"}]
    shop.rds.inside("shop-scaled-1").tags = tags
    with pytest.raises(Overtaken, match="no replica that a rule has made"):
        apply_step(client, "shop", INSTANCE, DROP)
    with pytest.raises(AlreadyStands, match="that no rule has made"):
        verify_step(client, "shop", INSTANCE, ADD)
    shop.rds.inside("shop-scaled-1").tags = [{"Key": MADE_FOR, "Value": "shop"}]
    apply_step(client, "shop", INSTANCE, DROP)
    apply_step(client, "shop", INSTANCE, DROP)
    assert shop.rds.said("DeleteDBInstance") == [{"DBInstanceIdentifier": "shop-scaled-1", "SkipFinalSnapshot": True}]
    assert verify_step(client, "shop", INSTANCE, DROP) == "there"


@pytest.mark.parametrize("action", ["register_units", "cut_the_network"])
def test_what_rds_does_not_do_is_never_sent_as_something_else(shop: Changing, action: Any) -> None:
    step = replace(CLASS, action=action)
    for do in (apply_step, verify_step):
        with pytest.raises(NotOfRds, match=f"{action} is nothing that RDS does"):
            do(shop.client(), "shop", INSTANCE, step)
    assert shop.rds.said("ModifyDBInstance") == []


def test_a_step_named_after_the_store_itself_never_deletes_it(shop: Changing) -> None:
    shop.instance.tags = [{"Key": MADE_FOR, "Value": "shop"}]
    with pytest.raises(Overtaken):
        apply_step(shop.client(), "shop", INSTANCE, replace(DROP, subject=INSTANCE, before="0 replicas"))
    assert shop.rds.said("DeleteDBInstance") == []


@pytest.mark.parametrize(
    ("busy", "steps", "said"),
    [
        (None, 0, "nobody knows how busy shop-scaled-1 is itself: nothing was measured"),
        (90, 0, "shop-scaled-1 is in use itself: its processors were 90 % busy"),
        (5, 1, "shop-scaled-1 itself was 5 to 5 % busy"),
    ],
    ids=["unknown", "busy", "idle"],
)
def test_a_replica_goes_only_where_cloudwatch_says_that_it_is_idle_itself(
    shop: Changing, measure: Callable[..., None], ledger, busy: float | None, steps: int, said: str
) -> None:
    apply_step(shop.client(), "shop", INSTANCE, ADD)
    measure(cpu_percent=10)
    if busy is not None:
        put_load(shop.rds.client("cloudwatch"), "shop-scaled-1", busy, ledger[1].now())
    with pytest.raises(AirflowSkipException, match="A dry run"):
        plan(dry_run=True)
    kept = read_plan(ledger[1].plans()["shop"][1])
    assert len(kept.steps) == steps
    assert said in str(kept)


def put_load(cloudwatch: Any, name: str, percent: float, now: datetime) -> None:
    """Have CloudWatch say how busy an instance was for the last half hour."""
    where = [{"Name": "DBInstanceIdentifier", "Value": name}]
    told = [
        {"MetricName": "CPUUtilization", "Dimensions": where, "Timestamp": now - MINUTE * n, "Value": percent}
        for n in range(30)
    ]
    cloudwatch.put_metric_data(Namespace="AWS/RDS", MetricData=told)


def test_a_replica_that_failed_is_told(shop: Changing) -> None:
    apply_step(shop.client(), "shop", INSTANCE, ADD)
    shop.rds.inside("shop-scaled-1").status = "creating"
    assert verify_step(shop.client(), "shop", INSTANCE, ADD) == "under way"
    shop.rds.inside("shop-scaled-1").status = "failed"
    with pytest.raises(NotScaled, match="shop-scaled-1 is failed"):
        verify_step(shop.client(), "shop", INSTANCE, ADD)


def test_an_instance_that_is_busy_is_tried_again(shop: Changing) -> None:
    shop.instance.status = "upgrading"
    with pytest.raises(NotYet, match="shop is upgrading"):
        apply_step(shop.client(), "shop", INSTANCE, EXTEND)


def test_more_disk_is_asked_for_an_instance_whose_disk_is_full_and_no_replica(shop: Changing) -> None:
    shop.instance.status = "storage-full"
    with pytest.raises(NotYet, match="shop is storage-full"):
        apply_step(shop.client(), "shop", INSTANCE, ADD)
    apply_step(shop.client(), "shop", INSTANCE, EXTEND)
    assert [one["AllocatedStorage"] for one in shop.rds.said("ModifyDBInstance")] == [int(EXTEND.after.split()[0])]


# ---- tables ----


@pytest.fixture
def tables(shop: Changing) -> tuple[Any, Any]:
    """DynamoDB and the service that scales it, with one table that is provisioned and one on demand."""
    login = {"region_name": REGION, "aws_access_key_id": "SCRATCH", "aws_secret_access_key": "SCRATCH"}
    dynamodb, service = (boto3.client(name, **login) for name in ("dynamodb", "application-autoscaling"))
    key: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "PK", "AttributeType": "S"}],
    }
    units = {"ReadCapacityUnits": 20, "WriteCapacityUnits": 20}
    dynamodb.create_table(TableName="entity", BillingMode="PROVISIONED", ProvisionedThroughput=units, **key)
    dynamodb.create_table(TableName="cache", BillingMode="PAY_PER_REQUEST", **key)
    return dynamodb, service


def test_a_table_is_registered_and_read_back_and_again_is_the_same(tables: tuple[Any, Any]) -> None:
    dynamodb, service = tables
    scaling = Scaling()
    standing = look_at_table(dynamodb, service, "entity", {})
    assert standing
    assert not is_registered(scaling, standing)
    for _ in range(2):
        register(service, scaling, standing)
    again = look_at_table(dynamodb, service, "entity", {})
    assert again
    assert is_registered(scaling, again)
    assert plan_tables("tyler", scaling, [again]).steps == ()
    policies = service.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]
    told = {
        (one["TargetTrackingScalingPolicyConfiguration"]["TargetValue"],
         one["TargetTrackingScalingPolicyConfiguration"]["ScaleOutCooldown"],
         one["TargetTrackingScalingPolicyConfiguration"]["ScaleInCooldown"])
        for one in policies
    }  # fmt: skip
    assert (len(policies), told) == (2, {(70.0, 300, 900)})
    assert look_at_table(dynamodb, service, "gone", {}) is None


def test_bounds_without_a_policy_scale_nothing(tables: tuple[Any, Any]) -> None:
    dynamodb, service = tables
    service.register_scalable_target(
        ServiceNamespace="dynamodb", ResourceId="table/entity", ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=5, MaxCapacity=4000,
    )  # fmt: skip
    standing = look_at_table(dynamodb, service, "entity", {})
    assert standing
    assert standing.registered == {}


def test_a_service_that_refuses_is_told(tables: tuple[Any, Any]) -> None:
    dynamodb, service = tables
    standing = look_at_table(dynamodb, service, "entity", {})
    assert standing

    def refuse(**_: Any) -> None:
        raise service.exceptions.ValidationException({"Error": {"Code": "ValidationException", "Message": "no"}}, "x")

    service.meta.events.register("before-call.application-autoscaling.PutScalingPolicy", refuse)
    with pytest.raises(NotRegistered, match=r"entity: 0 of 2 were registered.*no"):
        register(service, Scaling(), standing)


def test_measured_tables_are_scaled_by_the_service_after_a_yes(
    tables: tuple[Any, Any], measure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb, service = tables
    monkeypatch.setattr(scaled, "documents_of", lambda _: (dynamodb, None))
    monkeypatch.setattr(scaled, "autoscaling_of", lambda _: service)
    monkeypatch.setattr(tasks, "autoscaling_of", lambda _: service)
    for table in ("entity", "cache", "gone"):
        measure(subject=table, store="tyler", table_up_count=1, read_units_rate=12)
    assert plan(store="tyler")["steps"] == 1
    agree(store="tyler")
    scale(store="tyler")
    assert verify(store="tyler") == {"have the service scale the units of entity": "there"}
    (target,) = service.describe_scalable_targets(
        ServiceNamespace="dynamodb", ScalableDimension="dynamodb:table:WriteCapacityUnits"
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (10, 4000)
    with pytest.raises(AirflowSkipException, match="nothing is to be scaled"):
        plan("next night", store="tyler")
