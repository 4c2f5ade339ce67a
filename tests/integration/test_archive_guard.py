"""What is dropped is proven: the database refuses everything else, whoever asks, and each role may do its own part alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors
from sluice.failpoints import Broken, armed
from sluice.stores.objects import Damaged, Vault
from sluice.stores.postgres import Connection, connect
from sluice.upkeep.archive import exporting
from sluice.upkeep.archive.census import Census, SeesPart, take_census
from sluice.upkeep.archive.dropping import NotDropped, drop
from sluice.upkeep.archive.ledger import OutOfOrder, months_of, move
from sluice.upkeep.archive.reading_back import read_manifest

from tests.archived import ROLES, Stage, kept, months, staged
from tests.conftest import Database

DROP = "SELECT sluice_archive.drop_month('app', 'event', '2024-01-01 00:00:00+00', '2024-02-01 00:00:00+00') AS told"
BY_FORCE = "ALTER TABLE sluice_archive.month DISABLE TRIGGER keep_order; UPDATE sluice_archive.month SET "
ADDED = (
    "INSERT INTO app_partitions.event_y2024m01 (id, at, tenant) OVERRIDING SYSTEM VALUE VALUES (9999, '2024-01-31', 1)"
)
OF = "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')"


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


@pytest.fixture
def plain(database: Database, vault) -> Iterator[Stage]:
    """A stage whose bucket keeps no versions: there, what somebody overwrites is gone."""
    with staged(database, vault, *months()) as made:
        bucket = f"plain-{uuid4().hex[:8]}"
        vault.client().create_bucket(Bucket=bucket)
        made.vault = Vault(vault.client(), bucket)
        yield made


def refusal(c: Connection, *before: str) -> str:
    """What the database says to a drop after all this, which is undone."""
    try:
        with c.transaction():
            for made in before:
                c.execute(made)  # type: ignore[arg-type]
            return str(c.execute(DROP).fetchone()["told"])  # type: ignore[index]
    except errors.RaiseException as refused:
        return str(refused.diag.message_primary)


REFUSED = {
    "was written since": [ADDED],
    "was archived with": ["UPDATE app_partitions.event_y2024m01 SET said = 'other' WHERE id = 1"],
    "50 rows": ["DELETE FROM app_partitions.event_y2024m01 WHERE id = 1; " + ADDED],
    "cools until": [BY_FORCE + "cooling = '7 days'"],
    "how long it cools": [BY_FORCE + "cooling = NULL"],
    "was not read back": [BY_FORCE + "rows_read = NULL"],
    "not read back out": [BY_FORCE + "verified_at = NULL"],
    "and was archived with 7 (7)": [BY_FORCE + "rows = 7, hash = '7', rows_read = 7, hash_read = '7'"],
    "is verified, and only": [BY_FORCE + "state = 'verified'"],
    "is held: case 12": ["UPDATE sluice_archive.month SET held_because = 'case 12'"],
    "belongs to another table": [f"ALTER TABLE app.event ATTACH PARTITION app_partitions.event_y2024m01 {OF}"],
    "is not the table": [
        "ALTER TABLE app_partitions.event_y2024m01 RENAME TO other",
        "CREATE TABLE app_partitions.event_y2024m01 (LIKE app_partitions.other)",
    ],
    "repeatable read": ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
    "knows no month": [BY_FORCE + "parent_name = 'other'"],
}


def test_the_database_drops_nothing_but_what_is_proven(stage: Stage):
    stage.archive().archive(print)
    with connect(stage.database.dsn("admin"), purpose="forger") as c:
        told = {wanted: refusal(c, *forged) for wanted, forged in REFUSED.items()}
        assert {wanted: said for wanted, said in told.items() if wanted not in said} == {}
        assert refusal(c) == "app_partitions.event_y2024m01 was dropped: 50 rows", "and without a forgery it does"
        assert refusal(c).startswith("app_partitions.event_y2024m01 was dropped at"), "once"


def test_a_month_cools_as_long_in_every_zone(stage: Stage):
    stage.archive().archive(print)
    with connect(stage.database.dsn("admin"), purpose="forger") as c:
        c.execute("SET timezone = 'America/New_York'")  # whose clocks are changed on the next day
        at_noon = BY_FORCE + "verified_at = '2030-03-09 12:00+00', cooling = '7 days'"
        told = refusal(c, at_noon)
        c.execute(at_noon)
        (row,) = c.execute("SELECT DISTINCT cools_until FROM sluice_archive.status").fetchall()
    assert told.endswith("cools until 2030-03-16 12:00:00+00")
    assert row["cools_until"] == datetime(2030, 3, 16, 12, tzinfo=UTC)


FORGED = (
    "UPDATE sluice_archive.month m SET state = 'exported', (rows, hash) = (SELECT * FROM"
    " sluice_archive.count_and_hash(m.partition_oid)), manifest = 'archive/forged', manifest_sha256 = 'forged'"
    " WHERE state = 'detached'",
    "UPDATE sluice_archive.month SET state = 'verified', rows_read = rows, hash_read = hash WHERE state = 'exported'",
    "UPDATE sluice_archive.month SET state = 'cooling' WHERE state = 'verified'",
)
"""With the true count and hash, of a month that lies in no vault."""


@pytest.mark.parametrize("forger", ["exporter", "keeper"])
def test_a_month_that_was_only_said_to_be_stored_is_not_dropped(stage: Stage, forger: str):
    archive = stage.archive()
    with pytest.raises(Broken), armed("month.detached=raise@1"):
        archive.archive(print)
    with pytest.raises(Broken), armed("month.part_stored=raise@1"):
        archive.archive(print)
    for made in FORGED:
        getattr(archive, forger).execute(made)
    assert stage.states() == ["cooling", "eligible"]
    if forger == "exporter":
        with pytest.raises(errors.RaiseException, match="nobody said how long it cools"):
            archive.dropper.execute(DROP)
    else:
        archive.keeper.execute("UPDATE sluice_archive.month SET cooling = '0' WHERE state = 'cooling'")
    told: list[str] = []
    assert archive.drop(told.append) == 0
    assert "is exported anew" in " ".join(told)
    assert stage.ask("SELECT count(*) FROM app_partitions.event_y2024m01") == [(50,)]
    assert archive.archive(print) == {"cooling": 2}
    assert archive.drop(print) == 2, "now it lies there, and was read back"


def test_a_row_that_comes_while_it_is_dropped_is_waited_for_and_seen(stage: Stage):
    archive = stage.archive()
    archive.archive(print)
    archive.dropper.execute("SET lock_timeout = '20s'")
    with (
        connect(stage.database.dsn("admin"), purpose="late", autocommit=False) as late,
        ThreadPoolExecutor(1) as pool,
    ):
        late.execute(ADDED)  # type: ignore[arg-type]
        dropping = pool.submit(archive.drop, print)
        while not stage.ask(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            assert not dropping.done()
        late.commit()
        with pytest.raises(NotDropped, match="it was written since"):
            dropping.result(30)
    assert stage.ask("SELECT count(*) FROM app_partitions.event_y2024m01") == [(51,)]


def test_count_hash_and_rows_are_of_one_moment(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    def taken(c: Connection, *of: object) -> Census:
        census = take_census(c, *of)  # type: ignore[arg-type]
        with connect(stage.database.dsn("admin"), purpose="late") as late:
            late.execute("INSERT INTO app_partitions.event_y2024m01 VALUES (0, '2024-01-31')")
        monkeypatch.undo()
        return census

    monkeypatch.setattr(exporting, "take_census", taken)
    archive = stage.archive()
    assert archive.archive(print) == {"cooling": 2}, "what was read back is what was counted"
    with pytest.raises(NotDropped, match=r"has 51 rows .* was archived with 50"):
        archive.drop(print)


LEDGER = {
    "begins as eligible": 'INSERT INTO sluice_archive.month SELECT (jsonb_populate_record(m, \'{"parent_name": "x"}\')).* '
    "FROM sluice_archive.month m LIMIT 1",
    "does not become cooling": "UPDATE sluice_archive.month SET state = 'cooling' WHERE state = 'detached'",
    "does not become verified": "UPDATE sluice_archive.month SET state = 'verified' WHERE state = 'detached'",
    "with a count": "UPDATE sluice_archive.month SET state = 'exported' WHERE state = 'detached'",
    "what it was exported as stays": "UPDATE sluice_archive.month SET hash = '7' WHERE state = 'cooling'",
    "stays the month": "UPDATE sluice_archive.month SET lower_bound = '2020-01-01'",
    "is not deleted": "DELETE FROM sluice_archive.month",
}


def test_the_ledger_keeps_its_order_and_its_times(stage: Stage):
    archive = stage.archive()
    with pytest.raises(Broken), armed("month.parts_stored=raise@2"):
        archive.archive(print)
    assert stage.states() == ["cooling", "detached"]
    for wanted, forged in LEDGER.items():
        with pytest.raises(errors.RaiseException, match=wanted), archive.keeper.transaction():
            archive.keeper.execute(forged)  # type: ignore[arg-type]
    archive.keeper.execute("UPDATE sluice_archive.month SET verified_at = '2020-01-01' WHERE state = 'cooling'")
    recent = "SELECT verified_at > now() - '1 hour'::interval FROM sluice_archive.month WHERE state = 'cooling'"
    assert stage.ask(recent) == [(True,)]
    first, second = months_of(archive.keeper, stage.table)
    with pytest.raises(OutOfOrder, match="does not become exported"):
        move(archive.keeper, first, "exported")
    assert second.export is None


SAID = {
    "is there: it is dropped by": "UPDATE sluice_archive.month SET state = 'dropped' WHERE state = 'cooling'",
    "event_y2024m01 is there: it": "UPDATE sluice_archive.month SET state = 'lost', note = 'x' WHERE state = 'cooling'",
    "was never read back": "UPDATE sluice_archive.month SET state = 'dropped' WHERE state = 'restored'",
    "say why nobody is to look": "UPDATE sluice_archive.month SET state = 'lost', note = ' ' WHERE state = 'restored'",
    "waits for no month in app.nothing": "SELECT sluice_archive.forget_month('app.nothing', 'x')",
}
"""Ends that somebody says and that are not so: of a month that stands, or that was in no vault."""


def test_no_month_is_dropped_or_given_up_by_a_word_alone(stage: Stage):
    archive = stage.archive()
    with pytest.raises(Broken), armed("month.parts_stored=raise@2"):
        archive.archive(print)
    archive.restore(datetime(2024, 2, 5, tzinfo=UTC), timedelta(1), print)
    assert stage.states() == ["cooling", "restored"]
    stage.own("DROP TABLE app_partitions.event_y2024m02")
    for wanted, forged in SAID.items():
        with pytest.raises(errors.RaiseException, match=wanted), archive.keeper.transaction():
            archive.keeper.execute(forged)  # type: ignore[arg-type]
    gone = "UPDATE sluice_archive.month SET state = '{}' WHERE partition_name = 'event_y2024m01'"
    stage.own("ALTER TABLE app_partitions.event_y2024m01 RENAME TO other")
    with pytest.raises(errors.RaiseException, match="is there"):
        archive.keeper.execute(gone.format("dropped"))  # type: ignore[arg-type]
    stage.own("DROP TABLE app_partitions.other")
    with pytest.raises(errors.RaiseException, match=r"by sluice_archive\.drop_month alone"):
        archive.exporter.execute(gone.format("dropped"))  # type: ignore[arg-type]
    archive.keeper.execute(gone.format("dropped"))  # type: ignore[arg-type]
    with pytest.raises(errors.RaiseException, match="does not become lost"):
        archive.keeper.execute(gone.format("lost"))  # type: ignore[arg-type]


def flipped(stage: Stage, key: str) -> None:
    """Flip one bit of an object, as nobody should."""
    body = bytearray(stage.vault.get(key))
    body[len(body) // 2] ^= 1
    stage.vault.client.put_object(Bucket=stage.vault.bucket, Key=key, Body=bytes(body))


def test_a_flipped_bit_is_found_before_it_is_verified_and_before_it_is_dropped(plain: Stage):
    archive = plain.archive()
    with pytest.raises(Broken), armed("month.exported=raise@1"):
        archive.archive(print)
    month = months_of(archive.keeper, plain.table)[0]
    assert month.export is not None
    (part,) = read_manifest(plain.vault, month.export).parts
    flipped(plain, part.key)
    with pytest.raises(Damaged, match=r"part-00000\.parquet in the vault is not what was stored"):
        archive.archive(print)
    assert plain.states()[0] == "exported"
    flipped(plain, part.key)
    assert archive.archive(print) == {"cooling": 2}
    flipped(plain, part.key)
    with pytest.raises(Damaged):
        archive.drop(print)
    assert plain.ask("SELECT count(*) FROM app_partitions.event_y2024m01") == [(50,)]


def test_a_manifest_that_somebody_changed_is_exported_anew_or_refused(plain: Stage):
    archive = plain.archive()
    archive.archive(print)
    month = months_of(archive.keeper, plain.table)[0]
    assert month.export is not None
    flipped(plain, month.export.key)
    with pytest.raises(Damaged):
        drop(archive.dropper, plain.vault, month)
    told: list[str] = []
    with pytest.raises(Exception, match="other content for the same rows"):
        archive.archive(told.append)
    assert "is not the manifest that was stored" in told[0]


def refused(c: Connection, *tried: str) -> list[str]:
    """Which of these a role may do after all."""
    done = []
    for one in tried:
        try:
            with c.transaction(force_rollback=True):
                c.execute(one)  # type: ignore[arg-type]
            done.append(one)
        except psycopg.errors.InsufficientPrivilege:
            pass
    return done


def test_each_role_may_do_its_own_part_alone(stage: Stage):
    archive = stage.archive(kept(cooling="7d").model_copy(update={"store": stage.dataset.store}))
    archive.archive(print)
    table = "app_partitions.event_y2024m01"
    hand = [f"DROP TABLE {table}", f"DELETE FROM {table}", f"TRUNCATE {table}", f"UPDATE {table} SET said = 'x'"]
    ledger = "UPDATE sluice_archive.month SET "
    tricks = [ledger + "cooling = '0'", ledger + "held_because = NULL", ledger + "partition_oid = 1"]
    tricks += ["DELETE FROM sluice_archive.month", "ALTER TABLE sluice_archive.month DISABLE TRIGGER keep_order"]
    assert refused(archive.exporter, *hand, *tricks, DROP) == []
    assert refused(archive.dropper, *hand, *tricks, f"SELECT FROM {table}", "SELECT FROM sluice_archive.month") == []
    with pytest.raises(errors.RaiseException, match="cools until"):
        archive.dropper.execute(DROP)
    assert refused(archive.exporter, f"SELECT FROM {table}") != [], "the one thing that it is for"
    assert refused(archive.exporter, "SELECT FROM app.event", "SELECT FROM app_partitions.event_y2099m01") == []
    with connect(stage.database.dsn("certify_app"), purpose="app") as app:
        assert refused(app, f"SELECT FROM {table}", "SELECT FROM sluice_archive.month", DROP) == []


@pytest.mark.parametrize(("rights", "setting"), [("NOBYPASSRLS", "off"), ("NOBYPASSRLS", "on"), ("BYPASSRLS", "on")])
def test_who_would_see_some_rows_alone_stores_none(stage: Stage, rights: str, setting: str):
    archive = stage.archive()
    with connect(stage.database.dsn("admin"), purpose="admin") as admin:
        admin.execute(f"ALTER ROLE {ROLES[0]} {rights}")  # type: ignore[arg-type]
    archive.exporter.execute(f"SET row_security = {setting}")  # type: ignore[arg-type]
    with pytest.raises(SeesPart, match="would hide rows from it"):
        archive.archive(print)
    assert stage.vault.list(f"archive/{stage.dataset.store}/") == []
    assert stage.states()[0] == "detached"
    if (rights, setting) == ("NOBYPASSRLS", "on"):
        seen = archive.exporter.execute("SELECT count(*) AS rows FROM app_partitions.event_y2024m01").fetchone()
        assert seen == {"rows": 0}, "without an error: nothing else would tell"
