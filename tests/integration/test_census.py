"""A living database is counted at a place in its log that the log itself names: whatever waits, and whoever overtakes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from psycopg import sql
from sluice.local.ports import free_port
from sluice.safety.backup import Backup
from sluice.safety.census import Marked, count_copy, mark_now, take_census, unseen_in
from sluice.safety.comparing import compare
from sluice.safety.counting import Counting, Progress, Rewritten, Sized
from sluice.safety.driver import Tell
from sluice.safety.physical.commits import NotShipped
from sluice.safety.physical.placing import NotPlaced, Place
from sluice.safety.physical.taking import take
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connect, Connection, Refused, Row, Table, connect

from tests.backed_up import STORE, Shop, by, opened_shop

PLAIN = "counter"


@pytest.fixture(scope="module")
def shop(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server whose log is shipped when a test asks for it."""
    bucket = "counted"
    vault.store.create_bucket(bucket)
    with opened_shop(tmp_path_factory.mktemp("counted"), free_port(), Vault(vault.client(), bucket)) as made:
        yield made


@pytest.fixture(scope="module")
def full(shop: Shop) -> Backup:
    """A backup from before all that is counted here."""
    with shop.shipped():
        return take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)


@contextmanager
def one_that_waits(shop: Shop, c: Connection) -> Iterator[None]:
    """Have a commit that is in the log and that nobody sees: it waits for a standby that never comes."""

    def write() -> None:
        with shop.connect() as other:
            other.execute("SET synchronous_commit = on; INSERT INTO notes (text) VALUES ('waits')")

    wait_for(c, "nobody")
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        while not c.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchall():
            time.sleep(0.02)
        yield
    finally:
        wait_for(c, "")
        thread.join()


def wait_for(c: Connection, standby: str) -> None:
    """Have commits wait for a standby."""
    c.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(standby)))
    c.execute("SELECT pg_reload_conf()")


def place_of(shop: Shop, c: Connection, **bounds: object) -> Place:
    """Give what finds a snapshot's place, with less patience."""
    return Place(by(c), shop.log, **bounds)  # type: ignore[arg-type]


@dataclass(frozen=True)
class AsOneWaits(Place):
    """Has somebody begin to wait right before the snapshots are taken."""

    begin: Callable[[], object] = list

    def _note(self) -> Row:
        noted = super()._note()
        self.begin()
        return noted


def test_a_commit_that_nobody_sees_yet_is_neither_counted_nor_brought_back(shop: Shop, full: Backup) -> None:
    with shop.shipped(), shop.connect() as c, ExitStack() as until_counted:
        place = AsOneWaits(by(c), shop.log, begin=lambda: until_counted.enter_context(one_that_waits(shop, c)))
        census = take_census(by(c), shop.said.append, place.mark)
        until_counted.close()
        c.execute("INSERT INTO notes (text) VALUES ('later')")
    assert census.tables["public.notes"].rows == 20_000
    with shop.restored([full], Target("position", str(census.moment.position))) as (_, copy, _):
        assert unseen_in(copy, census.moment) == []
        assert compare(census, count_copy(by(copy), census.moment, shop.said.append)).none


def test_where_one_that_waits_is_overtaken_no_snapshot_has_a_place(shop: Shop) -> None:
    with shop.shipped(), shop.connect() as c, one_that_waits(shop, c):
        place = place_of(shop, c, rounds=2, snapshots=20)
        with pytest.raises(NotPlaced, match=f"{STORE}: none of 40 snapshots.*overtaken.*a standby is missing"):
            take_census(by(c), shop.said.append, place.mark)
        there = take_census(by(c), shop.said.append)
        assert there.moment.position is None
        assert there.tables["public.notes"].rows == c.execute("SELECT count(*) AS n FROM notes").fetchone()["n"]  # type: ignore[index]


