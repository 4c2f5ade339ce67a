"""Ends that nobody planned: a month that somebody dropped, renamed or restored from a dump, and what a night makes of it."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from psycopg import errors
from sluice.failpoints import Broken, armed
from sluice.stores.binaries import client
from sluice.stores.objects import Vault
from sluice.stores.postgres import Table
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.gone import Gone
from sluice.upkeep.archive.ledger import Month, months_of
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.refusals import NotBroughtBack

from tests.archived import MONTHS, ROW, Stage, kept, months, staged
from tests.conftest import Database

JANUARY = datetime(2024, 1, 15, tzinfo=UTC)
FIRST = Table("app_partitions", MONTHS[0][0])
OF = "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')"
ATTACHED = f"ALTER TABLE app.event ATTACH PARTITION {FIRST} {OF}"
FORGET = f"SELECT sluice_archive.forget_month('{FIRST}', 'ticket 7: not needed') AS told"


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def first(stage: Stage) -> Month:
    """What the ledger says of the first month."""
    return months_of(stage.connection(), stage.table)[0]


def at(archive: Archive, state: str) -> None:
    """Bring the first month to a state."""
    archive.list_due(print)
    if state == "exported":
        with pytest.raises(Broken), armed("month.exported=raise@1"):
            archive.advance(FIRST, print)
    elif state == "detached":
        with pytest.raises(Broken), armed("month.part_stored=raise@1"):
            archive.advance(FIRST, print)
    elif state != "eligible":
        archive.advance(FIRST, print)
    if state == "restored":
        archive.drop_month(FIRST, print)
        archive.restore(JANUARY, timedelta(days=2), print)


@pytest.mark.parametrize("state", ["restored", "cooling", "exported"])
def test_a_month_that_somebody_dropped_is_dropped_where_the_vault_has_it_proven(
    stage: Stage, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    archive = stage.archive()
    at(archive, state)
    stage.own(f"DROP TABLE {FIRST}")
    caplog.clear()
    assert FIRST not in [month.partition for month in archive.list_due(print)]
    ((_, level, said),) = caplog.record_tuples
    assert level == logging.WARNING
    assert f"while it was {state}" in said and "50 rows in archive/" in said and "read back just now" in said
    assert stage.states()[0] == "dropped"
    assert stage.ask("SELECT note FROM sluice_archive.status WHERE state = 'dropped'")[0][0].startswith(
        "dropped by somebody else"
    )
    archive.list_due(print)
    assert len(caplog.records) == 1, "it is told once"
    archive.restore(JANUARY, timedelta(days=2), print)
    assert stage.ask("SELECT count(*) FROM app.event WHERE at < '2024-02-01'") == [(50,)]
    assert first(stage).note is None


@pytest.mark.parametrize("state", ["eligible", "detached", "damaged"])
def test_what_the_vault_does_not_have_is_told_until_a_person_gives_it_up(stage: Stage, vault, state: str) -> None:
    if state == "damaged":
        stage.vault = Vault(vault.client(), f"plain-{uuid4().hex[:8]}")  # without versions: what is overwritten is gone
        vault.client().create_bucket(Bucket=stage.vault.bucket)
    archive = stage.archive()
    at(archive, state)
    if export := first(stage).export:
        vault.client().put_object(Bucket=stage.vault.bucket, Key=export.key, Body=b"other")
    stage.own(f"DROP TABLE {FIRST}")
    told: list[str] = []
    assert FIRST in [month.partition for month in archive.list_due(told.append)], "red each night"
    with pytest.raises(
        Gone, match=r"(never stored|not whole in the vault).*from a backup.*forget_month\('app_part"
    ) as gone:
        archive.advance(FIRST, print)
    assert str(gone.value) in told and "stays in the database" not in str(gone.value)
    for session in (archive.exporter, archive.dropper):
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(FORGET)
    archive.keeper.execute(FORGET)
    assert (stage.states()[0], first(stage).note) == ("lost", "ticket 7: not needed")
    told.clear()
    assert FIRST not in [month.partition for month in archive.list_due(told.append)]
    assert told == []
    with pytest.raises(NotBroughtBack, match=r"is lost: ticket 7: not needed\. "):
        archive.restore(JANUARY, timedelta(days=2), print)


def test_a_month_that_was_given_up_begins_anew_once_its_table_has_rows_for_it(stage: Stage) -> None:
    archive = stage.archive()
    at(archive, "eligible")
    stage.own(f"DROP TABLE {FIRST}")
    archive.keeper.execute(FORGET)
    stage.own(f"CREATE TABLE app_partitions.again PARTITION OF app.event {OF}")
    archive.list_due(print)
    assert stage.states()[0] == "lost", "an empty partition is no month"
    stage.ask(ROW.format(lower="2024-01-01") + " FROM generate_series(1, 50) i RETURNING id")
    assert archive.archive(print) == {"cooling": 2}
    assert (first(stage).partition.name, first(stage).export.rows) == ("again", 50)  # type: ignore[union-attr]


def test_one_of_many_that_is_lost_keeps_no_other_from_coming_back(stage: Stage) -> None:
    archive = stage.archive()
    archive.list_due(print)
    archive.advance(archive.find("app_partitions.event_y2024m02").partition, print)
    stage.own(f"DROP TABLE {FIRST}")
    archive.keeper.execute(FORGET)
    both = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    told: list[str] = []
    back = archive.restore_all(both, timedelta(days=2), told.append)
    assert [month.partition.name for month in back] == ["event_y2024m02"]
    assert "is lost: ticket 7" in told[0]


def test_late_rows_that_somebody_dropped_leave_what_was_stored_before(stage: Stage) -> None:
    archive = stage.archive(kept(late="side").model_copy(update={"store": stage.dataset.store}))
    at(archive, "restored")
    archive.restore(JANUARY, timedelta(0), print)
    archive.archive(print)
    archive.drop(print)
    archive.list_due(print)
    late = Table("app_partitions", f"{FIRST.name}_late1")
    stage.ask("INSERT INTO app.event (at, tenant, said) VALUES ('2024-01-20', 1, 'late') RETURNING id")
    archive.list_due(print)
    stage.own(f"DROP TABLE {late}")
    with pytest.raises(Gone, match=r"The vault has what was stored before these late rows came: archive/"):
        archive.advance(late, print)
    archive.keeper.execute(FORGET.replace(str(FIRST), str(late)))
    with pytest.raises(NotBroughtBack, match="comes back beside the table"):
        archive.restore(JANUARY, timedelta(days=2), print)


def test_a_month_that_is_called_otherwise_is_told_with_both_ways_out(stage: Stage) -> None:
    archive = stage.archive()
    at(archive, "cooling")
    stage.own(f"ALTER TABLE {FIRST} RENAME TO mine")
    with pytest.raises(Gone, match=r"is called app_partitions\.mine by now.*Give it its name.*forget_month"):
        archive.advance(FIRST, print)
    stage.own(f"CREATE TABLE {FIRST} PARTITION OF app.event {OF}")
    with pytest.raises(Gone, match=r"another table is called app_partitions\.event_y2024m01.*Rename that one"):
        archive.advance(FIRST, print)
    stage.own(f"DROP TABLE {FIRST}", f"ALTER TABLE app_partitions.mine RENAME TO {FIRST.name}")
    assert archive.advance(FIRST, print).state == "cooling"


def test_one_that_was_made_anew_is_not_believed_where_the_vault_tells_nothing_of_it(stage: Stage) -> None:
    archive = stage.archive()
    at(archive, "restored")
    anew = f"CREATE TABLE app_partitions.anew (LIKE {FIRST} INCLUDING ALL EXCLUDING IDENTITY)"
    stage.own(anew, f"DROP TABLE {FIRST}", f"ALTER TABLE app_partitions.anew RENAME TO {FIRST.name}", ATTACHED)
    export = first(stage).export
    assert export is not None
    with pytest.raises(Gone, match="of other bounds or with other rows than were stored"):
        archive.advance(FIRST, print)
    stage.vault.client.delete_object(Bucket=stage.vault.bucket, Key=export.key, VersionId=export.version)
    told: list[str] = []
    assert len(archive.list_due(told.append)) == 2, "and the other one goes on"
    assert "nothing tells whether it is the month: cannot read s3://" in told[0]


def test_after_a_dump_is_restored_every_month_is_known_again(
    stage: Stage, make_database: Callable[[], Database]
) -> None:
    archive = stage.archive()
    at(archive, "restored")
    archive.restore(JANUARY, timedelta(days=2), print)
    archive.advance(archive.find("app_partitions.event_y2024m02").partition, print)
    other = make_database()
    dumped = subprocess.run([client("pg_dump"), "-Fc", stage.database.dsn("admin")], capture_output=True, check=True)
    loads = [client("pg_restore"), "--clean", "--if-exists", "--dbname", other.dsn("admin")]
    subprocess.run(loads, input=dumped.stdout, check=True)
    restored = Stage(other, stage.vault, stage.dataset)
    with restored.open:
        again = restored.archive()
        told: list[str] = []
        again.list_due(told.append)
        assert restored.states() == ["restored", "cooling"] and len([one for one in told if "made anew" in one]) == 2
        again.restore(JANUARY, timedelta(0), print)
        assert again.archive(print) == {"cooling": 2}
        assert again.drop(print) == 2
