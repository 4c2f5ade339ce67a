"""One database dumped while somebody writes, and brought back: on a server of its own, and on one that is lent for it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sluice.local.ports import free_port
from sluice.safety.backup import Broken, Unreadable
from sluice.safety.census import count_copy
from sluice.safety.censuses import censuses_of, read_census
from sluice.safety.comparing import lacking
from sluice.safety.drill.certificate import Certificate, Goals
from sluice.safety.drill.drilling import Asked, Counted, draw, drill
from sluice.safety.driver import Clock, NotScratch, Restored, Window, name_scratch
from sluice.safety.logical.driver import Logical
from sluice.safety.logical.dump import Dump, dumps_of, folder_of
from sluice.safety.logical.dumping import NotDumped, check_tool
from sluice.safety.logical.places import Here, Lent
from sluice.safety.logical.roles import MARK
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.target import Target
from sluice.stores.binaries import binaries
from sluice.stores.cluster import Cluster
from sluice.stores.objects import Damaged, Vault
from sluice.stores.postgres import LockBusy, StoreDown

from tests.conftest import Server
from tests.dumped import STORE, make_odd, session, written_to

GOALS = Goals(back_within=300, losing_at_most=86400)
PAGE = Path(__file__).parents[2] / "docs/howto/back-up-any-postgresql.md"
LATE = "20991231T000000000Z-dump"
COUNT = itertools.count()
MADE = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s"


@dataclass(frozen=True)
class Past:
    """A database that was dumped twice, the first time while somebody wrote."""

    cluster: Cluster
    driver: Logical
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def dumps(self) -> list[Dump]:
        """Both dumps."""
        return list(dumps_of(self.driver.vault, STORE))

    def lent(self, server: Server) -> Logical:
        """The same with copies on a server that is lent."""
        return replace(self.driver, place=Lent(server.cluster.dsn(), self.folder / "lent"))

    def certified(self, driver: Logical, target: Target) -> Certificate:
        """Do a drill, and see that nothing of it stands afterwards."""
        counted = [Counted(key, read_census(driver.vault, key)) for key in censuses_of(driver.vault, STORE)]
        asked = Asked(target, datetime.now(UTC), GOALS, counted, str(next(COUNT)))
        made = drill(driver, asked, self.said.append)
        assert driver.scratches() == []
        return made


@pytest.fixture(scope="module")
def past(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Dump it under load, take two rows away, dump it again."""
    folder, bucket = tmp_path_factory.mktemp("odd"), "dumped"
    vault.store.create_bucket(bucket)
    cluster = Cluster(folder / "postgres", free_port(), "secret", durable=False)
    cluster.create()
    cluster.start()
    try:
        address = make_odd(cluster)
        here = Here(folder / "copies")
        driver = Logical(STORE, address, Vault(vault.client(), bucket), folder / "dumps", here)
        made = Past(cluster, driver, folder)
        with written_to(address):
            driver.take(made.said.append)
        with session(address) as c:
            c.execute("DELETE FROM shop.tenants WHERE id > 48")
        driver.take(made.said.append)
        yield made
    finally:
        cluster.stop()


def test_on_a_server_of_its_own_all_comes_back_as_it_was_in_the_snapshot(past: Past) -> None:
    first, second = past.dumps
    made = past.certified(past.driver, Target.at(second.moment - timedelta(microseconds=1)))
    assert made.wrong == ()
    assert made.compared
    assert (made.backups, made.compared.census) == ((first.id,), first.census)
    counted = read_census(past.driver.vault, first.census)
    assert made.compared.rows == counted.rows > 10_000
    assert counted.tables["shop.tenants"].rows == 50
    assert "pg_catalog.pg_largeobject" in counted.tables
    assert made.reached == first.snapshot_at
    assert list(made.phases) == ["fetched", "made", "available", "first query", "fully read", "verified"]


@dataclass(frozen=True)
class Changed(Logical):
    """A driver that does something with each copy before it is looked at."""

    how: Callable[[Restored], object] = bool

    @classmethod
    def of(cls, driver: Logical, how: Callable[[Restored], object]) -> Changed:
        """Make it of another."""
        return cls(**{one.name: getattr(driver, one.name) for one in fields(driver)}, how=how)

    def restore(self, *asked: object) -> Restored:
        """Bring it back, and do it."""
        back = super().restore(*asked)  # type: ignore[arg-type]
        self.how(back)
        return back


