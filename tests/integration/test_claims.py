"""Which chunk a lane claims next, on real PostgreSQL: behind its last one, then whatever was left."""

from __future__ import annotations

from pathlib import Path

import pytest
from sluice.estate import read_estate
from sluice.local.certify import seed
from sluice.migration.engine.contract import Fence
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import connect

from tests.harness import unhurried

ROOT = Path(__file__).parents[2]
MANY = 20_000


@pytest.fixture
def admin(database):
    with connect(database.dsn("admin"), purpose="test") as c:
        seed(c, rows=5_000)
        yield c


@pytest.fixture
def kind(database, admin):
    """A migration that stands where chunks are copied; ten of them are laid out."""
    migration = unhurried(read_estate(ROOT).migrations["user_sessions"])
    with connect(database.dsn(), purpose="lane") as c:
        kind = open_kind(migration, lambda _: c)
        kind.expand()
        kind.start_capture()
        kind.plan_chunks(500)
        yield kind


def test_a_chunk_that_another_lane_left_is_claimed_in_the_end(database, admin, kind):
    fence, chunks = Fence(kind.position().epoch), kind.progress().chunks
    with connect(database.dsn("admin"), purpose="a lane that dies") as other, other.transaction(force_rollback=True):
        held = other.execute("SELECT min(number) AS number FROM sluice.chunk").fetchone()["number"]
        other.execute("SELECT FROM sluice.chunk WHERE number = %(held)s FOR UPDATE", {"held": held})
        first = [kind.copy_chunk(0, fence).chunk for _ in range(2)]
    rest = []
    while copied := kind.copy_chunk(0, fence):
        rest.append(copied.chunk)
    assert held not in first
    assert rest[-1] == held, "it goes on from its last one, and comes back for what was left"
    assert len({*first, *rest}) == len(first) + len(rest) == chunks


def test_a_claim_does_not_read_what_is_done_while_somebodys_snapshot_is_old(database, admin, kind):
    """Nothing clears a mark away that an old snapshot might still see as pending."""
    admin.execute(
        "INSERT INTO sluice.chunk (migration, lo, hi) SELECT 'user_sessions', '(0,0)', '(0,0)' FROM generate_series(1, %(many)s)",
        {"many": MANY},
    )
    fence = Fence(kind.position().epoch)
    with connect(database.dsn("admin"), purpose="an old report") as old, old.transaction():
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT FROM sluice.chunk LIMIT 1")
        admin.execute(
            "UPDATE sluice.chunk SET done_at = clock_timestamp() WHERE number <= (SELECT max(number) - 10 FROM sluice.chunk)"
        )
        kind.copy_chunk(0, fence)
        admin.execute("SELECT pg_stat_statements_reset()")
        kind.copy_chunk(0, fence)
    seen = admin.execute(
        "SELECT shared_blks_hit + shared_blks_read AS blocks, calls FROM pg_stat_statements s"
        " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND query LIKE '%%FOR UPDATE SKIP LOCKED%%'"
    ).fetchall()
    assert [row["calls"] for row in seen] == [1]
    assert seen[0]["blocks"] < 50, f"{MANY:,} done chunks lie before it"
