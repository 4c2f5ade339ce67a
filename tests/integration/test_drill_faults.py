"""What stands in the way of a restore, and is no fault of a backup: a disk that is full, a vault that refuses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.local.ports import free_port
from sluice.safety.backup import backups_of
from sluice.safety.driver import Clock, Tell, name_scratch
from sluice.safety.physical import fetching
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.fetching import NotUnpacked
from sluice.safety.physical.log import log_of
from sluice.safety.physical.rights import MayNotReplicate
from sluice.safety.physical.shipping import Shipper
from sluice.safety.room import NoRoom
from sluice.safety.target import Target
from sluice.stores.objects import AccessDenied, Damaged, NoSuchKey, Vault, vault_client

from tests.backed_up import STORE, Shop, opened_shop

TINY = "size=24m"


@pytest.fixture(scope="module")
def shop(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server, backed up once."""
    vault.store.create_bucket("faults")
    with opened_shop(tmp_path_factory.mktemp("faults"), free_port(), Vault(vault.client(), "faults")) as made:
        with made.shipped():
            driver_of(made, made.folder).take(made.said.append)
        yield made


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", TINY, "tmpfs", str(disk)]).returncode:
        pytest.skip("who is not root mounts no disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def driver_of(shop: Shop, scratch: Path) -> Physical:
    return Physical(STORE, shop.cluster.dsn(), shop.vault, scratch)


def restore(driver: Physical, tell: Tell = print) -> None:
    name = name_scratch(STORE, datetime.now(UTC), "x")
    try:
        driver.restore(Target("latest"), name, Clock(), tell)
    finally:
        driver.destroy(name)


def test_a_disk_without_room_is_told_before_anything_is_fetched(shop: Shop, tiny_disk: Path) -> None:
    driver = driver_of(shop, tiny_disk)
    with pytest.raises(NoRoom, match=r"needs 0\.\d GB in .*, and 0\.0 GB are free.*Nothing was fetched: make room"):
        restore(driver)
    assert driver.scratches() == []


def test_a_disk_that_fills_meanwhile_is_told_and_nothing_stays(
    shop: Shop, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.safety.physical.recovering.check_room", lambda chain, folder: None)
    driver = driver_of(shop, tiny_disk)
    with pytest.raises(NotUnpacked, match="No space left on device"):
        restore(driver)
    assert driver.scratches() == []
    assert not any(tiny_disk.rglob("*"))


def test_a_vault_that_refuses_is_told(shop: Shop, vault, tmp_path: Path) -> None:
    stranger = Vault(vault_client(vault.endpoint, "STRANGER", "wrong", "us-east-1"), shop.vault.bucket)
    with pytest.raises(AccessDenied, match=shop.vault.bucket):
        restore(replace(driver_of(shop, tmp_path), vault=stranger))


def test_a_role_that_may_not_replicate_is_told_what_it_lacks(shop: Shop, tmp_path: Path) -> None:
    with shop.connect() as c:
        c.execute("CREATE ROLE reader LOGIN BYPASSRLS PASSWORD 'secret' IN ROLE pg_read_all_data")
        log = log_of(c, shop.vault, STORE)
    dsn = shop.cluster.dsn(user="reader")
    with pytest.raises(
        MayNotReplicate, match=r"The role reader may not replicate shop: .* ALTER ROLE reader REPLICATION"
    ):
        replace(driver_of(shop, tmp_path), dsn=dsn).take(print)
    with pytest.raises(MayNotReplicate, match="ALTER ROLE reader REPLICATION"):
        Shipper(dsn, log, "a_slot", tmp_path, timedelta(seconds=1), print).run(timedelta(seconds=1))


def test_who_tries_again_after_damage_begins_with_another_backup_and_is_told(shop: Shop, tmp_path: Path) -> None:
    driver = driver_of(shop, tmp_path)
    with shop.shipped():
        driver.take(shop.said.append)
    *_, before, newest = backups_of(shop.vault, STORE)
    client, key = shop.vault.client, newest.parts[0].key
    body = shop.vault.get(key)
    shop.vault.remove(key)  # the version that a restore asks for
    client.put_object(Bucket=shop.vault.bucket, Key=key, Body=body[:40] + bytes([body[40] ^ 1]) + body[41:])
    told: list[str] = []
    with pytest.raises((Damaged, NoSuchKey), match=key):
        restore(driver, told.append)
    assert f"it is noted that {newest.id} is damaged. Ask again" in told[-1]
    told.clear()
    restore(driver, told.append)
    assert told[0].startswith(f"shop: {newest.id} is passed over: {newest.id}: when it was last read")
    assert before.id in told[1]
    shop.vault.remove(newest.manifest)


def test_room_is_asked_for_what_is_put_together_as_well(shop: Shop, tmp_path: Path) -> None:
    (whole,) = backups_of(shop.vault, STORE)
    huge = replace(whole, parts=tuple(replace(part, raw=10**15) for part in whole.parts))
    with pytest.raises(NoRoom, match="GB in"):
        fetching.check_room([huge], tmp_path)
    fetching.check_room([whole], tmp_path)
