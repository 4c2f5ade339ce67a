"""Rows that come late, for a month that has left: refused, a supplement of the month, or the month is opened again for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import errors
from sluice.stores.postgres import LockBusy, connect
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.copying import copy_months
from sluice.upkeep.archive.finding import find_in_vault
from sluice.upkeep.archive.foreseeing import foresee
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.archive.supplements import whole
from sluice.upkeep.partitions import auditing
from sluice.upkeep.partitions.auditing import audit
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.refusals import NotBroughtBack

from tests.archived import Stage, kept, months, staged
from tests.conftest import Database

JANUARY = datetime(2024, 1, 15, tzinfo=UTC)
MONTH = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
COUNT = "SELECT count(*) AS n FROM "
LATE = "app_partitions.event_y2024m01_late1"


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def archive(stage: Stage, late: str, **retention: object) -> Archive:
    """The archive of a table whose file says so of late rows."""
    return stage.archive(kept(late=late, **retention).model_copy(update={"store": stage.dataset.store}))


def night(archive: Archive) -> None:
    """What one night does."""
    archive.archive(print)
    archive.drop(print)


def come(stage: Stage, said: str, at: str = "2024-01-20") -> None:
    """A row of the application's; it may be too late."""
    with connect(stage.database.dsn("admin"), purpose="app") as c:
        c.execute("INSERT INTO app.event (at, tenant, said) VALUES (%s, 1, %s)", [at, said])


def said(stage: Stage, table: str = "app.event") -> set[str]:
    return {one for (one,) in stage.ask(f"SELECT said FROM {table} WHERE at < '2024-02-01'")}


TOLD = """CREATE TABLE app.told (said text);;
CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO app.told VALUES (NEW.said); RETURN NULL; END';;
CREATE TRIGGER tell AFTER INSERT ON app.event FOR EACH ROW EXECUTE FUNCTION app.tell()"""
FIRST = {f"said {number}" for number in range(1, 51)}


def test_late_rows_are_refused_unless_the_file_says_otherwise(stage: Stage) -> None:
    night(archive(stage, "refuse"))
    with pytest.raises(errors.CheckViolation, match='no partition of relation "event" found for row'):
        come(stage, "late")
    assert stage.ask(COUNT + "pg_inherits WHERE inhparent = 'app.event'::regclass") == [(1,)]


def test_late_rows_follow_their_month_into_the_vault_and_come_back_with_it(stage: Stage) -> None:
    stage.own(*TOLD.split(";;"))
    side = archive(stage, "side")
    side.archive(print)
    come(stage, "late 1")
    assert said(stage) == said(stage, LATE) == {"late 1"}, "it lands beside the month that cools, and is read as before"
    side.drop(print)
    assert stage.states() == ["dropped", "dropped"]
    come(stage, "late 2")
    facts = audit(side.keeper, side.dataset, datetime.now(UTC))
    assert [facts[name] for name in ("odd_bounds", "unlike", "leaving")] == [0, 0, 0], "closed as its table"
    (foreseen,) = foresee(side.keeper, side.dataset)
    assert (foreseen.months[0].goes, foreseen.months[0].stays) == ((), 1), (
        "what stands for late rows is no month that goes"
    )
    assert str(foreseen).endswith(
        "for late rows: 2 partitions of months that have left, 2 at the end of "
        f"{foreseen.months[-1].month.lower:%Y-%m}, beside those that stay"
    )
    night(side)
    assert (stage.states(), said(stage)) == (["dropped", "dropped"], set())
    come(stage, "late 3")
    night(side)
    january = months_of(side.keeper, stage.table)[0]
    assert january.export and january.supplement_of
    stored = whole(stage.vault, january.export)
    assert [manifest.rows for _, manifest in stored] == [50, 2, 1], "each names the one that it is a supplement of"
    assert find_in_vault(stage.vault, stage.dataset.store, stage.table, MONTH)[0].key == january.export.key
    place = (stage.dataset, MONTH, timedelta(1), print, "another")
    (copy,) = copy_months(stage.connection(), stage.vault, *place)
    assert (copy.export.rows, str(copy.table)) == (53, "app_partitions.event_y2024m01_copy")
    assert said(stage, str(copy.table)) == {*FIRST, "late 1", "late 2", "late 3"}
    come(stage, "late 4")
    (back,) = side.restore(JANUARY, timedelta(days=1), print)
    assert (back.state, str(back.partition)) == ("restored", "app_partitions.event_y2024m01")
    assert said(stage) == {*FIRST, "late 1", "late 2", "late 3", "late 4"}
    assert audit(side.keeper, side.dataset, datetime.now(UTC))["unlike"] == 0
    assert stage.ask("SELECT said FROM app.told ORDER BY 1") == [(f"late {i}",) for i in (1, 2, 3, 4)], (
        "once each, as they came"
    )
    side.restore(JANUARY, timedelta(0), print)
    night(side)
    january = months_of(side.keeper, stage.table)[0]
    assert january.export and (january.state, january.export.rows, january.supplement_of) == ("dropped", 54, None)


def test_a_time_does_not_come_back_without_a_month_whose_late_rows_are_about_to_leave(stage: Stage) -> None:
    night(archive(stage, "side"))
    come(stage, "late 1")
    side = archive(stage, "side")
    side.list_due(print)
    assert stage.states() == ["eligible", "dropped"]
    with pytest.raises(NotBroughtBack, match="rows that came late to it are about to leave"):
        side.restore_all(Span(MONTH.lower, datetime(2024, 3, 1, tzinfo=UTC)), timedelta(days=1), print)