def test_on_a_server_that_is_lent_it_is_a_database_and_its_roles_go_with_it(past: Past, server: Server) -> None:
    driver, seen = past.lent(server), []

    def look(back: Restored) -> None:
        with session(back.address) as copy:
            assert copy.info.dbname == back.name
            made = [row["rolname"] for row in copy.execute(MADE, [MARK])]
        file = driver.place.folder_of(back.name) / "pgpass"
        seen.append((back, made, driver.scratches() == [back.name], file.stat().st_mode & 0o077))

    with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
        before = c.execute("SELECT rolname, rolsuper, rolconfig FROM pg_roles ORDER BY 1").fetchall()
        made = past.certified(Changed.of(driver, look), Target("latest"))
        assert made.wrong == ()
        assert made.compared
        assert made.compared.census == past.dumps[1].census
        assert c.execute("SELECT rolname, rolsuper, rolconfig FROM pg_roles ORDER BY 1").fetchall() == before
    ((back, roles, alone, mode),) = seen
    assert (sorted(roles), alone, mode) == (["Owner of all", "clerk", "dumper", "reader"], True, 0)
    assert server.cluster.password not in f"{back}{past.said}"
    assert list((past.folder / "lent").iterdir()) == [], "the password of the server that is lent"
    driver.destroy(back.name)


SPOILT = {
    "DELETE FROM shop.tenants WHERE id = 7": "shop.tenants: 48 rows, 47 in the copy",
    "UPDATE shop.events SET at = at + interval '1 us' WHERE id = 3": "shop.events_y2026m01: 500 rows, 500 in the copy, with",
    "DROP POLICY own ON shop.tenants": "policy missing: own on shop.tenants",
    "ALTER TABLE shop.tenants NO FORCE ROW LEVEL SECURITY": "row security missing: shop.tenants forced",
    "REVOKE SELECT ON shop.tenants FROM reader": "grant missing: reader=r*/",
    "GRANT ALL ON clerk.sealed TO clerk": "revoked missing: clerk=",
    "ALTER TABLE clerk.written OWNER TO reader": "owner missing: r clerk.written of clerk",
    "SELECT lowrite(lo_open(4711, 131072), 'other')": "pg_catalog.pg_largeobject: ",
    "UPDATE shop.pointers SET what = 'shop.tenants'": "shop.pointers: 1 rows, 1 in the copy, with another content",
    "REVOKE \"Owner of all\" FROM clerk": 'member missing: clerk in "Owner of all"',
    "ALTER ROLE clerk RESET work_mem": "setting missing: role clerk work_mem=65536",
}  # fmt: skip


def test_a_copy_that_is_not_right_is_red_with_each_reason(past: Past, server: Server) -> None:
    def spoil(back: Restored) -> None:
        with psycopg.connect(back.address, autocommit=True) as copy:
            for step in SPOILT:
                copy.execute(step)  # type: ignore[call-overload]

    made = past.certified(Changed.of(past.lent(server), spoil), Target("latest"))
    assert [told for told in SPOILT.values() if not any(told in line for line in made.wrong)] == []


def test_what_pg_restore_cannot_bring_back_is_an_error_and_not_a_copy(past: Past, server: Server) -> None:
    """An index over a function that looks a table up by its bare name: dumped without a word, and not to be built again."""
    with psycopg.connect(past.cluster.dsn(), autocommit=True) as c:
        c.execute("CREATE DATABASE hopeless")
    address = past.cluster.dsn("hopeless")
    with psycopg.connect(address, autocommit=True) as c:
        c.execute("CREATE TABLE rates (id int, rate int); CREATE TABLE prices (id int)")
        c.execute(
            "CREATE FUNCTION rate(int) RETURNS int IMMUTABLE LANGUAGE plpgsql"
            " AS 'BEGIN RETURN (SELECT max(rate) FROM rates WHERE id = $1); END'"
        )
        c.execute("CREATE INDEX dear ON prices (rate(id))")
        c.execute("INSERT INTO prices VALUES (1)")
    driver = replace(past.driver, store="hopeless", dsn=address, place=Lent(server.cluster.dsn(), past.folder / "lent"))
    driver.take(past.said.append)
    with pytest.raises(NotRecovered, match=r'of hopeless does not come back whole: .*relation "rates" does not exist'):
        past.certified(driver, Target("latest"))
    assert driver.scratches() == []


