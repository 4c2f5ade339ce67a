"""Bases of tables of which something is lost or damaged, beside others that are sound: nothing else is lost with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sluice.safety.backup import DAMAGED
from sluice.safety.documents.base import Base, bases_of
from sluice.safety.drill.drilling import Counted
from sluice.safety.target import Target
from sluice.stores.objects import Damaged, NoSuchKey

from tests.documented import STORE, Shop, one_second, small_shop


@dataclass(frozen=True)
class Days:
    """A table that was backed up twice in one unbroken log, and counted behind both."""

    shop: Shop
    counted: Counted

    @property
    def bases(self) -> list[Base]:
        """What there is, oldest first."""
        return bases_of(self.shop.driver.vault, STORE)

    @property
    def last(self) -> Base:
        """The one with which a restore begins, if it is whole."""
        return self.bases[-1]

    @property
    def part(self) -> str:
        """The key of one object of it."""
        return self.last.tables[0].parts[0].key

    @property
    def note(self) -> str:
        """The key of the note that it was seen damaged."""
        return f"{self.last.folder}/{DAMAGED}"

    def put(self, body: bytes) -> None:
        """Put something else where that object was, as a disk that fails does: no older version is left."""
        vault = self.shop.driver.vault
        vault.client.put_object(Bucket=vault.bucket, Key=self.part, Body=body)


@pytest.fixture
def days(documents, vault, make_table: Callable[..., str]) -> Iterator[Days]:
    """Back up, write, back up, write and count, into a bucket that keeps one version of each object."""
    shop = small_shop(documents, vault, make_table("id"), "damage")
    bucket = shop.driver.vault.bucket
    vault.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    with one_second():
        for number in range(20):
            shop.put(number, "old")
        shop.driver.take(shop.said.append)
        shop.put(21)
        shop.delete(3)
        time.sleep(1.1)  # each is whole at a second of its own
        shop.driver.take(shop.said.append)
        shop.put(22)
        shop.delete(4)
        yield Days(shop, shop.counted())


def test_a_base_that_has_lost_a_part_is_passed_over_and_the_log_leads_on_from_the_one_before(days: Days) -> None:
    shop, (before, last) = days.shop, days.bases
    shop.driver.vault.remove(days.part)
    for target in (Target("latest"), Target.at(days.counted.at)):
        made = shop.drilled(target, days.counted)
        assert made.wrong == ()
        assert made.backups == (before.id,)
        assert made.compared
        assert made.compared.rows == 20
    assert [line for line in shop.said if f"{last.id} is passed over: {days.part} is not there" in line]


def test_a_base_that_is_read_back_damaged_is_noted_and_passed_over_until_it_is_read_back_whole(days: Days) -> None:
    shop, (before, last) = days.shop, days.bases
    body = shop.driver.vault.get(days.part)
    days.put(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(Damaged, match="is not what was stored"):
        shop.driver.verify(last.id, shop.said.append)
    assert shop.drilled(Target.at(days.counted.at), days.counted).backups == (before.id,)
    assert [line for line in shop.said if f"{last.id} is passed over: when it was last read" in line]
    assert not [line for line in shop.said if "there is no other" in line], "there is"
    days.put(body)
    shop.driver.verify(last.id, shop.said.append)
    assert not shop.driver.vault.sizes(days.note)
    shop.driver.vault.remove(before.tables[0].parts[0].key)
    assert shop.drilled(Target("latest"), days.counted).backups == (last.id,)
    assert not [line for line in shop.said if before.id in line and "over" in line], "nobody has asked for an older one"


def test_damage_that_a_restore_finds_is_noted_and_the_next_one_begins_with_the_base_before(days: Days) -> None:
    shop, (before, last) = days.shop, days.bases
    body = shop.driver.vault.get(days.part)
    days.put(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(Damaged, match="is not what was stored"):
        shop.drilled(Target("latest"), days.counted)
    assert [line for line in shop.said if f"it is noted that {last.id} is damaged. Ask again" in line]
    made = shop.drilled(Target("latest"), days.counted)
    assert (made.wrong, made.backups) == ((), (before.id,))
    assert not [line for line in shop.said if f"{before.id} is passed over" in line]


def test_where_there_is_no_other_a_base_that_has_lost_something_is_tried_all_the_same(days: Days) -> None:
    shop, (before, last) = days.shop, days.bases
    for base in (before, last):
        shop.driver.vault.remove(base.tables[0].parts[0].key)
    for target in (Target("latest"), Target.at(days.counted.at)):
        with pytest.raises(NoSuchKey):
            shop.drilled(target, days.counted)
    assert shop.driver.scratches() == []
    assert [line for line in shop.said if f"there is no other: {last.id} is tried all the same" in line]
