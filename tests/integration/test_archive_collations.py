"""Texts that one server sorts in another way than the next: the same rows are the same files, and they come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.archived import Stage, kept, staged
from tests.conftest import Database

JANUARY = datetime(2024, 1, 15, tzinfo=UTC)
WORDS = "ARRAY['b', 'A', 'a', 'B', 'ä', 'Z', 'z', '_', '-a', 'ab', 'a b']"
TABLE = (
    'CREATE TABLE app.event (name varchar(8) COLLATE "C", at timestamptz NOT NULL, PRIMARY KEY (name, at))'
    " PARTITION BY RANGE (at)",
    "CREATE TABLE app_partitions.event_y2024m01 PARTITION OF app.event FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')",
    f"INSERT INTO app.event SELECT name, '2024-01-05+00' FROM unnest({WORDS}) AS name",
)
SORTED_BY = 'ALTER TABLE app.event ALTER COLUMN name TYPE varchar(8) COLLATE "{}"'


@pytest.fixture
def stage(database: Database, vault: Any) -> Iterator[Stage]:
    with staged(database, vault, *TABLE) as made:
        made.dataset = kept(tenant="name").model_copy(update={"store": made.dataset.store})
        yield made


def test_a_month_comes_back_into_a_table_whose_texts_sort_in_a_way_of_their_own(stage: Stage) -> None:
    archive = stage.archive()
    archive.archive(print)
    archive.drop(print)
    archive.restore(JANUARY, timedelta(days=1), print)
    assert stage.ask("SELECT count(*) FROM app.event") == [(11,)]


def test_the_same_rows_are_the_same_files_however_a_server_sorts_texts(stage: Stage) -> None:
    if stage.ask("SELECT FROM pg_collation WHERE collname = 'und-x-icu'") == []:
        pytest.skip("this PostgreSQL was built without ICU: all of its collations sort by bytes")
    archive = stage.archive()
    archive.archive(print)
    stored = stage.vault.list(f"archive/{stage.dataset.store}/")
    archive.restore(JANUARY, timedelta(0), print)
    stage.own(SORTED_BY.format("und-x-icu"))
    assert archive.archive(print) == {"cooling": 1}, "and not that the vault has other content for the same rows"
    assert stage.vault.list(f"archive/{stage.dataset.store}/") == stored
