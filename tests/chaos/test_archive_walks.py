"""At each instant every row is in the database or in a verified object, whatever anybody does in whatever order.

`SLUICE_ARCHIVE_WALKS=500 pytest tests/chaos/test_archive_walks.py` walks further and longer, with 7:1 the seventh way alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL
from sluice.stores.objects import Vault
from sluice.upkeep.archive import archiving, dropping, reconciling, restoring
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.ledger import move
from sluice.upkeep.partitions import making

from tests.archived import Stage, months, staged
from tests.chaos.archive_oracle import TABLES, Lost, Oracle, Taken, Twice
from tests.chaos.archive_walk import Verb, Walk
from tests.chaos.archivist import Process
from tests.conftest import Database
from tests.faulty_s3 import FaultyS3, faulty

WALKS = os.environ.get("SLUICE_ARCHIVE_WALKS", "")
STEPS, FURTHER, ROWS = 13, 40, 6
MUST_COME = (
    "VaultDown", "Broken", "LockBusy", "NotDropped", "be_killed at", "meddle with", "restore: done", ", dropped app_",
    "taken by app.event", "side", "reopen", "({'from'",
)  # fmt: skip
REHASH = "IF (counted.rows, counted.hash) IS DISTINCT FROM (m.rows, m.hash) THEN"


@pytest.fixture
def stage(database: Database, vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A bucket that keeps no versions: there, what somebody changes or takes away is gone."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setattr(making.random, "uniform", lambda *_: 0.01)
    monkeypatch.setattr(making, "TRIES", 2)
    with staged(database, vault, *months(ROWS)) as made:
        bucket = f"walked-{uuid4().hex[:8]}"
        vault.client().create_bucket(Bucket=bucket)
        made.vault = Vault(vault.client(), bucket)
        yield made


@pytest.fixture
def s3(vault) -> Iterator[FaultyS3]:
    with faulty(vault.endpoint) as way:
        yield way


class Ground:
    """Where one walk after another begins anew."""

    def __init__(self, stage: Stage, s3: FaultyS3, vault) -> None:
        self.stage, self.s3, self.vault = stage, s3, vault

    def walk(self, seed: int, steps: int = STEPS, verbs: Sequence[Verb] = ()) -> Walk:
        """Walk one way, the same each time for a seed. Raises Lost."""
        self._make_anew()
        straight = self.stage.archive()
        straight.keeper.execute("SET lock_timeout = '50ms'")  # a walk breaks many a detach off
        by_proxy = self.s3.vault(self.vault.store.key, self.vault.store.secret, self.stage.vault.bucket)
        process = Process(self.stage, self.vault)
        with psycopg.connect(self.stage.database.dsn("admin"), autocommit=True) as c, ExitStack() as ends:
            for session in (straight.keeper, straight.exporter, straight.dropper):
                ends.callback(session.close)
            oracle = Oracle(c, self.vault.client(), self.stage.vault.bucket)
            walk = Walk(self.stage, straight, replace(straight, vault=by_proxy), self.s3, oracle, seed, process)
            walk.take(steps, verbs)
        return walk

    def _make_anew(self) -> None:
        """The table and its months as at first, nothing in the ledger, and another folder of the vault."""
        with psycopg.connect(self.stage.database.dsn("admin"), autocommit=True) as c:
            c.execute("DROP TABLE IF EXISTS app.event CASCADE")
            for name, _ in c.execute(TABLES).fetchall():
                c.execute(f"DROP TABLE {name}")  # type: ignore[arg-type]
            c.execute("TRUNCATE sluice_archive.month")
        self.stage.dataset = self.stage.dataset.model_copy(update={"store": f"walk_{uuid4().hex[:8]}"})
        self.stage.own(*months(ROWS))


@pytest.fixture
def ground(stage: Stage, s3: FaultyS3, vault) -> Ground:
    return Ground(stage, s3, vault)


def seeds() -> range:
    """So many ways from the first, or from the one that is named."""
    first, _, count = (WALKS or "6").rpartition(":")
    return range(int(first), int(first) + int(count)) if first else range(1, int(count) + 1)


def test_every_row_is_in_the_database_or_in_a_verified_object_after_each_step(ground: Ground):
    ways = [ground.walk(seed, FURTHER if WALKS else STEPS) for seed in seeds()]
    done = " ".join(step for way in ways for step in way.did)
    assert [word for word in MUST_COME if (not WALKS or len(ways) > 50) and word not in done] == [], done


def guard_without_its_hash(ground: Ground, patch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(ground.stage.database.dsn("admin"), autocommit=True) as c:
        (written,) = c.execute("SELECT pg_get_functiondef('sluice_archive.drop_month'::regproc)").fetchone()  # type: ignore[misc]
        assert REHASH in written
        c.execute(SQL(written.replace(REHASH, "IF false THEN").replace("%", "%%")), {})


def way_back_that_nobody_notes(ground: Ground, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restoring, "move", lambda c, month, *_, **noted: replace(month, expires_at=month.now))


def drop_without_a_reading(ground: Ground, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dropping, "verify", lambda *_: None)


def drop_that_hears_no_file(ground: Ground, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Archive, "_hold", lambda *_: None)
    patch.setattr(archiving, "is_due", lambda month, _: month.state == "cooling")


def way_back_that_ends_at_once(ground: Ground, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconciling, "_attached", lambda c, month, _: move(c, month, "eligible"))


@pytest.mark.parametrize(
    ("break_it", "told", "meanwhile", "seed"),
    [
        (guard_without_its_hash, Lost, Walk.write, 3),
        (way_back_that_nobody_notes, Twice, Walk.restore, 3),
        (drop_without_a_reading, Lost, Walk.meddle, 3),
        (drop_that_hears_no_file, Taken, Walk.change_the_file, 2),
        (way_back_that_ends_at_once, Taken, Walk.restore, 3),
    ],
)
def test_a_mistake_that_is_planted_is_found(
    break_it, told: type[Exception], meanwhile: Verb, seed: int, ground: Ground, monkeypatch: pytest.MonkeyPatch
):
    """Walks that never lose a row prove nothing unless they lose one here: by this way, or by the next ones."""
    break_it(ground, monkeypatch)
    with pytest.raises(told):
        for number in range(seed, seed + 30):
            ground.walk(number, steps=10, verbs=(Walk.archive, Walk.drop, meanwhile))
