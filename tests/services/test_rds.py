"""A store in RDS: snapshots, copies with every setting, and nothing taken away but a drill's. Emulated: see tests/managed.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from sluice.safety.driver import Clock, NotScratch, name_scratch
from sluice.safety.rds.driver import NotRestored, NotTaken, NotWhole, TakesTooLong
from sluice.safety.rds.origin import NotReachable
from sluice.safety.rds.scratch import NotOurs, Protected
from sluice.safety.rds.settings import LEFT_OUT, PASSED
from sluice.safety.rds.snapshots import CopyTo, NoKeyThere, NotOurSnapshot
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.rds import NotYet, RdsDown

from tests.managed import INSTANCE, OTHER_REGION, STORE, Emulated, emulated

NAME = name_scratch(STORE, datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC), "one")
LATEST = Target("latest")
TO_A_TIME, FROM_A_SNAPSHOT = "RestoreDBInstanceToPointInTime", "RestoreDBInstanceFromDBSnapshot"


@pytest.fixture
def rds(vault, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Emulated]:
    bucket = f"rds-{abs(hash(request.node.name))}"
    vault.store.create_bucket(bucket)
    with emulated(Vault(vault.client(), bucket), tmp_path / "copies") as made:
        yield made


def said() -> tuple[list[str], Callable[[str], None]]:
    lines: list[str] = []
    return lines, lines.append


def test_a_copy_for_the_real_day_is_told_every_setting_and_has_it(rds: Emulated) -> None:
    driver, clock = rds.driver(likeness="whole"), Clock()
    found = driver.restore(LATEST, NAME, clock, print)
    (asked,) = rds.said(TO_A_TIME)
    assert (asked["SourceDBInstanceIdentifier"], asked["TargetDBInstanceIdentifier"]) == (INSTANCE, NAME)
    assert asked["UseLatestRestorableTime"] is True
    absent = {"BackupTarget", "DBCapacityReservationIdentifier", "DedicatedLogVolume", "EnableCustomerOwnedIp",
              "EngineLifecycleSupport", "NetworkType", "ProcessorFeatures"}  # fmt: skip
    assert set(PASSED) - set(asked) == absent, "the emulator has none of these, test_rds_settings.py has them all"
    assert not set(asked) & set(LEFT_OUT)
    assert found.unlike == ()
    assert {"Key": "team", "Value": "shop"} in asked["Tags"]
    (changed,) = rds.said("ModifyDBInstance")
    assert (changed["MonitoringInterval"], changed["PreferredMaintenanceWindow"]) == (15, "sun:04:00-sun:04:30")
    assert set(clock.phases) == {"accepted", "available"}
    assert "pgpass" not in driver.hand_over(found, 5432)
    assert [*rds.folder.iterdir()] == []
    with pytest.raises(NotOurs, match="real day"):
        driver.destroy(NAME)
    assert driver.scratches() == [NAME], "it is told of until it goes, or is renamed"


def test_a_drills_copy_differs_in_what_was_meant_and_goes_with_all_that_is_kept_of_it(rds: Emulated) -> None:
    driver, (lines, tell) = rds.driver(), said()
    found = driver.restore(LATEST, NAME, Clock(), tell)
    assert found.unlike == ()
    window = driver.window()
    assert window
    assert found.reached
    assert window.earliest < found.reached < window.latest, "as of when it was asked for"
    (asked,) = rds.said(TO_A_TIME)
    told = {
        name: asked[name] for name in ("MultiAZ", "PubliclyAccessible", "DeletionProtection", "BackupRetentionPeriod")
    }
    assert told == {
        "MultiAZ": False,
        "PubliclyAccessible": False,
        "DeletionProtection": False,
        "BackupRetentionPeriod": 0,
    }
    assert any("DBInstanceClass: db.t4g.medium, was db.r6g.xlarge" in line for line in lines)
    tags = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
    end = datetime.fromisoformat(tags["sluice:expires"]) - datetime.fromisoformat(tags["sluice:asked"])
    assert (tags["sluice:copy"], tags["sluice:store"], end) == ("drill", STORE, driver.lasts)
    assert driver.scratches() == [NAME]
    with pytest.raises(NotWhole, match=NAME):
        driver.hand_over(found, None)
    driver.destroy(NAME)
    driver.destroy(NAME)
    assert rds.said("DeleteDBInstance") == [
        {"DBInstanceIdentifier": NAME, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    ]
    assert driver.scratches() == []
    assert driver.backups(), "the store's own backups stay"


@pytest.mark.parametrize(
    "forgotten", ["DBParameterGroupName", "VpcSecurityGroupIds", "OptionGroupName", "Iops", "DBSubnetGroupName"]
)
def test_a_setting_that_was_not_passed_on_is_seen(rds: Emulated, forgotten: str) -> None:
    driver = rds.driver()

    def drop(params: dict[str, Any], **_: Any) -> None:
        params.pop(forgotten)

    driver.client.meta.events.register_last(f"provide-client-params.rds.{TO_A_TIME}", drop)
    found = driver.restore(LATEST, NAME, Clock(), print)
    settings = {"DBSubnetGroupName": "DBSubnetGroup", **PASSED}
    assert [line.split(":")[0] for line in found.unlike] == [settings.get(forgotten, forgotten)]


def test_what_was_begun_is_found_again_and_never_begun_twice(rds: Emulated) -> None:
    def lost(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://rds")

    driver = rds.driver()
    driver.client.meta.events.register(f"after-call.rds.{TO_A_TIME}", lost)
    with pytest.raises(RdsDown):
        driver.begin(LATEST, NAME)
    driver.begin(LATEST, NAME)
    rds.driver().restore(LATEST, NAME, Clock(), print)
    assert (len(rds.said(TO_A_TIME)), rds.begun) == (1, [NAME])
    with pytest.raises(NotOurs, match="latest moment"):
        driver.begin(Target("point", "another"), NAME)
    rds.inside(NAME).status = "deleting"
    with pytest.raises(NotYet, match="being deleted"):
        driver.begin(LATEST, NAME)


def test_the_clock_counts_from_when_it_was_asked_for_whoever_asked(rds: Emulated) -> None:
    driver = rds.driver()
    driver.begin(LATEST, NAME)
    for tag in rds.inside(NAME).tags:
        if tag["Key"] == "sluice:asked":
            tag["Value"] = (datetime.fromisoformat(tag["Value"]) - timedelta(minutes=20)).isoformat()
    driver.settle(NAME)
    clock = Clock()
    driver.restore(LATEST, NAME, clock, print)
    clock.note("first query")
    assert clock.phases["available"] == pytest.approx(1200, abs=3)
    assert clock.phases["first query"] == pytest.approx(1200, abs=3)


@pytest.mark.parametrize("whose", ["the store's own", "a stranger's", "another store's", "a person keeps it"])
def test_nothing_but_a_drills_copy_is_ever_taken_away(rds: Emulated, whose: str) -> None:
    driver, name = rds.driver(), INSTANCE if whose == "the store's own" else NAME
    if whose != "the store's own":
        driver.begin(LATEST, NAME)
        copy = rds.inside(NAME)
        if whose == "a stranger's":
            copy.tags = [{"Key": "team", "Value": "shop"}]
        if whose == "another store's":
            copy.tags = [tag if tag["Key"] != "sluice:store" else {**tag, "Value": "other"} for tag in copy.tags]
        copy.deletion_protection = whose == "a person keeps it"
    wanted = {"the store's own": NotScratch, "a person keeps it": Protected}.get(whose, NotOurs)
    with pytest.raises(wanted, match=name):
        driver.destroy(name)
    assert rds.said("DeleteDBInstance") == []
    if whose != "a person keeps it":
        with pytest.raises(NotScratch):
            driver.begin(LATEST, name)


def test_a_time_that_cannot_be_reached_is_refused_with_those_that_can(rds: Emulated) -> None:
    driver = rds.driver()
    window = driver.window()
    assert window
    for moment, words in (
        (window.latest + timedelta(minutes=5), "after the last"),
        (window.earliest - timedelta(hours=1), "before"),
    ):
        with pytest.raises(NotReachable, match=words) as told:
            driver.begin(Target.at(moment), NAME)
        assert f"{window.earliest:%Y-%m-%d %H:%M:%S} to " in str(told.value)
    with pytest.raises(NotReachable, match="no positions"):
        driver.begin(Target("position", "0/1"), NAME)
    driver.begin(Target.at(window.earliest), NAME)
    (asked,) = rds.said(TO_A_TIME)
    assert asked["RestoreTime"] == window.earliest.replace(microsecond=0)
    rds.inside(INSTANCE).backup_retention_period = 0
    assert driver.window() is None
    with pytest.raises(NotReachable, match="keeps no backups"):
        driver.begin(LATEST, f"{NAME}0")


def test_what_rds_gives_up_on_and_what_takes_too_long_is_said_with_its_name(rds: Emulated) -> None:
    driver, (lines, tell) = rds.driver(patience=timedelta(0)), said()
    driver.begin(LATEST, NAME)
    rds.inside(NAME).status = "creating"
    with pytest.raises(TakesTooLong, match=f"{NAME}: creating"):
        driver.restore(LATEST, NAME, Clock(), tell)
    assert lines == [f"{STORE}: instance {NAME}: creating"]
    rds.inside(NAME).status = "incompatible-restore"
    with pytest.raises(NotRestored, match=f"{NAME}: incompatible-restore"):
        driver.restore(LATEST, NAME, Clock(), tell)


def test_a_snapshot_is_taken_copied_under_a_key_of_that_region_and_restored_when_the_instance_is_gone(
    rds: Emulated,
) -> None:
    there = rds.client(region=OTHER_REGION)
    key = rds.client("kms", OTHER_REGION).create_key()["KeyMetadata"]["Arn"]
    driver, (_, tell) = rds.driver(copies=[CopyTo(OTHER_REGION, there, key)], likeness="whole"), said()
    taken = driver.take(tell)
    assert taken in driver.backups()
    assert driver.verify(taken.id, tell) == 0
    (asked,) = rds.said("CopyDBSnapshot")
    assert (asked["KmsKeyId"], asked["SourceRegion"], asked["TargetDBSnapshotIdentifier"]) == (
        key,
        "eu-west-1",
        taken.id,
    )
    (copy,) = there.describe_db_snapshots(DBSnapshotIdentifier=taken.id)["DBSnapshots"]
    assert {"Key": "sluice:store", "Value": STORE} in copy["TagList"]
    driver.begin_snapshot(taken.id)
    driver.begin_copies(taken.id)
    assert len(rds.said("CreateDBSnapshot")) == len(rds.said("CopyDBSnapshot")) == 1
    rds.inside(INSTANCE).deletion_protection = False
    original = rds.client()
    original.delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)
    found = driver.restore(Target("point", taken.id), NAME, Clock(), tell)
    assert (found.unlike, found.backups, found.reached) == ((), (taken.id,), taken.whole_at)
    (asked,) = rds.said(FROM_A_SNAPSHOT)
    assert (asked["DBParameterGroupName"], asked["Iops"], asked["DeletionProtection"]) == ("shop-13", 12000, True)


def test_a_snapshot_that_was_being_taken_when_its_task_died_is_waited_for(rds: Emulated) -> None:
    driver = rds.driver()
    driver.begin_snapshot("sluice-shop-of-a-task-that-died")
    snapshot = rds.client().describe_db_snapshots(DBSnapshotIdentifier="sluice-shop-of-a-task-that-died")[
        "DBSnapshots"
    ][0]
    kept = json.loads(rds.vault.get(f"backups/stores/{STORE}/rds/{snapshot['DBSnapshotIdentifier']}.json"))
    assert (kept["instance"], kept["settings"]["DBParameterGroups"]) == (INSTANCE, "shop-13")
    inside = rds.snapshot(snapshot["DBSnapshotIdentifier"])
    inside.status = "creating"
    with pytest.raises(TakesTooLong, match="task-that-died: creating"):
        rds.driver(patience=timedelta(0)).take(print)
    inside.status = "failed"
    with pytest.raises(NotTaken, match="is failed"):
        driver.verify(snapshot["DBSnapshotIdentifier"], print)
    assert [one.id for one in driver.backups()] == [one.id for one in driver.backups() if one.id.startswith("rds:")]
    assert len(rds.said("CreateDBSnapshot")) == 1


def test_a_copy_without_a_key_of_its_region_and_a_strangers_snapshot_are_refused(rds: Emulated) -> None:
    driver = rds.driver(copies=[CopyTo(OTHER_REGION, rds.client(region=OTHER_REGION), None)])
    with pytest.raises(NoKeyThere, match=OTHER_REGION):
        driver.take(print)
    rds.client().create_db_snapshot(DBInstanceIdentifier=INSTANCE, DBSnapshotIdentifier="by-hand")
    with pytest.raises(NotOurSnapshot, match="by-hand"):
        driver.begin_snapshot("by-hand")


def test_a_store_whose_region_is_gone_comes_up_in_another_under_the_names_that_things_have_there(rds: Emulated) -> None:
    there = rds.client(region=OTHER_REGION)
    key = rds.client("kms", OTHER_REGION).create_key()["KeyMetadata"]["Arn"]
    taken = rds.driver(copies=[CopyTo(OTHER_REGION, there, key)]).take(print)
    rds.make_groups(OTHER_REGION, "-there")
    named = {"DBParameterGroups": "shop-13-there", "OptionGroupMemberships": "shop-options-there", "KmsKeyId": key,
             "DBSubnetGroup": "private-there", "VpcSecurityGroups": ["sg-9"]}  # fmt: skip
    driver, (lines, tell) = rds.driver(client=there, elsewhere=named, likeness="whole"), said()
    assert [one.id for one in driver.backups()] == [taken.id]
    found = driver.restore(Target("point", taken.id), NAME, Clock(), tell)
    assert found.unlike == ()
    assert f"{STORE}: {NAME} has DBSubnetGroup: private-there, was private: it is called so where the copy is" in lines
    assert NAME not in [one["DBInstanceIdentifier"] for one in rds.client().describe_db_instances()["DBInstances"]]