def test_a_role_that_may_little_brings_back_what_it_may_and_is_told_the_rest(past: Past, server: Server) -> None:
    with psycopg.connect(past.cluster.dsn(), autocommit=True) as c:
        c.execute("CREATE DATABASE modest")
    address, said = past.cluster.dsn("modest"), list[str]()
    with psycopg.connect(address, autocommit=True) as c:
        c.execute('CREATE SCHEMA shop AUTHORIZATION "Owner of all"; CREATE TABLE kept AS SELECT 1 AS id')
        c.execute('ALTER TABLE kept OWNER TO "Owner of all"; GRANT SELECT ON kept TO reader')
    with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
        c.execute("CREATE ROLE lender LOGIN CREATEDB CREATEROLE PASSWORD 'secret'")
    place = Lent(server.cluster.dsn("postgres", "lender", "secret"), past.folder / "modest")
    driver = replace(past.driver, store="modest", dsn=address, place=place)
    name = name_scratch("modest", datetime.now(UTC), "modest")
    try:
        driver.take(said.append)
        back = driver.restore(Target("latest"), name, Clock(), said.append)
        assert [line for line in said if line.startswith("role dumper is made without SUPERUSER")]
        (dump,) = dumps_of(driver.vault, "modest")
        counted = read_census(driver.vault, dump.census)
        found = lacking(counted, count_copy(lambda purpose: session(back.address), counted.moment, said.append))
        # From 16 on, who makes a role may not give it what PostgreSQL's own may.
        mine = {"role missing: dumper superuser login", "member missing: reader in pg_read_all_data"}
        assert {"role missing: dumper superuser login"} <= {*found.lines} <= mine
    finally:
        driver.destroy(name)
        with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
            assert c.execute(MADE, [MARK]).fetchall() == []
            c.execute("DROP ROLE lender")


