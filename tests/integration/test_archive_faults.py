"""The vault fails in every way it can: no row is lost, nothing is believed, and the next run ends. A proxy before a real S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sluice.stores.objects import Damaged, VaultDown
from sluice.upkeep.archive import exporting, groups
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.partitions.spans import months_on

from tests.archived import MONTH, ROW, TABLE, Stage, staged
from tests.conftest import Database
from tests.faulty_s3 import Fault, FaultyS3, faulty

ROWS = 5
PART, MANIFEST, LIST = ".parquet", "manifest-", "list-type"
DOWN = {
    "fails": VaultDown,
    "is slow": VaultDown,
    "is cut off coming down": VaultDown,
    "is flipped coming down": Damaged,
}
UP = ("fails", "asks for patience", "is slow", "loses its answer", "is cut off going up", "is flipped going up")
STORING = [Fault(does, "PUT", PART) for does in UP] + [Fault(does, "PUT", MANIFEST) for does in UP[3:]]
READING = [(Fault(does, "GET", PART), error) for does, error in DOWN.items()]
READING += [(Fault(does, "GET", MANIFEST), DOWN[does]) for does in ("is cut off coming down", "is flipped coming down")]
WAYS_OUT = [(fault, VaultDown, "detached") for fault in STORING] + [(*told, "exported") for told in READING]
"""A fault, what it is told as, and where a month stands then."""


def old_months(count: int) -> list[tuple[str, str, str]]:
    """So many months: their partitions' names and edges."""
    firsts = [months_on(datetime(2020, 1, 1, tzinfo=UTC), n) for n in range(count + 1)]
    return [(f'"{a:%Y %m}"', f"{a:%Y-%m-%d}", f"{b:%Y-%m-%d}") for a, b in pairwise(firsts)]


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, database: Database, vault, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """A month for each fault, or so many as are asked for. As the first file of one is stored, its last rows are not read yet."""
    monkeypatch.setattr(groups, "GROUP_ROWS", 2)
    monkeypatch.setattr(exporting, "PART_BYTES", 5)
    made = [TABLE]
    for name, lower, upper in old_months(getattr(request, "param", len(WAYS_OUT))):
        made.append(MONTH.format(name=name, lower=lower, upper=upper))
        made.append(ROW.format(lower=lower) + f" FROM generate_series(1, {ROWS}) i")
    with staged(database, vault, *made) as stage:
        yield stage


@pytest.fixture
def s3(vault) -> Iterator[FaultyS3]:
    with faulty(vault.endpoint) as way:
        yield way


@pytest.fixture
def ways(stage: Stage, s3: FaultyS3, vault) -> tuple[Archive, Archive]:
    """The archive, by the faulty way to the vault, and by the straight one."""
    straight = stage.archive()
    return replace(straight, vault=s3.vault(vault.store.key, vault.store.secret, vault.bucket)), straight


def in_postgres(stage: Stage) -> int:
    """Count the rows of all tables, a month's own once it is beside."""
    tables = [
        name for (name,) in stage.ask("SELECT relname FROM pg_class WHERE relname ~ '^20.. ..$' AND relkind = 'r'")
    ]
    return sum(stage.ask(f'SELECT count(*) FROM app_partitions."{name}"')[0][0] for name in tables)


def test_after_each_fault_on_the_way_out_the_next_run_ends(stage: Stage, s3: FaultyS3, ways: tuple[Archive, Archive]):
    faulted, straight = ways
    months = faulted.list_due(print)
    for month, (fault, error, state) in zip(months, WAYS_OUT, strict=True):
        s3.plan.append(fault)
        with pytest.raises(error):
            faulted.advance(month.partition, print)
        assert not s3.plan, f"nobody met it: {fault}"
        assert straight.find(str(month.partition)).state == state, fault
        assert straight.advance(month.partition, print).state == "cooling", fault
    assert in_postgres(stage) == ROWS * len(months)
    assert straight.drop(print) == len(months), "all of it was read back once more"


@pytest.mark.parametrize("stage", [1], indirect=True)
def test_after_each_fault_before_a_drop_or_on_the_way_back_the_next_run_ends(
    stage: Stage, s3: FaultyS3, ways: tuple[Archive, Archive]
):
    faulted, straight = ways
    faulted.list_due(print)
    month = faulted.advance(months_of(straight.keeper, stage.table)[0].partition, print)
    asked = month.span.lower
    for fault, error in [*READING[:4], (Fault("is cut off coming down", "GET", LIST), VaultDown)]:
        s3.plan.append(fault)
        with pytest.raises(error):
            faulted.drop_month(month.partition, print)
        assert not s3.plan, f"nobody met it: {fault}"
        assert (straight.find(str(month.partition)).state, in_postgres(stage)) == ("cooling", ROWS)
    straight.drop_month(month.partition, print)
    for fault, error in READING:
        s3.plan.append(fault)
        with pytest.raises(error):
            faulted.restore(asked, timedelta(days=1), print)
        assert not s3.plan, f"nobody met it: {fault}"
        assert straight.find(str(month.partition)).state == "dropped", fault
        assert in_postgres(stage) == 0, "nothing is half back"
    straight.restore(asked, timedelta(days=1), print)
    assert in_postgres(stage) == ROWS


def test_a_client_that_tries_again_by_itself_stores_once(s3: FaultyS3, vault):
    key = "faults/once"
    s3.plan += [Fault("loses its answer", "PUT", key), Fault("is cut off going up", "PUT", key)]
    patient = s3.vault(vault.store.key, vault.store.secret, vault.bucket, attempts=3)
    stored = patient.put_once(key, b"the same", "text/plain")
    listed = vault.client().list_object_versions(Bucket=vault.bucket, Prefix=key)["Versions"]
    assert [one["VersionId"] for one in listed] == [stored.version_id]
    assert not s3.plan


def test_what_changes_on_the_way_is_seen_by_whoever_reads(s3: FaultyS3, vault):
    """What is told apart here is not left to the caller: the checksum is the store's own."""
    key, way = "faults/read", s3.vault(vault.store.key, vault.store.secret, vault.bucket)
    way.put_once(key, b"what was stored", "text/plain")
    for does, error in DOWN.items():
        s3.plan.append(Fault(does, "GET", key))
        with pytest.raises(error):
            way.get(key)
    assert way.get(key) == b"what was stored"
