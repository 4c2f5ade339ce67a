"""A month brought back beside its table, or into a database that has nothing but the vault; it goes when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest
from psycopg import errors
from sluice.stores.postgres import connect
from sluice.upkeep.archive.copies import Copy, copies_in, drop_copies, drop_copy, end_copies, prolong
from sluice.upkeep.archive.copying import copy_months
from sluice.upkeep.archive.detaching import Tell
from sluice.upkeep.archive.dropping import NotDropped
from sluice.upkeep.archive.finding import SeveralExports
from sluice.upkeep.archive.ledger import Overtaken
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.refusals import NotBroughtBack

from tests.archived import ROLES, Stage, months, staged
from tests.conftest import Database
from tests.integration.test_archive import CALM, ODD, ROWS

JANUARY = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
BEFORE = Span(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 2, 1, tzinfo=UTC))
COPY = "app_partitions.event_y2024m01_copy"
CLOSED = (
    "SELECT relrowsecurity, relforcerowsecurity, relispartition,"
    f" EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner) AS opened FROM pg_class WHERE oid = '{COPY}'::regclass"
)


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    """Two months that were archived and dropped."""
    with staged(database, vault, *months()) as made:
        archive = made.archive()
        archive.archive(print)
        archive.drop(print)
        yield made


def copied(stage: Stage, days: float = 1, key: str = "", store: str | None = None, tell: Tell = print) -> Copy:
    """Copy January to where the stage is, as its own store or as another one."""
    lasts, place = timedelta(days=days), store or stage.dataset.store
    (copy,) = copy_months(stage.connection(), stage.vault, stage.dataset, JANUARY, lasts, tell, place, key)
    return copy


def dropped(stage: Stage) -> list[str]:
    """Drop what is over its time, as the night does."""
    over = [copy for copy in copies_in(stage.connection()) if copy.over]
    return drop_copies(stage.connection(), stage.connection(ROLES[1]), stage.vault, over)


def test_a_copy_stands_beside_as_closed_as_its_table_and_goes_when_its_time_is_over(stage: Stage) -> None:
    copy = copied(stage)
    assert (str(copy.table), copy.export.rows) == (COPY, 50)
    assert stage.states() == ["dropped", "dropped"], "the way of the month knows nothing of it"
    assert stage.ask(f"SELECT count(*) AS n, min(said) FROM {COPY}") == [(50, "said 1")]
    assert stage.ask("SELECT count(*) FROM app.event") == [(0,)]
    assert stage.ask(CLOSED) == [(True, True, False, False)]
    shown = "SELECT state, copy, rows, expires_at > now() FROM sluice_archive.status WHERE copy IS NOT NULL"
    assert stage.ask(shown) == [("copy", COPY, 50, True)]
    assert dropped(stage) == []
    with pytest.raises(
        NotDropped, match=r"the copy of app\.event of certify_.*, 2024-01-01 to 2024-02-01: .* stays until"
    ):
        drop_copy(stage.connection(ROLES[1]), stage.vault, copy)
    again = copied(stage, 0)
    assert (again.id, again.over) == (copy.id, True), "a second asking says how long the first one stays"
    assert dropped(stage) == [f"{COPY} was dropped: a copy of 50 rows"]
    assert "was dropped at" in drop_copy(stage.connection(ROLES[1]), stage.vault, copy)
    with pytest.raises(Overtaken, match=r"went at .*, its time was over\. It is made anew when this is tried again"):
        prolong(stage.connection(), copy, timedelta(1))
    assert (dropped(stage), stage.ask(f"SELECT to_regclass('{COPY}')"), stage.ask(shown)) == ([], [(None,)], [])
    assert stage.archive().archive(print) == {"dropped": 2}
    assert copied(stage).id != copy.id, "and it may be had again"


KEPT_BY = {
    "was written since": f"INSERT INTO {COPY} (id) VALUES (7)",
    "it was written": f"ALTER TABLE {COPY} ADD COLUMN note text DEFAULT 'seen'",
    "other objects depend": f"CREATE VIEW app.seen AS SELECT * FROM {COPY}",
    "somebody keeps it": f"ALTER TABLE {COPY} RENAME TO mine",
    "its comment is another": f"COMMENT ON TABLE {COPY} IS 'ours'",
    "it belongs to a table": f"CREATE TABLE app.below () INHERITS ({COPY})",
}


def test_a_copy_that_somebody_wrote_to_or_keeps_is_not_dropped(stage: Stage) -> None:
    copy = copied(stage, 0)
    for told, done in KEPT_BY.items():
        admin = connect(stage.database.dsn("admin"), purpose="admin", autocommit=False)
        admin.execute(done)  # type: ignore[arg-type]
        with pytest.raises(errors.DatabaseError, match=told):
            admin.execute("SELECT sluice_archive.drop_copy(%s)", [copy.id])
        admin.close()
    stage.ask(f"INSERT INTO {COPY} (id) VALUES (7) RETURNING id")
    with pytest.raises(
        NotDropped, match=r"has 51 rows .* and came with 50 .*: it was written since\. It is not dropped"
    ):
        dropped(stage)
    told: list[str] = []
    copied(stage, 0, tell=told.append)
    end_copies(stage.connection(), copy.of, JANUARY, told.append)
    said = "it has 51 rows, and came with 50. It is not dropped by itself"
    assert [said in one for one in told] == [True, True], told
    stage.ask(f"DELETE FROM {COPY} WHERE id = 7 RETURNING id")
    (part,) = read_manifest(stage.vault, copy.export).parts
    stage.vault.client.delete_object(Bucket=stage.vault.bucket, Key=part.key, VersionId=part.version)
    with pytest.raises(NotDropped, match="cannot read s3://"):
        dropped(stage)
    with connect(stage.database.dsn("admin"), purpose="admin") as admin:
        admin.execute(f"DROP TABLE {COPY}")  # type: ignore[arg-type]
        told = admin.execute("SELECT sluice_archive.drop_copy(%s) AS told", [copy.id]).fetchone()
    assert told == {"told": f"{COPY} is gone: somebody else dropped it"}


def test_the_ledger_says_of_no_table_of_yours_that_it_is_a_copy(stage: Stage) -> None:
    copied(stage)
    c = stage.connection()
    ((oid,),) = stage.ask("SELECT oid::bigint FROM pg_class WHERE oid = 'app.event'::regclass")
    theirs = f'jsonb_populate_record(k, \'{{"id": 9, "copy_oid": {oid}}}\')'
    forgeries = {
        "does not say of itself": "INSERT INTO sluice_archive.copy OVERRIDING SYSTEM VALUE"
        f" SELECT ({theirs}).* FROM sluice_archive.copy k",
        "stays the copy": "UPDATE sluice_archive.copy SET hash = '7'",
        "goes by sluice_archive.drop_copy alone": "UPDATE sluice_archive.copy SET dropped_at = now()",
        "is not deleted": "DELETE FROM sluice_archive.copy",
    }
    for told, done in forgeries.items():
        with pytest.raises(errors.RaiseException, match=told):
            c.execute(done)  # type: ignore[arg-type]
    for role in ROLES:
        with pytest.raises(errors.InsufficientPrivilege):
            stage.connection(role).execute("UPDATE sluice_archive.copy SET expires_at = now()")
    with pytest.raises(errors.InsufficientPrivilege):
        stage.connection(ROLES[0]).execute("SELECT sluice_archive.drop_copy(1)")


@pytest.fixture
def odd(database: Database, vault) -> Iterator[Stage]:
    """Values of every sort in January, in the vault alone: nobody asks the database that they came from."""
    made = months()
    with staged(database, vault, *ODD.split(";"), *made[1:5], ROWS.format(i=1), CALM) as stage:
        archive = stage.archive()
        archive.archive(print)
        archive.drop(print)
        yield stage


def test_a_month_comes_into_a_database_that_has_nothing_but_the_vault(
    odd: Stage, make_database: Callable[[], Database]
) -> None:
    elsewhere = Stage(make_database(), odd.vault, odd.dataset)
    with elsewhere.open:
        with pytest.raises(
            NotBroughtBack, match=r"needs .* the types app\.cents, app\.mood, app\.mood\[\], .*\. Make them"
        ):
            copied(elsewhere, store="another")
        _, *other_types, _ = ODD.split(";")
        elsewhere.own("CREATE TYPE app.mood AS ENUM ('glad')", *other_types)
        with pytest.raises(
            NotBroughtBack, match=r"cannot be loaded here: invalid input value for enum app\.mood: \"so so\""
        ):
            copied(elsewhere, store="another")
        assert elsewhere.ask("SELECT to_regnamespace('app_partitions')") == [(None,)], "nothing is left"
        elsewhere.own("ALTER TYPE app.mood ADD VALUE 'so so'")
        copy = copied(elsewhere, 0, store="another")
        assert elsewhere.ask(f"SELECT count(*), min(twice) FROM {COPY}")[0][0] == copy.export.rows == 3
        assert elsewhere.ask(CLOSED) == [(True, True, False, False)], "nobody knows how open it was: it is closed"
        with pytest.raises(NotBroughtBack, match=r"The vault has nothing of app\.event in .* with 2023"):
            copy_months(elsewhere.connection(), odd.vault, odd.dataset, BEFORE, timedelta(1), print, "another")
        (told,) = drop_copies(
            elsewhere.connection(), elsewhere.connection(), odd.vault, copies_in(elsewhere.connection())
        )
        assert told == f"{COPY} was dropped: a copy of 3 rows"


def test_of_two_exports_with_other_rows_a_person_says_which(stage: Stage) -> None:
    first = copied(stage)
    archive = stage.archive()
    archive.restore(JANUARY.lower, timedelta(0), print)
    stage.ask("INSERT INTO app.event (at, tenant, said) VALUES ('2024-01-02', 1, 'more') RETURNING id")
    sleep(1)  # S3 tells of an object in which second it was stored
    archive.archive(print)
    archive.drop(print)
    with pytest.raises(
        SeveralExports,
        match=r"stored more than once, .*: last archive/\S* \(51 rows, stored 20.* UTC\); before that \S* \(50 rows",
    ):
        copied(stage, store="another")
    assert copied(stage, 2, first.export.key, "another").id == first.id
    with pytest.raises(NotBroughtBack, match="another table is called"):
        copied(stage)
    with pytest.raises(NotBroughtBack, match="and not 2023-01-01 to 2023-02-01"):
        copy_months(archive.keeper, stage.vault, stage.dataset, BEFORE, timedelta(1), print, "x", first.export.key)
