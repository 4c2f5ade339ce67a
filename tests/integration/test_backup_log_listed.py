"""What is asked of a vault that has a long log: a page of what is new, and not all that was ever kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from sluice.safety.backup import Backup, place_of
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.wal import Segment, as_text
from sluice.stores.objects import Vault
from sluice.stores.parts import Part

STORE, SYSTEM, SIZE = "long", "7", 16
FILES = 2_300
"""Whole files of its log: three pages."""
SINCE = 2_250
"""Which of them the newest backup begins in."""
NOW = "2026-03-01T02:00:00+00:00"


@dataclass
class Asked:
    """How often a vault was asked for what."""

    vault: Vault
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.vault.client.meta.events.register("before-call.s3", self._count)

    def _count(self, model, **_: object) -> None:  # type: ignore[no-untyped-def]
        self.counted[model.name] += 1

    @contextmanager
    def times(self, operation: str, at_most: int) -> Iterator[None]:
        """See that an operation is asked for so often at most within the block."""
        before = self.counted[operation]
        yield
        assert self.counted[operation] - before <= at_most


def backup(number: int) -> Backup:
    """A backup that begins in that file of the log."""
    at, part = Segment(1, number, SIZE).begins, Part("nowhere", "0" * 64, None, 1, 1)
    return Backup(
        STORE, f"20260301T02{number:07}Z-full", None, SYSTEM, "18.0", "postgres", "postgres", 1, SIZE, as_text(at + 2),
        as_text(at + 4), NOW, NOW, {}, (part,), part,
    )  # fmt: skip


@pytest.fixture(scope="module")
def asked(vault) -> Asked:
    """A store with three backups and a long log."""
    vault.store.create_bucket("long-log")
    kept = Vault(vault.client(), "long-log")
    for number in (1, 1_000, SINCE):
        backup(number).keep(kept)
    folder = f"{place_of(STORE)}/wal/{SYSTEM}/00000001"

    def put(number: int) -> None:
        key = f"{folder}/{Segment(1, number, SIZE).name}-{'0' * 64}.zst"
        kept.client.put_object(Bucket=kept.bucket, Key=key, Body=b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(1, FILES + 1)))
    LogStore(kept, STORE, SYSTEM, SIZE).put_now(Segment(1, FILES + 1, SIZE).name, b"12345678")
    return Asked(kept)


def test_the_newest_of_a_long_log_is_found_without_listing_all_of_it(asked: Asked) -> None:
    log = LogStore(asked.vault, STORE, SYSTEM, SIZE)
    with asked.times("ListObjectsV2", 3):
        newest = log.newest()
    assert newest
    assert newest.file.name == Segment(1, FILES + 1, SIZE).name
    assert newest.reaches == Segment(1, FILES + 1, SIZE).begins + 8
    begun = log.begun()
    with asked.times("ListObjectsV2", 1):
        assert [one.number for one in log.tail(1, begun)] == [FILES]


def test_what_lies_behind_a_backup_is_found_without_what_is_before_it(asked: Asked) -> None:
    log = LogStore(asked.vault, STORE, SYSTEM, SIZE)
    with asked.times("ListObjectsV2", 3):
        stretch = log.since(backup(SINCE))
    held = log.held()
    assert stretch == held.behind(backup(SINCE), log.lines(held)), "as if all had been listed"
    assert len(stretch.files) == FILES - SINCE + 2


def test_how_far_a_store_can_be_brought_back_is_found_with_one_manifest_of_its_backups(asked: Asked) -> None:
    driver = Physical(STORE, "host=127.0.0.1 port=1 user=nobody dbname=nowhere", asked.vault, None)  # type: ignore[arg-type]
    with asked.times("GetObject", 1), asked.times("ListObjectsV2", 7):
        assert driver.reaches() == Segment(1, FILES + 1, SIZE).begins + 8
