"""Which bases of tables go, and what of the log of their streams: real tables, real streams, a real bucket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sluice.failpoints import Broken, armed
from sluice.flow.safety.letting_go import let_go, read_the_unread
from sluice.safety.documents import driver as documents_driver
from sluice.safety.documents.base import Base, bases_of
from sluice.safety.documents.kept import BASES, list_rounds
from sluice.safety.documents.log import LogShort
from sluice.safety.documents.scratch import table_under
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.keeping.dropping import BeingRead
from sluice.safety.keeping.expiring import Keeping
from sluice.safety.keeping.looking import look_at, unread
from sluice.safety.keeping.tiers import TIERS
from sluice.safety.target import Target
from sluice.stores.objects import NoSuchKey

from tests.conftest import ScratchVault
from tests.documented import STORE, Shop, one_second, small_shop
from tests.documents import Documents

LEAN = Keeping(tiers=(replace(TIERS[2], immutable=None),), window=timedelta(0), at_least=1)
"""The first of the month, and the newest: no window."""


@contextmanager
def grown(documents: Documents, vault: ScratchVault, table: str) -> Iterator[Shop]:
    """One table, written to and backed up three times, each base read back: ten seconds, as a stream tells whole ones."""
    made = small_shop(documents, vault, table, "kept")
    with one_second():
        for turn in range(3):
            made.put(turn, f"turn {turn}")
            taken = made.driver.take(made.said.append)
            time.sleep(1.1)
            made.driver.verify(taken.id, made.said.append)
            for number in range(3):
                time.sleep(0.6)
                made.put(10 * turn + number + 100, "between")
                made.driver.shippers[made.table].step()
        yield made


@pytest.fixture
def shop(documents: Documents, vault: ScratchVault, make_table: Callable[..., str]) -> Iterator[Shop]:
    """One from which much goes."""
    with grown(documents, vault, make_table("id")) as made:
        yield made


@pytest.fixture(scope="module")
def kept(documents: Documents, vault: ScratchVault) -> Iterator[Shop]:
    """One for the tests in which nothing goes, and for one after them."""
    with grown(documents, vault, table := documents.make("id")) as made:
        yield made
    documents.drop(table)


def expire(shop: Shop, keeping: Keeping = LEAN) -> dict[str, object]:
    """One night's work."""
    now = shop.driver.tables.now() + timedelta(seconds=5)
    return let_go(BASES, shop.driver.vault, STORE, keeping, now, True, shop.said.append)


def bases(shop: Shop) -> list[Base]:
    """What there is."""
    return bases_of(shop.driver.vault, STORE)


def numbers(shop: Shop) -> list[int]:
    """The rounds of the log that are there."""
    return sorted(one.number for one in list_rounds(shop.driver.vault, STORE))


def held(shop: Shop, target: Target) -> set[str]:
    """Bring it back, and give what is in it."""
    name = name_scratch(STORE, shop.driver.tables.now(), str(target))
    try:
        shop.driver.restore(target, name, Clock(), shop.said.append)
        items = shop.client.scan(TableName=table_under(name, shop.table), ConsistentRead=True)["Items"]
        return {item["id"]["S"] for item in items}
    finally:
        shop.driver.destroy(name)


def test_within_the_window_nothing_goes(kept: Shop) -> None:
    before = (bases(kept), numbers(kept))
    facts = expire(kept, replace(LEAN, window=timedelta(minutes=5)))
    assert (facts["gone"], facts["log_files_gone"]) == (0, 0)
    assert (bases(kept), numbers(kept)) == before
    second = bases(kept)[1]
    assert held(kept, Target.at(second.whole + timedelta(seconds=2)))


def test_while_tables_are_brought_back_nothing_goes(kept: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    load, tried = documents_driver.load, []

    def tries_meanwhile(*told: object) -> object:
        with pytest.raises(BeingRead):
            expire(kept)
        tried.append(True)
        return load(*told)  # type: ignore[arg-type]

    monkeypatch.setattr(documents_driver, "load", tries_meanwhile)
    held(kept, Target("latest"))
    assert tried
    assert len(bases(kept)) == 3


def test_broken_off_in_the_log_the_rest_goes_later_and_nothing_is_promised_meanwhile(kept: Shop) -> None:
    third = bases(kept)[2]
    with armed("expiry.log_file_gone=raise@3"), pytest.raises(Broken):
        expire(kept)
    window = kept.driver.window()
    assert window
    assert window.earliest == third.whole
    assert expire(kept)["log_files_gone"]
    assert expire(kept)["log_files_gone"] == 0


def test_a_base_goes_and_of_the_log_all_that_no_base_needs_that_is_kept(shop: Shop) -> None:
    first, second, third = bases(shop)
    then = held(shop, Target.at(first.whole))
    before = numbers(shop)
    facts = expire(shop)
    assert bases(shop) == [first, third]
    assert (facts["gone"], facts["kept"], facts["lost"]) == (1, 2, 0)
    left = numbers(shop)
    begins = third.tables[0].begins
    assert [one for one in left if one >= begins] == [one for one in before if one >= begins], (
        "all since the newest base"
    )
    assert first.tables[0].begins in left
    assert second.tables[0].begins not in left
    assert facts["log_files_gone"] == len(before) - len(left) > 2
    assert held(shop, Target.at(first.whole)) == then, "the month's base is what the table held when it was whole"
    with pytest.raises(LogShort, match="older than what is kept"):
        held(shop, Target.at(second.whole))
    window = shop.driver.window()
    assert window
    assert window.earliest == third.whole, "nothing before it is promised any more"
    assert expire(shop)["log_files_gone"] == 0

    shop.put(999, "afterwards")
    shop.driver.shippers[shop.table].reach(shop.driver.tables.now())
    assert "item 999" in held(shop, Target("latest"))
    shop.driver.verify(first.id, shop.said.append)
    shop.driver.verify(third.id, shop.said.append)
    assert shop.driver.unbased() is None


def test_a_base_that_is_damaged_counts_for_nothing_and_one_that_nobody_has_read_is_read(shop: Shop) -> None:
    first, second, third = bases(shop)
    vault = shop.driver.vault
    part = third.tables[0].parts[0]
    vault.remove(part.key)
    with pytest.raises(NoSuchKey, match=part.key):
        shop.driver.verify(third.id, shop.said.append)
    seen = look_at(BASES, vault, STORE)
    assert third.id not in seen.holding.verified
    expire(shop)
    assert [base.id for base in bases(shop)] == [first.id, second.id, third.id], (
        "the newest that can be had is the second"
    )
    for key in vault.list(f"{second.folder}/read-"):
        vault.remove(key)
    assert unread(look_at(BASES, vault, STORE)) == [second.id], "of the third it is known"
    read_the_unread(BASES, shop.driver, vault, shop.said.append)
    assert second.id in look_at(BASES, vault, STORE).holding.verified
