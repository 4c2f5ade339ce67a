"""What comes between: readers that stay, detaches that were broken off, holds, expiry, and somebody who meddles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.estate.dataset import Dataset
from sluice.failpoints import Broken, armed
from sluice.ledger.in_flight import InFlight
from sluice.ledger.marks import Marks
from sluice.stores.postgres import LockBusy, Table, connect
from sluice.upkeep.archive import detaching
from sluice.upkeep.archive.census import NoSuchColumn
from sluice.upkeep.archive.detaching import NotDetachable
from sluice.upkeep.archive.dropping import NotDropped
from sluice.upkeep.archive.exporting import Differs
from sluice.upkeep.archive.foreseeing import foresee
from sluice.upkeep.archive.gone import Gone
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.partitions import making
from sluice.upkeep.partitions.auditing import audit
from sluice.upkeep.refusals import NoRetention, NotBroughtBack

from tests.archived import MONTHS, Stage, kept, months, staged
from tests.conftest import Database

JANUARY = datetime(2024, 1, 15, tzinfo=UTC)
FIRST, SECOND = (Table("app_partitions", name) for name, _, _ in MONTHS)
PENDING = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
OF = "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')"


@pytest.fixture
def stage(database: Database, vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(making.random, "uniform", lambda *_: 0.01)
    monkeypatch.setattr(making, "TRIES", 2)
    with staged(database, vault, *months()) as made:
        yield made


def of(stage: Stage, **retention: object) -> Dataset:
    return kept(**retention).model_copy(update={"store": stage.dataset.store})


def test_a_transaction_that_stays_is_told_before_anything_is_begun(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(detaching, "LONGEST", timedelta(0))
    with connect(stage.database.dsn("admin"), purpose="reader", autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM app.event")
        with pytest.raises(LockBusy, match=r"sluice:reader.*end that session"):
            stage.archive().archive(print)
    assert (stage.states(), stage.ask(PENDING)) == (["eligible", "eligible"], [(0,)])
    assert stage.archive().archive(print) == {"cooling": 2}


def test_a_detach_that_was_broken_off_is_finished_before_anything_else(stage: Stage):
    with connect(stage.database.dsn("admin"), purpose="reader", autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM app.event")
        with pytest.raises(LockBusy):
            stage.archive().archive(print)
        assert (stage.states(), stage.ask(PENDING)) == (["detaching", "eligible"], [(1,)])
    told: list[str] = []
    assert stage.archive().archive(told.append) == {"cooling": 2}
    assert told[0].startswith("finish the detaching of app_partitions.event_y2024m01")


def test_what_cannot_be_detached_is_told_with_its_reason(stage: Stage):
    stage.own(
        "CREATE TABLE app.note (event bigint, at timestamptz, FOREIGN KEY (event, at) REFERENCES app.event (id, at))"
    )
    with pytest.raises(NotDetachable, match=r"note_event_at_fkey of app\.note"):
        stage.archive().archive(print)
    stage.own("DROP TABLE app.note", "CREATE TABLE app_partitions.rest PARTITION OF app.event DEFAULT")
    with pytest.raises(NotDetachable, match=r"the default partition app_partitions\.rest"):
        stage.archive().archive(print)
    assert stage.ask("SELECT count(*) FROM pg_inherits WHERE inhparent = 'app.event'::regclass") == [(4,)]


def test_a_hold_keeps_a_month_in_its_table_and_lets_go_of_it(stage: Stage):
    held = of(stage, holds=({"from": "2024-01", "until": "2024-01", "because": "case 12"},))
    assert stage.archive(held).archive(print) == {"held": 1, "cooling": 1}
    assert stage.ask("SELECT count(*) FROM app.event") == [(50,)]
    later = of(stage, holds=({"from": "2024-02", "because": "case 13"},))
    assert (stage.archive(later).drop(print), stage.archive(later).archive(print)) == (0, {"held": 1, "cooling": 1})
    assert stage.archive(of(stage)).drop(print) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"holds": ({"from": "2024-01", "because": "case 12"},)},
        {"keep": "60 months"},
        {"cooling": "90d"},
        {"then": "archive"},
    ],
)
def test_a_file_that_was_changed_since_the_night_began_is_heard_before_a_drop(stage: Stage, changed: dict[str, Any]):
    archive = stage.archive(of(stage))
    archive.advance(archive.list_due(print)[0].partition, print)
    later = stage.archive(of(stage, **changed))
    with pytest.raises(NotDropped, match=r"is cooling until .* by the file of event it does not go now"):
        later.drop_month(FIRST, print)
    assert later.drop(print) == 0
    assert stage.states() == ["cooling", "eligible"]


def test_a_column_that_is_not_there_is_told_before_anything_is_begun(stage: Stage):
    wrong = of(stage, tenant="tennant")
    told = r"app\.event has no column tennant: mend `retention\.tenant` .*It has id, at, tenant, said\. Nothing was changed"
    with pytest.raises(NoSuchColumn, match=told):
        stage.archive(wrong).list_due(print)
    with pytest.raises(NoSuchColumn, match=told):
        foresee(stage.connection(), wrong)
    assert stage.ask("SELECT count(*) FROM app.event") == [(100,)]


def test_a_month_that_left_before_a_column_came_is_told_by_its_name_and_its_file(stage: Stage):
    archive = stage.archive()
    with pytest.raises(Broken), armed("month.detached=raise@1"):
        archive.archive(print)
    stage.own("ALTER TABLE app.event ADD COLUMN customer text")
    told = r"event_y2024m01 left before app\.event got its column customer\. Leave .*datasets/event\.yaml until"
    with pytest.raises(NoSuchColumn, match=told):
        stage.archive(of(stage, tenant="customer")).archive(print)
    assert stage.archive(of(stage)).advance(FIRST, print).state == "cooling"


def test_a_month_that_is_to_stay_longer_is_not_begun(stage: Stage):
    stage.archive(of(stage)).list_due(print)
    longer = stage.archive(of(stage, keep="60 months"))
    assert (longer.list_due(print), longer.archive(print)) == ([], {"eligible": 2})
    assert stage.ask("SELECT count(*) FROM app.event") == [(100,)]


def test_a_month_that_somebody_dropped_stops_no_other(stage: Stage):
    archive = stage.archive(of(stage))
    archive.advance(archive.list_due(print)[0].partition, print)
    stage.own(f"DROP TABLE {FIRST}")
    assert [month.partition for month in archive.list_due(print)] == [SECOND]
    stage.own(f"DROP TABLE {SECOND}")
    assert [month.partition for month in archive.list_due(print)] == [SECOND], (
        "it was in no vault: red, and no other is"
    )
    with pytest.raises(Gone, match="was dropped by somebody else, while it was eligible"):
        archive.advance(SECOND, print)
    assert archive.advance(FIRST, print).state == "dropped"


def test_a_table_that_is_being_migrated_is_left_alone(stage: Stage):
    archive = stage.archive()
    Marks("event").prepare(archive.keeper)
    archive.keeper.execute(
        "INSERT INTO sluice.migration (name, phase, source_name, target_name, target_oid)"
        " VALUES ('event', 'cut_over', 'app.old', 'app.event', 'app.event'::regclass)"
    )
    for act in (archive.archive, archive.drop, lambda tell: archive.restore(JANUARY, timedelta(1), tell)):
        with pytest.raises(InFlight, match=r"app\.event is part of event, which is cut_over"):
            act(print)
    assert stage.states() == []


def test_an_archive_alone_drops_nothing(stage: Stage):
    archive = stage.archive(of(stage, then="archive"))
    assert archive.archive(print) == {"verified": 2}
    assert (archive.drop(print), archive.archive(print)) == (0, {"verified": 2})
    with pytest.raises(NoRetention, match=r"event\.yaml has no `retention`"):
        stage.archive(stage.dataset.model_copy(update={"retention": None})).archive(print)


def test_a_month_that_was_brought_back_stays_until_it_expires(stage: Stage):
    archive = stage.archive()
    archive.archive(print)
    stored = stage.vault.list(f"archive/{stage.dataset.store}/")
    archive.drop(print)
    archive.restore(JANUARY, timedelta(days=1), print)
    assert archive.archive(print) == {"restored": 1, "dropped": 1}
    assert stage.ask("SELECT count(*), min(said) FROM app.event") == [(50, "said 1")]
    archive.restore(JANUARY, timedelta(0), print)
    assert archive.archive(print) == {"cooling": 1, "dropped": 1}
    assert stage.vault.list(f"archive/{stage.dataset.store}/") == stored, "the same rows are stored already"
    archive.restore(JANUARY, timedelta(days=1), print)
    assert stage.ask("SELECT count(*) FROM app.event") == [(50,)], "one that only cools is attached again"
    assert audit(archive.keeper, archive.dataset, datetime.now(UTC))["unlike"] == 0, "it is as closed as its table"
    with pytest.raises(NotBroughtBack, match="no month with 2023"):
        archive.restore(datetime(2023, 1, 1, tzinfo=UTC), timedelta(1), print)


def test_a_table_that_has_changed_since_takes_no_month_back(stage: Stage):
    archive = stage.archive()
    archive.archive(print)
    archive.drop(print)
    stage.own("ALTER TABLE app.event DROP COLUMN said")
    with pytest.raises(NotBroughtBack, match=r"does not fit app\.event any more: .*said"):
        archive.restore(JANUARY, timedelta(days=1), print)
    assert stage.ask("SELECT to_regclass('app_partitions.event_y2024m01')") == [(None,)], "nothing is left"
    assert stage.states() == ["dropped", "dropped"]


def test_what_somebody_did_by_hand_is_seen(stage: Stage):
    archive = stage.archive()
    stage.own("ALTER TABLE app.event DETACH PARTITION app_partitions.event_y2024m02")
    assert archive.archive(print) == {"cooling": 1}, "it is no month of the table any more, and was none of the archive"
    stage.own(f"ALTER TABLE app.event ATTACH PARTITION app_partitions.event_y2024m01 {OF}")
    told: list[str] = []
    assert archive.archive(told.append) == {"cooling": 1}
    assert "is in its table: it begins anew" in told[0]
    month = months_of(archive.keeper, stage.table)[0]
    assert month.export is not None
    part = f"{month.export.key.rpartition('/')[0]}/part-00000.parquet"
    stage.vault.client.delete_object(Bucket=stage.vault.bucket, Key=part)
    assert archive.archive(told.append) == {"cooling": 1}
    assert f"{part} is not in the vault any more" in " ".join(told)
    stage.own("DROP TABLE app_partitions.event_y2024m01")
    assert archive.archive(print) == {"dropped": 1}


def test_rows_that_came_late_to_a_month_that_is_gone_are_told_and_kept(stage: Stage):
    archive = stage.archive()
    archive.archive(print)
    archive.drop(print)
    stage.own(f"CREATE TABLE app_partitions.late PARTITION OF app.event {OF}")
    told: list[str] = []
    assert archive.archive(told.append) == {"dropped": 2}
    assert told == [
        "app.event, 2024-01-01 to 2024-02-01 was dropped, and the table has app_partitions.late for it: it is left alone. Move"
        " its rows aside, drop it, bring the month back, and add them; or say in the file what becomes of them (`late`)"
    ]
    assert stage.ask("SELECT to_regclass('app_partitions.late')::text") == [("app_partitions.late",)]


def test_other_content_under_the_keys_of_the_same_rows_is_loud(stage: Stage):
    archive = stage.archive()
    with pytest.raises(Broken), armed("month.parts_stored=raise@1"):
        archive.archive(print)
    (part,) = stage.vault.list(f"archive/{stage.dataset.store}/")
    stage.vault.client.put_object(Bucket=stage.vault.bucket, Key=part, Body=b"other")
    with pytest.raises(Differs, match=r"app\.event, 2024-01-01 to 2024-02-01: the vault has other content"):
        archive.archive(print)
    assert stage.states() == ["detached", "eligible"]
    assert stage.vault.get(part) == b"other", "what is there is never overwritten"


def test_tenants_have_months_of_their_own(database: Database, vault):
    made = [
        "CREATE TABLE app.event (at timestamp NOT NULL, tenant int NOT NULL, said text) PARTITION BY LIST (tenant)",
        "CREATE TABLE app.event_1 PARTITION OF app.event FOR VALUES IN (1) PARTITION BY RANGE (at)",
        "CREATE TABLE app.event_1_old PARTITION OF app.event_1 FOR VALUES FROM (MINVALUE) TO ('2024-01-01')",
        "INSERT INTO app.event VALUES ('2023-12-31 BC', 1, 'old'), ('2023-12-31', 1, 'old'), ('2023-12-31', 1, 'old')",
    ]
    with staged(database, vault, *made) as stage:
        cut = {"list": "tenant", "then": {"range": "at", "every": "month"}}
        archive = stage.archive(kept(cut).model_copy(update={"store": stage.dataset.store}))
        assert archive.archive(print) == {"cooling": 1}
        assert archive.drop(print) == 1
        archive.restore(datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=1), print)
        assert stage.ask("SELECT count(*) FROM app.event") == [(3,)], "without a key, equal rows are counted"