def test_partitions_for_late_rows_are_told_when_they_are_too_many(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = archive(stage, "side")
    (foreseen,) = foresee(side.keeper, side.dataset)
    assert foreseen.rooms == (0, 2), "each month that goes leaves one"
    (foreseen,) = foresee(side.keeper, archive(stage, "refuse").dataset)
    assert foreseen.rooms == (0, 0)
    night(side)
    assert audit(side.keeper, side.dataset, datetime.now(UTC))["too_many"] == 0
    monkeypatch.setattr(auditing, "MOST", 2)
    facts = audit(side.keeper, side.dataset, datetime.now(UTC))
    assert facts["too_many"] == 1
    assert facts["too_many_told"] == (
        "app.event has 3 partitions, and more than 2 slow every plan: cut it into larger pieces. 2 are for rows that come late to"
        " months that have left: with `late: refuse` the empty ones may be dropped"
    )


def test_late_rows_wait_for_a_hold_and_a_month_that_cools_comes_back_with_them(stage: Stage) -> None:
    night(archive(stage, "side"))
    come(stage, "late 1")
    night(archive(stage, "side", holds=({"from": "2024-01", "until": "2024-01", "because": "case 12"},)))
    assert (stage.states(), said(stage)) == (["dropped", "dropped"], {"late 1"})
    side = archive(stage, "side", cooling="7d")
    night(side)
    assert stage.states() == ["cooling", "dropped"]
    come(stage, "late 2")
    assert (said(stage), said(stage, LATE)) == ({"late 2"}, {"late 1"}), (
        "the second ones wait until the first have gone"
    )
    with connect(stage.database.dsn("admin"), purpose="reader", autocommit=False) as reader:
        reader.execute("SELECT FROM app.event")
        with pytest.raises(LockBusy, match="bringing back app"):
            side.restore(JANUARY, timedelta(days=1), print)
    assert (stage.states(), said(stage)) == (["cooling", "dropped"], {"late 2"}), "nothing was changed"
    side.restore(JANUARY, timedelta(days=1), print)
    assert said(stage) == {*FIRST, "late 1", "late 2"}
    assert stage.ask(COUNT + "pg_class WHERE relname ~ '_(late|loaded)' AND relkind = 'r' AND relname ~ 'm01'") == [
        (1,)
    ]


def test_a_late_row_with_the_key_of_one_that_is_gone_is_told_when_the_month_comes_back(stage: Stage) -> None:
    side = archive(stage, "side")
    night(side)
    again = "INSERT INTO app.event OVERRIDING SYSTEM VALUE VALUES (1, '2024-01-01 01:00+00', 1, 'again') RETURNING id"
    assert stage.ask(again) == [(1,)], "nobody can see by then that it was there"
    with pytest.raises(
        NotBroughtBack, match=r"Key \(id, at\)=\(1, .*Two rows have one key: bring the month back beside"
    ):
        side.restore(JANUARY, timedelta(days=1), print)
    assert (stage.states()[0], said(stage)) == ("dropped", {"again"}), "nothing was changed"


def test_a_month_is_opened_again_for_its_late_rows_and_archived_anew(stage: Stage) -> None:
    night(archive(stage, "reopen"))
    assert stage.states() == ["dropped", "dropped"]
    reopen = archive(stage, "reopen", cooling="7d")
    come(stage, "late 1")
    night(reopen)
    assert (stage.states(), said(stage)) == (["restored", "dropped"], {*FIRST, "late 1"})
    night(reopen)
    assert stage.states() == ["restored", "dropped"], "for as long as a month cools"
    come(stage, "late 2")
    reopen.restore(JANUARY, timedelta(0), print)
    night(reopen)
    january = months_of(reopen.keeper, stage.table)[0]
    assert january.export and (january.state, january.export.rows, january.supplement_of) == ("cooling", 52, None)
    come(stage, "late 3")
    assert said(stage) == {"late 3"}


def test_a_month_that_cannot_be_opened_again_stops_no_other(stage: Stage) -> None:
    reopen = archive(stage, "reopen")
    (january, february), told = reopen.list_due(print), list[str]()
    reopen.advance(january.partition, print)
    reopen.drop_month(january.partition, print)
    stage.ask(
        "INSERT INTO app.event OVERRIDING SYSTEM VALUE VALUES (1, '2024-01-01 01:00+00', 1, 'again') RETURNING id"
    )
    assert [month.partition for month in reopen.list_due(told.append)] == [january.partition, february.partition]
    with pytest.raises(NotBroughtBack, match="Two rows have one key"):
        reopen.advance(january.partition, print)
    assert reopen.advance(february.partition, print).state == "cooling"


def test_the_ledger_lets_no_month_begin_anew_without_its_late_rows(stage: Stage) -> None:
    side = archive(stage, "side")
    night(side)
    with pytest.raises(errors.RaiseException, match="begins anew as the partition that holds its late rows"):
        side.keeper.execute("UPDATE sluice_archive.month SET state = 'eligible'")
    side.keeper.execute("UPDATE sluice_archive.month SET supplement_of = '{}'")
    assert stage.ask(COUNT + "sluice_archive.month WHERE supplement_of IS NOT NULL") == [(0,)]
    with pytest.raises(errors.InsufficientPrivilege):
        side.exporter.execute("UPDATE sluice_archive.month SET state = 'eligible', partition_oid = 1")
