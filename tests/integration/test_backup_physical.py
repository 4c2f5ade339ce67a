"""A whole server backed up while somebody writes, and brought back to any moment: by the real tools, out of the real vault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.local.ports import free_port
from sluice.safety.backup import Backup, Broken, backups_of
from sluice.safety.census import Census, count_copy, unseen_in
from sluice.safety.censuses import censuses_of, keep_census, read_census
from sluice.safety.comparing import compare
from sluice.safety.driver import Clock, NotScratch, name_scratch
from sluice.safety.physical.choosing import choose, known, name_point
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import LogMissing, LogStore
from sluice.safety.physical.recovering import NotRecovered
from sluice.safety.physical.taking import NotTaken, take
from sluice.safety.target import Target
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.postgres import connect

from tests.backed_up import STORE, Shop, by, ids, increments, opened_shop

POINT = "before the disaster"


@dataclass(frozen=True)
class History:
    """What became of the shop, and what it held at moments of it."""

    shop: Shop
    full: Backup
    increment: Backup
    census: Census
    at_point: tuple[int, int]
    at_time: tuple[datetime, tuple[int, int]]
    at_end: tuple[int, int]

    @property
    def newest(self) -> list[Backup]:
        """The newest backup with what it rests on."""
        return [self.full, self.increment] if self.increment.after else [self.increment]


@pytest.fixture(scope="module")
def past(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A full backup, an increment, a moment that is named, one that is counted under load, a time, and the end."""
    bucket = "backed-up"
    vault.store.create_bucket(bucket)
    with opened_shop(tmp_path_factory.mktemp("shop"), free_port(), Vault(vault.client(), bucket)) as shop:
        with shop.shipped(), shop.connect() as c:
            with shop.written_to():
                full = take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)
                increment = take(
                    shop.cluster.dsn(), STORE, shop.vault, full if increments(shop.cluster) else None, shop.said.append
                )
                census = shop.count()
            c.execute("SELECT pg_create_restore_point(%s)", (POINT,))  # a try that died before it was noted
            c.execute("INSERT INTO notes (text) VALUES ('between the two of that name')")
            name_point(c, STORE, POINT, shop.vault)
            at_point = ids(c)
            c.execute("INSERT INTO notes (text) VALUES ('after the point')")
            moment = c.execute("SELECT clock_timestamp() AS now").fetchone()
            at_time = ids(c)
            c.execute("SELECT pg_sleep(0.01); DELETE FROM notes WHERE id % 2 = 0")
            at_end = ids(c)
            assert moment
        yield History(shop, full, increment, census, at_point, (moment["now"], at_time), at_end)


def test_it_comes_back_to_a_point_a_time_and_the_end(past: History) -> None:
    for target, held in (
        (Target("point", POINT), past.at_point),
        (Target.at(past.at_time[0]), past.at_time[1]),
        (Target("latest"), past.at_end),
    ):
        chain = choose(past.shop.vault, STORE, target)
        assert chain == past.newest
        with past.shop.restored(chain, known(past.shop.vault, STORE, target)) as (reached, copy, clock):
            assert ids(copy) == held, target
            assert reached.timeline == 2
            combined = ["combined"] if len(chain) > 1 else []
            assert list(clock.phases) == ["fetched", "verified inputs", *combined, "available"]


def test_a_point_is_where_it_was_noted_and_not_where_a_try_that_died_has_named_it(past: History) -> None:
    noted = known(past.shop.vault, STORE, Target("point", POINT))
    assert (noted.kind, noted.settings["recovery_target_inclusive"]) == ("position", "off")
    driver = Physical(STORE, past.shop.cluster.dsn(), past.shop.vault, past.shop.folder / "drills")
    name = name_scratch(STORE, past.full.ended, "twin")
    try:
        back = driver.restore(Target("point", POINT), name, Clock(), past.shop.said.append)
        with connect(back.address, purpose="test") as copy:
            assert ids(copy) == past.at_point
    finally:
        driver.destroy(name)