def test_a_store_whose_log_nobody_ships_is_named_with_what_to_do(shop: Shop, full: Backup) -> None:
    with shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES ('not shipped')")
        place = place_of(shop, c, patience=timedelta(seconds=0.3))
        with pytest.raises(NotShipped, match=rf"^{STORE}: .*Nobody ships it.*see that ship_log__{STORE} runs"):
            take_census(by(c), shop.said.append, place.mark)


@pytest.fixture
def plain(shop: Shop) -> Iterator[Connect]:
    """Sessions of a role that may read everything, and whom policies hold."""
    with shop.connect() as c:
        c.execute(f"CREATE ROLE {PLAIN} LOGIN PASSWORD 'x' IN ROLE pg_read_all_data")  # type: ignore[call-overload]
        yield lambda purpose: connect(shop.cluster.dsn(user=PLAIN, password="x"), purpose=purpose)
        c.execute(f"DROP ROLE {PLAIN}")  # type: ignore[call-overload]


def test_a_role_that_does_not_see_every_row_counts_nothing(shop: Shop, plain: Connect) -> None:
    with shop.connect() as c:
        with pytest.raises(Refused, match=rf"public\.tenants of .*row-level.*ALTER ROLE {PLAIN} BYPASSRLS"):
            take_census(plain, shop.said.append)
        c.execute(f"ALTER ROLE {PLAIN} BYPASSRLS")  # type: ignore[call-overload]
        assert take_census(plain, shop.said.append).tables == take_census(by(c), shop.said.append).tables


def test_where_one_session_fails_those_that_wait_stop_at_once(shop: Shop, plain: Connect) -> None:
    begun = time.monotonic()
    with shop.connect() as c, shop.connect() as locker, locker.transaction(), c.transaction():
        locker.execute("LOCK TABLE notes")
        found = c.execute(
            "SELECT relname, oid::int, relfilenode::int FROM pg_class WHERE relname IN ('notes', 'tenants')"
        )
        tables = [
            Sized(Table("public", one["relname"]), one["oid"], one["relfilenode"], one["relname"] == "notes")
            for one in found
        ]

        def patient(purpose: str) -> Connection:
            return connect(shop.cluster.dsn(user=PLAIN, password="x"), purpose=purpose, lock_timeout="60s")

        counting = Counting(patient, mark_now(c, shop.said.append).snapshot, Progress(STORE, 1, shop.said.append))
        with pytest.raises(Refused, match=r"public\.tenants"):
            counting.run(tables, workers=2)
    assert time.monotonic() - begun < 30, "the other one has waited for its lock"


@pytest.mark.parametrize("undone", ["TRUNCATE gone", "DROP TABLE gone", "ALTER TABLE gone ALTER COLUMN id TYPE text"])
def test_a_table_that_no_snapshot_sees_any_more_is_told(shop: Shop, undone: str) -> None:
    with shop.connect() as c:
        c.execute("CREATE TABLE gone AS SELECT 1 AS id")

        def too_late(session: Connection, tell: Tell) -> Marked:
            marked = mark_now(session, tell)
            c.execute(undone)  # type: ignore[call-overload]
            return marked

        try:
            with pytest.raises(Rewritten, match=r"public\.gone of postgres was .* before it was counted"):
                take_census(by(c), shop.said.append, too_late)
        finally:
            c.execute("DROP TABLE IF EXISTS gone")


def test_several_sessions_count_what_one_snapshot_sees(shop: Shop) -> None:
    with shop.connect() as c:
        before = take_census(by(c), shop.said.append, workers=1)
        opened: list[str] = []

        def counted(purpose: str) -> Connection:
            opened.append(purpose)
            return by(c)(purpose)

        def written_to(session: Connection, tell: Tell) -> Marked:
            marked = mark_now(session, tell)
            c.execute("INSERT INTO notes (text) VALUES ('after the snapshot'); UPDATE tenants SET name = name || '!'")
            return marked

        beside = take_census(counted, shop.said.append, written_to, workers=2)
        assert beside.tables == before.tables != take_census(by(c), shop.said.append).tables
        assert len(opened) == 4, "one that gives the snapshot, one that lists, two that count"
    assert any("ETA 0 s" in line for line in shop.said)