def blocks(language: str) -> list[str]:
    """Give what the page has in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def test_the_page_s_python_takes_a_dump(past: Past, tmp_path: Path) -> None:
    (text,) = blocks("python")
    with psycopg.connect(past.cluster.dsn(), autocommit=True) as c:
        c.execute("CREATE DATABASE small")
    known = {
        "address": past.cluster.dsn("small"),
        "vault": past.driver.vault,
        "folder": tmp_path,
        "print": past.said.append,
    }
    exec(text, known)
    (taken,) = dumps_of(past.driver.vault, "shop")
    assert past.said[-1] == f"shop: {taken.id} read back, {taken.size:,} bytes"


def test_the_page_brings_it_back_without_a_line_of_ours(past: Past, tmp_path: Path) -> None:
    if not (shutil.which("zstd") and shutil.which("jq")):
        pytest.skip("no zstd or no jq is installed here")
    (text,) = [block for block in blocks("sh") if "pg_restore" in block]
    fetched, by_hand = text.split("\n", 1)
    dump, vault = past.dumps[1], past.driver.vault
    assert f"s3://sluice-vault/{folder_of('shop', '20261101T020000123Z-dump')}/" in fetched
    (tmp_path / "backup").mkdir()
    for key in vault.list(f"{dump.folder}/"):
        (tmp_path / "backup" / key.rsplit("/", 1)[-1]).write_bytes(vault.get(key))
    place, name = Here(tmp_path / "servers"), name_scratch(STORE, dump.moment, "hand")
    place.folder_of(name).mkdir(parents=True, mode=0o700)
    try:
        where = conninfo_to_dict(place.make(name, dump).admin)
        told = {"PGHOST": where["host"], "PGUSER": where["user"], "PATH": f"{binaries()}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-e"], input=by_hand, cwd=tmp_path, env={**os.environ, **told}, text=True, capture_output=True
        )
        assert (done.returncode, done.stderr.count("ERROR")) == (0, 1), done.stderr
        counted = read_census(vault, dump.census)
        address = make_conninfo(host=where["host"], user=where["user"], dbname="shop")
        found = lacking(counted, count_copy(lambda purpose: session(address), counted.moment, past.said.append))
        assert (found.missing, found.different) == ((), ())
        assert {line.split()[0] for line in found.surroundings} == {"member", "setting"}, "as the page says"
        back = Restored(name, address, (dump.id,), None, None)
        handed = place.hand_over(back, free_port())
        with session(handed) as copy:
            assert copy.execute("SHOW fsync").fetchone() == {"fsync": "on"}
        with pytest.raises(StoreDown, match="no password supplied"):
            session(make_conninfo(handed, host="127.0.0.1"))
    finally:
        place.remove(name)


def test_what_does_not_come_back_is_named(past: Past) -> None:
    lacks = past.dumps[0].lacks
    assert any("passwords of the 4 roles" in line for line in lacks)
    assert "what shop.computed held: a materialized view is computed anew" in lacks
    assert any("index shop.twice_id" in line for line in lacks)
    for line in lacks:
        assert f"{STORE}: not in it: {line}" in past.said


def test_a_time_takes_the_newest_dump_before_it_and_a_position_has_none(past: Past) -> None:
    first, second = past.dumps
    assert past.driver.window() == Window(first.moment, second.moment)
    assert [one.whole_at for one in past.driver.backups()] == [first.moment, second.moment]
    drawn = draw(Window(first.moment, second.moment), "seed")
    assert first.moment < datetime.fromisoformat(drawn.value) <= second.moment
    name = name_scratch(STORE, first.moment, "early")
    with pytest.raises(Broken, match=r"No dump of odd is of time .* the first is of"):
        past.driver.restore(Target.at(first.moment - timedelta(seconds=1)), name, Clock(), past.said.append)
    for target in (Target("position", "0/1"), Target("point", "before it")):
        with pytest.raises(NotRecovered, match=r"lies in the log.*\(physical\).*PITR"):
            past.driver.restore(target, name, Clock(), past.said.append)
    assert past.driver.scratches() == []


def test_every_byte_is_read_back_and_a_changed_one_is_told(past: Past) -> None:
    vault, dump = past.driver.vault, past.dumps[1]
    assert past.driver.verify(dump.id, past.said.append) == dump.size > dump.dumped_bytes
    part = dump.parts[-1]
    whole = vault.get(part.key)
    vault.client.put_object(Bucket=vault.bucket, Key=part.key, Body=bytes([*whole[:900], whole[900] ^ 1, *whole[901:]]))
    version = vault.client.head_object(Bucket=vault.bucket, Key=part.key)["VersionId"]
    parts = (*dump.parts[:-1], replace(part, version=version))
    try:
        replace(dump, id=LATE, parts=parts, snapshot_at="2099-12-31T00:00:00+00:00").keep(vault)
        with pytest.raises(Damaged, match="is not what was stored"):
            past.driver.verify(LATE, past.said.append)
        with pytest.raises(Damaged, match="is not what was stored"):
            past.certified(past.driver, Target("latest"))
    finally:
        vault.remove(f"{folder_of(STORE, LATE)}/manifest.json")
        vault.client.put_object(Bucket=vault.bucket, Key=part.key, Body=whole)
    with pytest.raises(Broken, match="odd has no backup yesterday"):
        past.driver.verify("yesterday", past.said.append)


def test_a_damaged_manifest_is_told_and_stands_in_no_other_dump_s_way(past: Past) -> None:
    vault, dump = past.driver.vault, past.dumps[1]
    manifest = f"{folder_of(STORE, dump.id)}/manifest.json"
    damaged = f"{folder_of(STORE, '20200101T000000000Z-dump')}/manifest.json"
    told = vault.get(manifest)
    vault.put_once(damaged, told[:-400], "application/json")
    try:
        assert past.dumps[1] == dump
        assert past.driver.verify(dump.id, past.said.append) == dump.size
        assert f"{damaged} is no manifest of a dump" in "".join(past.said)
        with pytest.raises(Damaged, match=f"{damaged} is no manifest of a dump.*evidence"):
            past.driver.verify("20200101T000000000Z-dump", past.said.append)
        vault.put_once(
            damaged.replace("000Z", "001Z"), told.replace(b'"version": 1', b'"version": 2'), "application/json"
        )
        with pytest.raises(Unreadable, match="up to date"):
            past.driver.window()
    finally:
        for key in (damaged, damaged.replace("000Z", "001Z")):
            vault.remove(key)


@pytest.mark.parametrize("name", ["certify", "../odd", "sluice-scratch-", "sluice-scratch-odd-20261101t000000z-../x"])
def test_a_name_that_is_no_scratch_is_neither_made_nor_destroyed(past: Past, server: Server, name: str) -> None:
    for driver in (past.driver, past.lent(server)):
        with pytest.raises(NotScratch, match="never the place of a drill"):
            driver.restore(Target("latest"), name, Clock(), past.said.append)
        with pytest.raises(NotScratch, match="never the place of a drill"):
            driver.destroy(name)


def test_a_name_that_postgresql_would_cut_is_refused(past: Past, server: Server) -> None:
    driver = past.lent(server)
    # Ours are cut themselves; those of an older version were not.
    name = f"sluice-scratch-{'s' * 40}-20261101t000000z-abcdef"
    try:
        with pytest.raises(NotScratch, match="shorter name"):
            driver.restore(Target("latest"), name, Clock(), past.said.append)
    finally:
        driver.destroy(name)


def test_where_there_is_no_room_nothing_is_begun(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(NotDumped, match=r"of odd was [\d,]+ bytes, and .* has room for 1: make room"):
        past.driver.take(past.said.append)
    assert len(past.dumps) == 2


def test_two_do_not_dump_one_store_at_once_and_an_older_pg_dump_does_not_at_all(past: Past) -> None:
    with session(past.driver.dsn) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('sluice.dump'), hashtext('odd'))")
        with pytest.raises(LockBusy, match="Somebody else is dumping odd"):
            past.driver.take(past.said.append)
    with pytest.raises(NotDumped, match=r"odd of 99: an older one cannot\. Install the client of 99"):
        check_tool("pg_dump", STORE, 99)