def test_what_was_counted_under_load_is_what_comes_back(past: History) -> None:
    target = Target("position", past.census.moment.position)
    with past.shop.restored([past.full], target) as (_, copy, clock):
        assert "combined" not in clock.phases
        assert unseen_in(copy, past.census.moment) == []
        assert compare(past.census, count_copy(by(copy), past.census.moment, past.shop.said.append)).none


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ("DELETE FROM notes WHERE id = 7", "public.notes: "),
        ("UPDATE notes SET text = overlay(text PLACING 'x' FROM 3) WHERE id = 7", "with another content"),
        ("DROP POLICY own ON tenants", "policy missing: own on public.tenants"),
        ("ALTER TABLE tenants DISABLE ROW LEVEL SECURITY", "row security missing: public.tenants on"),
        ("GRANT SELECT ON tenants TO PUBLIC", "grant extra: "),
        ("ALTER SEQUENCE notes_id_seq RESTART 3", "public.notes_id_seq: at 0, was at"),
        ("DROP TABLE notes", "public.notes"),
    ],
)
def test_what_a_copy_lacks_is_told(past: History, copied: str, spoilt: str, told: str) -> None:
    with connect(f"{copied} dbname=template1", purpose="test") as c:
        c.execute("DROP DATABASE IF EXISTS spoilt")
        c.execute("CREATE DATABASE spoilt TEMPLATE postgres")
    with connect(f"{copied} dbname=spoilt", purpose="test") as copy:
        copy.execute(spoilt)  # type: ignore[call-overload]
        found = compare(past.census, count_copy(by(copy), past.census.moment, past.shop.said.append))
    assert not found.none
    assert told in str(found)


@pytest.fixture(scope="module")
def copied(past: History) -> Iterator[str]:
    """The address of a copy as of the census, for several tests: each spoils a database made like it."""
    with past.shop.restored([past.full], Target("position", past.census.moment.position)) as (_, copy, _):
        address = f"host={copy.info.host} user=postgres"
        copy.close()  # no database is made like one that somebody is in
        yield address


def test_a_copy_that_has_seen_more_than_the_census_says_so(past: History) -> None:
    with past.shop.restored([past.full], Target("latest")) as (_, copy, _):
        assert unseen_in(copy, past.census.moment)


def test_a_moment_before_every_backup_or_behind_the_log_is_refused(past: History) -> None:
    early = Target.at(past.full.ended - timedelta(seconds=1))
    with pytest.raises(Broken, match=f"{STORE} was whole before time .*the first is {past.full.id}"):
        choose(past.shop.vault, STORE, early)
    with pytest.raises(NotRecovered, match="restore an older backup"), past.shop.restored([past.full], early):
        pass
    late = Target.at(datetime(2100, 1, 1, tzinfo=UTC))
    chain, before = choose(past.shop.vault, STORE, late), len(past.shop.said)
    with (
        pytest.raises(NotRecovered, match=r"in the vault is of 20\d\d-.* UTC: .*Nothing was fetched.*latest moment"),
        past.shop.restored(chain, late),
    ):
        pass
    assert not any("is unpacked" in line for line in past.shop.said[before:])


def test_a_time_right_behind_the_last_commit_is_all_that_there_is(past: History) -> None:
    stretch = past.shop.log.since(past.increment)
    late = Target.at(past.shop.log.stored_until(stretch) + timedelta(seconds=40))
    with past.shop.restored(past.newest, late) as (reached, copy, _):
        assert ids(copy) == past.at_end
        assert reached.timeline == 2
    assert "its last commit is of" in past.shop.said[-2]


def unversioned(backup: Backup) -> Backup:
    """Give it as a bucket without versions would: there, what is written over it is all that there is."""
    return replace(backup, parts=tuple(replace(part, version=None) for part in backup.parts))


def test_what_was_changed_in_the_vault_is_not_replayed(past: History) -> None:
    vault = past.shop.vault
    chain, log = past.newest, past.shop.log.since(past.increment)
    for key, used, sentence in (
        (chain[0].parts[0].key, [unversioned(chain[0]), *chain[1:]], "is not what was stored"),
        (chain[-1].parts[0].key, [*chain[:-1], unversioned(chain[-1])], "is not what was stored"),
        (log.files[0].key, chain, "cannot be replayed"),
    ):
        whole = vault.get(key)
        flipped = bytes([*whole[:900], whole[900] ^ 1, *whole[901:]])
        vault.client.put_object(Bucket=vault.bucket, Key=key, Body=flipped)
        try:
            with pytest.raises(Damaged, match=sentence), past.shop.restored(used, Target("latest")):
                pass
        finally:
            vault.client.put_object(Bucket=vault.bucket, Key=key, Body=whole)


def test_a_gap_in_the_log_is_told_before_anything_is_fetched(past: History) -> None:
    vault, log = past.shop.vault, past.shop.log.since(past.full)
    missing = log.files[-2]
    whole = vault.get(missing.key)
    vault.remove(missing.key)
    try:
        with pytest.raises(LogMissing, match=missing.name), past.shop.restored([past.full], Target("latest")):
            pass
    finally:
        vault.put_once(missing.key, whole, "application/zstd")


