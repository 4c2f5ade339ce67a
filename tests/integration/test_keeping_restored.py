"""What is kept can be restored: a base without the log around it, a copy in another bucket, after the rest has gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.local.ports import free_port
from sluice.safety.backup import Backup, backups_of
from sluice.safety.drill.certificate import Certificate, Compared, Goals
from sluice.safety.keeping.dropping import apply_expiry, verify_expiry
from sluice.safety.keeping.elsewhere import copy_backup
from sluice.safety.keeping.expiring import Keeping, plan_expiry
from sluice.safety.keeping.looking import look
from sluice.safety.keeping.notes import note_restored, read_note
from sluice.safety.keeping.poisoning import poison
from sluice.safety.keeping.tiers import TIERS
from sluice.safety.keeping.verifying import verify
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import LogMissing
from sluice.safety.physical.taking import take
from sluice.safety.target import Target
from sluice.stores.objects import Vault

from tests.backed_up import STORE, Shop, ids, opened_shop


@dataclass(frozen=True)
class Past:
    """Three backups, of which the first alone stays of its week."""

    shop: Shop
    there: Vault
    taken: list[Backup]
    held: list[tuple[int, int]]


@pytest.fixture(scope="module")
def past(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Back up thrice, with a file of the log between; copy the first; let the second and the log around it go."""
    vault.store.create_bucket("restored-from")
    vault.client().create_bucket(Bucket="restored-elsewhere")
    here, there = (Vault(vault.client(), name) for name in ("restored-from", "restored-elsewhere"))
    with opened_shop(tmp_path_factory.mktemp("kept"), free_port(), here) as shop:
        taken, held = [], []
        with shop.shipped(), shop.connect() as c:
            for number in range(3):
                held.append(ids(c))
                taken.append(take(shop.cluster.dsn(), STORE, here, None, shop.said.append))
                c.execute(f"INSERT INTO notes (text) VALUES ('after {number}'); SELECT pg_switch_wal()")  # type: ignore[arg-type]
                c.execute("INSERT INTO notes (text) VALUES ('in the next file'); SELECT pg_switch_wal()")
        now = datetime.now(UTC)
        for backup in taken:
            verify(here, STORE, backup.id, now, shop.said.append)
        copy_backup(here, there, look(here, STORE), taken[0].id, now, shop.said.append)
        yearly = Keeping((replace(TIERS[1], every="month"),), timedelta(0), at_least=1)
        plan = plan_expiry(look(here, STORE).holding, yearly, now)
        verify_expiry(here, STORE, plan, apply_expiry(here, STORE, plan, now, shop.said.append, agreed=True))
        assert [*plan.drop] == [taken[1].id]
        assert plan.log
        yield Past(shop, there, taken, held)


def test_a_base_whose_log_is_gone_comes_back_as_it_was_when_it_was_whole(past: Past) -> None:
    first = past.taken[0]
    with past.shop.restored([first], Target("position", first.ends)) as (_, copy, _):
        assert ids(copy) == past.held[0]
    with pytest.raises(LogMissing), past.shop.restored([first], Target("latest")):
        pass


def test_the_moments_that_can_be_restored_begin_behind_the_gap_that_expiry_has_left(past: Past) -> None:
    window = Physical(STORE, past.shop.cluster.dsn(), past.shop.vault, past.shop.folder / "drills").window()
    assert window
    assert window.earliest == past.taken[2].ended


def test_the_newest_comes_back_with_all_that_followed(past: Past) -> None:
    with past.shop.restored([past.taken[2]], Target("latest")) as (_, copy, _), past.shop.connect() as c:
        assert ids(copy) == ids(c)


def test_a_copy_elsewhere_is_restored_by_the_same_code(past: Past) -> None:
    elsewhere = replace(past.shop, vault=past.there)
    (copied,) = backups_of(past.there, STORE)
    with elsewhere.restored([copied], Target("position", copied.ends)) as (_, copy, _):
        assert ids(copy) == past.held[0]


def test_a_drill_that_passed_verifies_and_one_that_did_not_does_not(past: Past, tmp_path: Path) -> None:
    newest, vault = past.taken[2], past.shop.vault
    compared = Compared("census", 2, 20_000, ())
    passed = Certificate(
        STORE, "sluice-scratch-shop-20261101t000000z-abcdef", "the latest moment", "2026-11-01T00:00:00+00:00", (newest.id,),
        None, None, {"available": 1.0}, Goals(60, 60), None, "", compared, (),
    )  # fmt: skip
    for key in vault.list(f"{newest.folder}/read-"):
        vault.remove(key)
    assert not note_restored(vault, newest, replace(passed, compared=replace(compared, differences=("a row",))))
    assert not note_restored(vault, newest, replace(passed, backups=("another",)))
    assert newest.id not in look(vault, STORE).holding.verified
    assert note_restored(vault, newest, passed)
    assert newest.id in look(vault, STORE).holding.verified
    note = read_note(vault, newest)
    assert note
    assert note.by == passed.key


def test_a_real_backup_is_poisoned_and_seen(past: Past) -> None:
    newest, vault = past.taken[2], past.shop.vault
    found = poison(vault, look(vault, STORE), newest.id, "night", datetime.now(UTC), past.shop.said.append)
    assert len(found.flips) == 3
    assert found.missed == ()
