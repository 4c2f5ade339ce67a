"""A month at a time, as the DAG takes them: what is due, one step, the facts that its gates judge, and the drop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sluice.estate.dataset import Dataset
from sluice.stores.postgres import LockBusy, Table, connect
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.auditing import NotStored, audit_manifest, audit_reading
from sluice.upkeep.archive.dropping import NotDropped
from sluice.upkeep.archive.exporting import Exporter
from sluice.upkeep.archive.foreseeing import foresee, told
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.partitions.spans import Span, span_at
from sluice.upkeep.refusals import NoSuchMonth, NotBroughtBack

from tests.archived import MONTH, MONTHS, SECURED, TABLE, Stage, kept, months, staged
from tests.conftest import Database

JANUARY, FEBRUARY = (Table("app_partitions", name) for name, _, _ in MONTHS)


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def due(stage: Stage, told: list[str] | None = None) -> list[Table]:
    return [month.partition for month in stage.archive().list_due((told if told is not None else []).append)]


def test_each_month_goes_by_itself_and_is_listed_until_nothing_is_left_to_do(stage: Stage) -> None:
    archive = stage.archive()
    assert due(stage) == [JANUARY, FEBRUARY]
    assert archive.advance(JANUARY, print).state == "cooling"
    assert stage.states() == ["cooling", "eligible"], "the other one was not touched"
    assert due(stage) == [JANUARY, FEBRUARY], "the first has cooled, at once, and may be dropped"
    archive.drop_month(JANUARY, print)
    archive.drop_month(JANUARY, print)
    assert (due(stage), stage.states()) == ([FEBRUARY], ["dropped", "eligible"])
    with pytest.raises(NoSuchMonth, match=r"knows no month app_partitions\.nothing"):
        archive.advance(Table("app_partitions", "nothing"), print)


def test_while_one_month_is_stored_others_leave_and_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.own(MONTH.format(name="event_y2024m03", lower="2024-03-01", upper="2024-04-01"))
    march, told, store = Table("app_partitions", "event_y2024m03"), list[str](), Exporter.run
    archive, other = stage.archive(), stage.archive()
    archive.list_due(print)
    archive.advance(JANUARY, print)

    def while_it_is_stored(exporter: Exporter, month: ledger.Month) -> ledger.Export:
        monkeypatch.setattr(Exporter, "run", store)
        with pytest.raises(LockBusy, match=r"2024-02-01 to 2024-03-01: another run is at it"):
            other.advance(FEBRUARY, print)
        assert [month.partition for month in other.list_due(told.append)] == [JANUARY, march]
        assert "another run is at it" in "".join(told)
        other.drop_month(JANUARY, print)
        other.advance(march, print)
        return store(exporter, month)

    monkeypatch.setattr(Exporter, "run", while_it_is_stored)
    archive.advance(FEBRUARY, print)
    assert stage.states() == ["dropped", "cooling", "cooling"]


def test_what_cools_or_is_held_is_not_listed_and_not_dropped(stage: Stage) -> None:
    told = stage.dataset.store
    stage.dataset = kept(cooling="7d", holds=({"from": "2024-02", "because": "case 7"},)).model_copy(
        update={"store": told}
    )
    assert due(stage) == [JANUARY]
    archive = stage.archive()
    month = archive.advance(JANUARY, print)
    assert month.standing.startswith("cooling until 20")
    assert due(stage) == []
    with pytest.raises(NotDropped, match=r"is cooling until .* UTC, .*Nothing was dropped"):
        archive.drop_month(JANUARY, print)
    held = archive.advance(FEBRUARY, print)
    assert (held.standing, stage.states()) == ("eligible, held: case 7", ["cooling", "eligible"])
    with pytest.raises(NotStored, match="is eligible: there is nothing to compare"):
        audit_manifest(archive.exporter, archive.vault, held)
    with pytest.raises(NotStored, match="was not read back"):
        audit_reading(held)


def test_a_detach_that_was_broken_off_is_finished_before_any_month_is_taken_on(stage: Stage) -> None:
    told: list[str] = []
    blocker = stage.connection()
    with blocker.transaction():
        blocker.execute("SELECT FROM app.event LIMIT 1")
        breaking = stage.connection()
        breaking.execute("SET lock_timeout = '300ms'")
        with pytest.raises(Exception, match="lock timeout"):
            breaking.execute("ALTER TABLE app.event DETACH PARTITION app_partitions.event_y2024m02 CONCURRENTLY")
    assert stage.ask("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
    stage.archive().list_due(told.append)
    assert stage.ask("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(0,)]
    stage.archive().advance(JANUARY, told.append)
    assert stage.states()[0] == "cooling"


def test_the_facts_are_of_the_month_the_manifest_and_the_files(stage: Stage) -> None:
    archive = stage.archive()
    assert due(stage) == [JANUARY, FEBRUARY]
    month = archive.advance(JANUARY, print)
    facts = audit_manifest(archive.exporter, archive.vault, month)
    same = {"rows_there": 50, "rows_manifest": 50, "rows_in_parts": 50, "hash_differs": 0, "parts_missing": 0}
    assert {name: facts[name] for name in same} == same
    assert (facts["parts"], facts["columns_lacking"]) == (1, 0)
    assert month.export is not None
    assert audit_reading(month) | {"read_back_at": ""} == {
        "rows_stored": 50, "rows_read": 50, "hash_differs": 0, "read_back_at": "",
        "manifest": month.export.key, "manifest_sha256": month.export.sha256,
    }  # fmt: skip

    with connect(stage.database.dsn("admin"), purpose="late") as late:
        late.execute("INSERT INTO app_partitions.event_y2024m01 VALUES (999, '2024-01-02', 1, 'late')")
        late.execute("ALTER TABLE app_partitions.event_y2024m01 ADD COLUMN newer text")
    (part,) = read_manifest(stage.vault, month.export).parts
    stage.vault.client.delete_object(Bucket=stage.vault.bucket, Key=part.key)
    facts = audit_manifest(archive.exporter, archive.vault, month)
    assert (facts["rows_there"], facts["hash_differs"]) == (51, 1)
    assert (facts["parts_missing"], facts["parts_missing_told"]) == (1, part.key)
    assert (facts["columns_lacking"], facts["columns_lacking_told"]) == (1, "newer")


def test_roles_of_their_own_are_let_do_what_they_are_for_and_one_role_for_all_needs_nothing(stage: Stage) -> None:
    archive = stage.archive()
    keeper = stage.connection()
    keeper.execute("REVOKE ALL ON SCHEMA sluice_archive FROM certify_exporter, certify_dropper")
    for _ in range(2):
        archive.let_roles()
    archive.list_due(print)
    archive.advance(JANUARY, print)
    archive.drop_month(JANUARY, print)
    assert stage.states() == ["dropped", "eligible"]


def test_two_years_are_foreseen_of_the_partitions_that_are_there(stage: Stage) -> None:
    c = stage.connection()
    stage.own("ANALYZE app_partitions.event_y2024m01")
    (foreseen,) = foresee(c, stage.dataset)
    lines = told(stage.dataset, [foreseen]).splitlines()
    assert len(lines) == 27
    assert lines[1] == "tonight: 2 leave the table, 2024-01-01 to 2024-03-01"
    first = re.sub(r"[\d.]+$", "MB", " ".join(lines[3].split()[1:]))
    assert first == "2 2024-01-01 to 2024-03-01 1 ≥ 50 MB", "one of the two was never analyzed"
    stage.own("ANALYZE app_partitions.event_y2024m02")
    (foreseen,) = foresee(c, stage.dataset)
    assert str(foreseen).splitlines()[3].split()[6] == "100"
    assert stage.ask("SELECT count(*) FROM app.event") == [(100,)]
    archive = stage.archive()
    archive.archive(print)
    (foreseen,) = foresee(c, stage.dataset)
    assert str(foreseen.tonight) == "tonight: 2 that have cooled are dropped"
    archive.drop(print)
    archive.restore_all(Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)), timedelta(1), print)
    (foreseen,) = foresee(c, stage.dataset)
    assert str(foreseen.tonight) == "tonight: nothing goes", "they are back for a day"
    without = stage.dataset.model_copy(update={"retention": None})
    assert "Everything stays" in told(without, foresee(c, without))


def test_partitions_of_partitions_are_counted_together(stage: Stage) -> None:
    half = "CREATE TABLE app_partitions.h{} PARTITION OF app.halved_1 FOR VALUES WITH (MODULUS 2, REMAINDER {})"
    stage.own(
        "CREATE TABLE app.halved (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)",
        "CREATE TABLE app.halved_1 PARTITION OF app.halved FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')"
        " PARTITION BY HASH (id)",
        *(half.format(number, number) for number in range(2)),
        "INSERT INTO app.halved SELECT i, '2024-01-05+00' FROM generate_series(1, 70) i",
        "ANALYZE app.halved",
    )
    cut = {"range": "at", "every": "month", "then": {"hash": "id", "parts": 2}}
    told = {
        "dataset": "halved",
        "store": "certify",
        "table": "app.halved",
        "partition": cut,
        "retention": {"keep": "1 month"},
    }
    (foreseen,) = foresee(stage.connection(), Dataset.model_validate(told))
    (size,) = foreseen.sizes.values()
    assert (size.rows, size.bytes > 0) == (70, True)


def test_a_month_that_was_brought_back_is_due_again_once_its_time_is_over(stage: Stage) -> None:
    archive = stage.archive()
    archive.list_due(print)
    archive.advance(JANUARY, print)
    archive.drop_month(JANUARY, print)
    (back,) = archive.restore(datetime(2024, 1, 5, tzinfo=UTC), timedelta(days=2), print)
    assert (back.partition, back.state) == (JANUARY, "restored")
    assert due(stage) == [FEBRUARY]
    (again,) = archive.restore(datetime(2024, 1, 5, tzinfo=UTC), timedelta(0), print)
    assert again.expires_at is not None
    assert due(stage) == [JANUARY, FEBRUARY]
    assert ledger.months_of(stage.connection(), stage.table)[0].state == "eligible"


def test_a_month_of_days_comes_back_whole_but_for_what_never_left(database: Database, vault) -> None:
    days = [f"2024-01-{day:02}" for day in (30, 31)] + ["2024-02-01", "2024-02-02"]
    made = [TABLE]
    for lower, upper in pairwise(days):
        name = f'"Day {lower}"'
        made += [MONTH.format(name=name, lower=lower, upper=upper), SECURED.format(f"app_partitions.{name}")]
    made += [f"INSERT INTO app.event (at, tenant) VALUES ('{lower} 12:00', 1)" for lower in days[:3]]
    with staged(database, vault, *made, SECURED.format("app.event")) as stage:
        cut = {"range": "at", "every": "day"}
        archive = stage.archive(kept(cut).model_copy(update={"store": stage.dataset.store}))
        assert [str(month.partition) for month in archive.list_due(print)] == [
            f"app_partitions.Day {day}" for day in days[:3]
        ]
        for day in days[:3]:
            month = archive.find(f"app_partitions.Day {day}")  # as the DAG knows it, whatever it is called
            archive.advance(month.partition, print)
            archive.drop_month(month.partition, print)
        assert stage.ask("SELECT count(*) FROM app.event") == [(0,)]
        january = span_at(datetime(2024, 1, 1, tzinfo=UTC), "month")
        back = archive.restore_all(january, timedelta(days=2), print)
        assert [str(month.partition) for month in back] == [f"app_partitions.Day {day}" for day in days[:2]]
        assert stage.ask("SELECT count(*) FROM app.event") == [(2,)]


def test_what_never_left_does_not_keep_the_rest_of_a_time_from_coming_back(stage: Stage) -> None:
    archive = stage.archive()
    archive.list_due(print)
    archive.advance(JANUARY, print)
    both = Span(datetime(2024, 1, 15, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC))
    assert [month.partition for month in archive.restore_all(both, timedelta(days=2), print)] == [JANUARY]
    with pytest.raises(NotBroughtBack, match="is eligible: it never left its table"):
        archive.restore(datetime(2024, 2, 15, tzinfo=UTC), timedelta(days=2), print)