def test_a_file_that_grows_while_it_is_waited_for_is_read_as_it_is_by_then(past: History) -> None:
    log = LogStore(past.shop.vault, "growing", "7", 16)
    log.put_now("000000010000000000000001", b"ab")
    (listed,) = log.begun().values()
    log.put_now("000000010000000000000001", b"abcd")
    assert log.read(listed) == b"abcd"
    log.put("000000010000000000000001", b"abcdef")
    log.put_now("000000010000000000000002", b"g")
    assert log.read(listed) == b"abcdef"
    past.shop.vault.remove(log.files()[0].key)
    with pytest.raises(NoSuchKey, match="no more of 000000010000000000000001 has come"):
        log.read(listed)


def test_only_what_has_its_manifest_is_a_backup(past: History) -> None:
    assert [backup.id for backup in backups_of(past.shop.vault, STORE)] == [past.full.id, past.increment.id]
    assert past.increment.size < past.full.size / 3 or not past.increment.after
    assert past.full.system == past.increment.system
    assert past.full.elsewhere == past.increment.elsewhere == {}, "its settings are among its files"


def test_a_census_is_kept_and_read_again(past: History) -> None:
    kept = keep_census(past.shop.vault, STORE, past.census)
    assert censuses_of(past.shop.vault, STORE) == [kept.key]
    assert compare(past.census, read_census(past.shop.vault, kept.key)).none
    assert read_census(past.shop.vault, kept.key) == past.census


def test_as_a_driver_it_takes_what_has_changed_and_takes_its_scratch_away(past: History) -> None:
    shop = past.shop
    driver = Physical(STORE, shop.cluster.dsn(), shop.vault, shop.folder / "drills")
    name = name_scratch(STORE, past.full.ended, "seed")
    with shop.shipped():
        taken = driver.take(shop.said.append)
    assert taken.after == (past.full.id if increments(shop.cluster) else None)
    assert [one.id for one in driver.backups()] == [past.full.id, past.increment.id, taken.id]
    assert driver.verify(taken.id, shop.said.append) > 100_000
    window = driver.window()
    assert window
    assert window.earliest == past.full.ended < window.latest
    try:
        back = driver.restore(Target("latest"), name, Clock(), shop.said.append)
        assert driver.scratches() == [name]
        assert (driver.scratch / name).stat().st_mode & 0o077 == 0, "it holds all that the store holds"
        with connect(back.address, purpose="test") as copy:
            assert ids(copy) == past.at_end
    finally:
        for _ in range(2):
            driver.destroy(name)
    assert driver.scratches() == []


@pytest.mark.parametrize("name", ["certify", "../shop", "sluice-scratch-", "sluice-scratch-shop-20261101t000000z-../x"])
def test_a_name_that_is_no_scratch_is_neither_made_nor_destroyed(past: History, name: str) -> None:
    driver = Physical(STORE, past.shop.cluster.dsn(), past.shop.vault, past.shop.folder / "drills")
    with pytest.raises(NotScratch, match="never the place of a drill"):
        driver.restore(Target("latest"), name, Clock(), past.shop.said.append)
    with pytest.raises(NotScratch, match="never the place of a drill"):
        driver.destroy(name)


def test_a_server_that_was_made_anew_does_not_meet_the_log_of_the_old_one(past: History, tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with opened_shop(tmp_path, free_port(), past.shop.vault) as anew:
        before, driver = past.shop.log.files(), Physical(STORE, anew.cluster.dsn(), anew.vault, tmp_path)
        with anew.shipped():
            pass
        window = driver.window()
        assert window
        assert window.latest < began, "its log is there, and no backup of it: nothing of it can be brought back"
        with anew.shipped():
            full = take(anew.cluster.dsn(), STORE, anew.vault, None, anew.said.append)
        assert past.shop.log.files() == before
        chain = choose(anew.vault, STORE, Target("latest"))
        assert [backup.id for backup in chain] == [full.id]
        with anew.restored(chain, Target("latest")) as (_, copy, _):
            assert ids(copy) == (20_000, 20_000)


def test_a_backup_of_another_server_is_no_base_for_an_increment(past: History) -> None:
    with pytest.raises(NotTaken, match="another server"):
        take(past.shop.cluster.dsn(), STORE, past.shop.vault, replace(past.full, system="1"), past.shop.said.append)
