"""What lies in the vault: read by others without us, in files of bounded size, written in bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from sluice.stores.catalogue import find_table
from sluice.stores.objects import Stored, VaultDown
from sluice.stores.postgres import Connection, Table
from sluice.upkeep.archive import exporting, groups
from sluice.upkeep.archive.exporting import Exporter
from sluice.upkeep.archive.ledger import Month, months_of
from sluice.upkeep.archive.reading_back import read_manifest, verify
from sluice.upkeep.partitions.spans import Span

from tests.archived import MONTHS, Stage, months, staged
from tests.conftest import Database


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def test_pandas_reads_a_month_without_us(stage: Stage):
    import pandas as pd

    stage.archive().archive(print)
    keys = [key for key in stage.vault.list(f"archive/{stage.dataset.store}/app.event/20240101T000000Z--")]
    (manifest,) = [json.loads(stage.vault.get(key)) for key in keys if key.endswith(".json")]
    frames = [pd.read_parquet(io.BytesIO(stage.vault.get(part["key"]))) for part in manifest["parts"]]
    month = pd.concat(frames)
    assert (manifest["format"], manifest["version"], manifest["rows"]) == ("sluice-archive", 1, 50)
    assert [column["type"] for column in manifest["columns"]] == [
        "bigint",
        "timestamp with time zone",
        "integer",
        "text",
    ]
    assert len(month) == 50
    assert list(month["id"]) == sorted(month["id"]), "in the order of the key"
    assert str(month["at"].min()) == manifest["least"].replace("+00", "+00:00")
    assert month.groupby("tenant").size().to_dict() == {int(k): n for k, n in manifest["tenants"].items()}


def test_a_month_of_many_files_is_one_month(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(groups, "GROUP_ROWS", 7)
    monkeypatch.setattr(exporting, "PART_BYTES", 700)
    archive = stage.archive()
    archive.archive(print)
    month = months_of(archive.keeper, stage.table)[0]
    assert month.export is not None
    manifest = read_manifest(stage.vault, month.export)
    assert len(manifest.parts) > 2
    assert sum(part.rows for part in manifest.parts) == verify(stage.vault, month.export).rows == 50


class Thrown:
    """A vault that keeps nothing of what it is given."""

    def put_once(self, key: str, body: bytes, content_type: str) -> Stored:
        return Stored(key, "0" * 64, None)


def peak(c: Connection, name: str) -> int:
    """Export a table; give the most memory that took, in bytes: Python's, and pyarrow's, which keeps its own."""
    partition = Table("app_partitions", name)
    found = find_table(c, partition)
    assert found is not None
    now = datetime.now(UTC)
    month = Month(Table("app", "event"), Span(now, now), "", partition, found.oid, "detached", *[None] * 5, now)
    whole = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(whole)
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        Exporter(c, c, Thrown(), "certify", "at", None).run(month)  # type: ignore[arg-type]
        return tracemalloc.get_traced_memory()[1] + counted.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(whole)


def test_memory_stays_flat_as_a_month_grows(database: Database, vault, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(groups, "GROUP_ROWS", 200)
    monkeypatch.setattr(exporting, "PART_BYTES", 10_000)
    of = "INSERT INTO app.event (at, said) SELECT '{}'::timestamp, md5(i::text) FROM generate_series(1, {}) i"
    rows = [of.format(lower, count) for (_, lower, _), count in zip(MONTHS, (600, 6000), strict=True)]
    with staged(database, vault, *months(0)[:-1], *rows) as stage:
        c = stage.connection()
        small, large = [peak(c, name) for name, _, _ in (MONTHS[0], *MONTHS)][1:]
    # What is noted of each file grows; the rows, ten times as many, would be several times as much.
    assert large < 1.2 * small + 50_000, (small, large)


class Broken(Thrown):
    """A vault that fails at the second file."""

    def put_once(self, key: str, body: bytes, content_type: str) -> Stored:
        if "part-00001" in key:
            raise VaultDown("The vault is down.")
        return super().put_once(key, body, content_type)


def test_a_vault_that_fails_leaves_the_session_as_it_was(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """A row is on its way out of the database, and another file is being made, when it fails."""
    monkeypatch.setattr(groups, "GROUP_ROWS", 2)
    monkeypatch.setattr(exporting, "PART_BYTES", 700)
    archive = stage.archive()
    with pytest.raises(VaultDown):
        replace(archive, vault=Broken()).archive(print)  # type: ignore[arg-type]
    assert stage.states() == ["detached", "eligible"]
    assert archive.archive(print) == {"cooling": 2}, "by the same session"
