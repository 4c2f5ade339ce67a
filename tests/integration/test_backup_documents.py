"""Tables backed up while somebody writes, brought back to any second, their settings put back: the whole by a drill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sluice.safety.backup import MANIFEST, Broken, folder_of
from sluice.safety.documents.base import bases_of
from sluice.safety.documents.driver import Documents, NotReachable
from sluice.safety.documents.log import LogShort
from sluice.safety.documents.putting_back import PutBack
from sluice.safety.documents.scratch import creation_of, destroy, table_under
from sluice.safety.documents.settings import read_settings
from sluice.safety.drill.certificate import Goals, certificates_of
from sluice.safety.drill.drilling import Counted, draw
from sluice.safety.driver import Clock, NotScratch, name_scratch
from sluice.safety.target import Target
from sluice.stores.dynamodb.values import same
from sluice.stores.objects import Damaged, Vault
from sluice.stores.parts import read_part

from tests.documented import ODD, STORE, Shop, closed_shop, one_second, opened_shop


@dataclass(frozen=True)
class Night:
    """A store that was backed up and counted under load."""

    shop: Shop
    backup: str
    counted: Counted

    @property
    def between(self) -> Target:
        """A moment between the base and the count: what a copy must hold there is carried back to it."""
        return Target.at(bases_of(self.shop.driver.vault, STORE)[0].whole)


@pytest.fixture(scope="module")
def night(documents, vault) -> Iterator[Night]:
    """Back up and count while somebody writes."""
    vault.store.create_bucket("documented")
    shop = opened_shop(documents, Vault(vault.client(), "documented"))
    with one_second():
        with shop.written_to():
            taken = shop.driver.take(shop.said.append)
            time.sleep(1.1)  # the moments of both are told in whole seconds
            counted = shop.counted()
        shop.put(901, "after the count")
        shop.delete(2)
        now = shop.driver.tables.now()
        for shipper in shop.driver.shippers.values():
            shipper.reach(now)
    yield Night(shop, taken.id, counted)
    closed_shop(shop)


def test_a_drill_to_the_moment_of_a_count_finds_everything_and_keeps_its_certificate(night: Night) -> None:
    made = night.shop.drilled(Target.at(night.counted.at), night.counted)
    assert made.wrong == ()
    compared = made.compared
    assert compared
    assert (compared.tables, compared.rows) == (2, night.counted.census.rows)
    assert compared.rows > 300
    phases = ["accepted", "available", "first query", "fully read", "settings put back", "verified"]
    assert list(made.phases) == phases
    assert {line.partition(":")[0] for line in made.put_back} == {
        "stream", "tag", "history", "resource policy", "contributor insights", "deletion protection", "time to live"
    }  # fmt: skip
    assert [line.partition(":")[0].rpartition(" ")[2] for line in made.left] == ["destination"]
    made.keep(night.shop.driver.vault)
    assert certificates_of(night.shop.driver.vault, STORE) == [made]


def test_a_moment_between_is_compared_with_the_count_that_came_behind_it(night: Night) -> None:
    made = night.shop.drilled(night.between, night.counted)
    assert made.wrong == ()
    assert made.lost is None, "it was asked to have less"
    assert made.compared
    assert made.holds_sha256 != night.shop.drilled(Target.at(night.counted.at), night.counted).holds_sha256


def test_the_latest_moment_is_carried_on_from_the_count_and_the_loss_is_bounded(night: Night) -> None:
    window = night.shop.driver.window()
    assert window
    at = window.latest + timedelta(seconds=15)
    made = night.shop.drilled(Target("latest"), night.counted, at=at)
    assert made.wrong == ()
    assert made.lost == (5, 15)
    late = night.shop.drilled(Target("latest"), night.counted, at=at, goals=Goals(0.001, 4)).wrong
    assert [line for line in late if "at least 5 s of writes would be lost; the store's RPO is 4 s" in line]
    assert [line for line in late if "the store's RTO is 0 s" in line]


def test_a_moment_is_drawn_in_the_window_and_every_type_of_value_comes_back(night: Night) -> None:
    driver = night.shop.driver
    window = driver.window()
    assert window
    name = name_scratch(STORE, window.latest, "types")
    found = driver.restore(draw(window, "7"), name, Clock(), night.shop.said.append)
    try:
        copy = table_under(name, night.shop.table)
        assert copy in found.address
        back = night.shop.client.get_item(TableName=copy, Key={"id": ODD["id"]}, ConsistentRead=True)["Item"]
        assert same(back, {**ODD, "text": {"S": "odd"}})
        assert driver.scratches() == [name]
    finally:
        driver.destroy(name)
    assert driver.scratches() == []


RED = {
    "an item missing": "601 rows, 600 in the copy",
    "an attribute changed": "with another content",
    "expiry not put back": 'time to live missing: {table} {{"AttributeName": "gone"}}',
    "a tag not put back": 'tag missing: {table} {{"Key": "cost", "Value": "42"}}',
    "nothing to compare": "nothing was compared",
}


@pytest.mark.parametrize("what", RED)
def test_a_copy_that_is_not_right_is_red_with_its_reason(
    night: Night, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, table = night.shop, night.shop.table
    put_back, restore = Documents.put_back, Documents.restore

    def spoilt(self: Documents, target: Target, name: str, *how: object) -> object:
        back = restore(self, target, name, *how)  # type: ignore[arg-type]
        key = {"TableName": table_under(name, table), "Key": {"id": ODD["id"]}}
        if what == "an item missing":
            shop.client.delete_item(**key)
        if what == "an attribute changed":
            value = {"ExpressionAttributeNames": {"#d": "digits"}, "ExpressionAttributeValues": {":d": {"N": "1"}}}
            shop.client.update_item(**key, UpdateExpression="SET #d = :d", **value)
        return back

    def half(self: Documents, name: str, *how: object, **more: object) -> PutBack:
        done = put_back(self, name, *how, **more)  # type: ignore[arg-type]
        copy = table_under(name, table)
        if what == "expiry not put back":
            off = {"Enabled": False, "AttributeName": "gone"}
            shop.client.update_time_to_live(TableName=copy, TimeToLiveSpecification=off)
        if what == "a tag not put back":
            arn = shop.client.describe_table(TableName=copy)["Table"]["TableArn"]
            shop.client.untag_resource(ResourceArn=arn, TagKeys=["cost"])
        return done

    monkeypatch.setattr(Documents, "restore", spoilt)
    monkeypatch.setattr(Documents, "put_back", half)
    counted = () if what == "nothing to compare" else (night.counted,)
    wrong = shop.drilled(Target.at(night.counted.at), *counted).wrong
    rows = night.counted.census.tables[table].rows
    told = RED[what].format(table=table).replace("601 rows, 600", f"{rows} rows, {rows - 1}")
    assert len(wrong) == 1
    assert told in wrong[0]


def test_what_was_changed_in_the_vault_is_not_loaded(night: Night) -> None:
    driver = night.shop.driver
    assert driver.verify(night.backup, night.shop.said.append) > 10_000
    (base,) = bases_of(driver.vault, STORE)
    key = base.tables[0].parts[0].key
    body = driver.vault.get(key)
    driver.vault.client.put_object(Bucket=driver.vault.bucket, Key=key, Body=body[:-1] + bytes([body[-1] ^ 1]))
    plain = replace(base.tables[0].parts[0], version=None)
    try:
        with pytest.raises(Damaged, match="is not what was stored"):
            read_part(driver.vault, plain)
        assert driver.verify(night.backup, night.shop.said.append) > 10_000, "the version that was stored is read"
    finally:
        driver.vault.client.put_object(Bucket=driver.vault.bucket, Key=key, Body=body)


def test_a_round_that_is_gone_from_the_vault_is_named(night: Night) -> None:
    driver = night.shop.driver
    stretch = driver.logs(night.backup)[night.shop.table]
    log, begins = stretch.log, stretch.begins
    body = driver.vault.get(key := log._key(begins + 1))
    driver.vault.remove(key)
    try:
        with pytest.raises(LogShort, match=rf"round {begins + 1} of the log of {night.shop.table} is not in the vault"):
            night.shop.drilled(Target("latest"), night.counted)
        assert driver.scratches() == []
    finally:
        driver.vault.put_once(key, body, "application/zstd")


def test_a_manifest_that_is_damaged_is_no_base_and_stands_in_no_others_way(night: Night) -> None:
    vault, said = night.shop.driver.vault, list[str]()
    (whole,) = bases_of(vault, STORE)
    altered = vault.get(f"{whole.folder}/{MANIFEST}").replace(b'"items": ', b'"items": 1')
    for id, body in (("20200101T000000000Z-full", altered), ("20200102T000000000Z-full", b"{")):
        vault.put_once(f"{folder_of(STORE, id)}/{MANIFEST}", body, "application/json")
    try:
        assert bases_of(vault, STORE) == [whole]
        night.shop.driver.verify(night.backup, said.append)
        assert [line for line in said if "20200101T000000000Z-full" in line and "keep it as evidence" in line]
        with pytest.raises(Broken, match=r"shop has no backup 20200102T000000000Z-full: .* its manifest is damaged"):
            night.shop.driver.verify("20200102T000000000Z-full", said.append)
    finally:
        for id in ("20200101T000000000Z-full", "20200102T000000000Z-full"):
            vault.remove(f"{folder_of(STORE, id)}/{MANIFEST}")


def test_a_moment_before_every_base_or_behind_the_log_is_refused(night: Night) -> None:
    driver = night.shop.driver
    window = driver.window()
    assert window
    name = name_scratch(STORE, window.latest, "refused")
    early = Target.at(window.earliest - timedelta(seconds=1))
    with pytest.raises(NotReachable, match=f"the earliest moment is {window.earliest:%Y-%m-%d %H:%M:%S} UTC"):
        driver.restore(early, name, Clock(), print)
    fewer = replace(driver, tables=replace(driver.tables, names=driver.tables.names[:1]))
    assert fewer.window() is not None, "a base has a table more than is asked for"
    late = Target.at(datetime.fromisoformat("2100-01-01T00:00:00+00:00"))
    with pytest.raises(LogShort, match=f"reaches up to {window.latest:%Y-%m-%d %H:%M:%S} UTC"):
        driver.restore(late, name, Clock(), night.shop.said.append)
    driver.destroy(name)
    with pytest.raises(NotReachable, match="none of a time"):
        driver.restore(Target("position", "0/1"), name, Clock(), print)


def test_a_live_name_is_no_place_for_a_copy_and_what_is_not_ours_is_not_destroyed(night: Night) -> None:
    driver, shop = night.shop.driver, night.shop
    for name in (shop.table, "sluice-scratch-orders", "", "sluice-scratch-shop-20261123t000000z-abcdef.orders"):
        with pytest.raises(NotScratch):
            driver.restore(Target("latest"), name, Clock(), print)
        with pytest.raises(NotScratch):
            driver.destroy(name)
    name = name_scratch(STORE, night.counted.at, "somebody's")
    stranger = table_under(name, "orders")
    shop.client.create_table(
        TableName=stranger,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        with pytest.raises(NotScratch, match="bears the name of a drill and not its tag"):
            driver.destroy(name)
        with pytest.raises(NotScratch):
            driver.restore(Target.at(night.counted.at), name, Clock(), shop.said.append)
        assert shop.client.describe_table(TableName=stranger)["Table"]["TableStatus"] == "ACTIVE"
    finally:
        shop.engine.drop(stranger)
    destroy(driver.tables.clients, name)


def test_what_is_handed_over_has_what_a_drill_leaves_out_too_and_is_no_other_stores_scratch(night: Night) -> None:
    driver, shop = night.shop.driver, night.shop
    name = name_scratch(STORE, night.counted.at, "the real day")
    found = driver.restore(Target("latest"), name, Clock(), shop.said.append)
    try:
        assert driver.hand_over(found, None) == found.address
        again = driver.put_back(name, night.backup, drill=False, tell=print)
        assert (again.steps, again.left) == ((), ()), "all is back"
        copy = table_under(name, shop.table)
        told = shop.client.describe_kinesis_streaming_destination(TableName=copy)["KinesisDataStreamDestinations"]
        assert [one["DestinationStatus"] for one in told] == ["ACTIVE"]
        assert driver.scratches() == [name]
        assert replace(driver, tables=replace(driver.tables, store="sho")).scratches() == []
        other = replace(driver, tables=replace(driver.tables, store=f"{STORE}_eu"))
        theirs = name_scratch(other.store, night.counted.at, "theirs")
        shop.client.create_table(
            **creation_of(read_settings(driver.tables.clients, driver.tables.names[1]), theirs, f"{theirs}.x")
        )
        assert (driver.scratches(), other.scratches()) == ([name], [theirs])
        other.destroy(theirs)
    finally:
        driver.destroy(name)
