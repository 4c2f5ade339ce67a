"""The page of partitions and archives: real months looked at on their way, kept in a real ledger, answered and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sluice.console.pages import live_page
from sluice.estate import read_stores
from sluice.flow.overview import months as looks
from sluice.flow.overview.months import OldLedger, TooSlow, look_at, look_at_items
from sluice.ledger.control import Control
from sluice.ledger.seen import Kind, SeenThings
from sluice.local.standing.partitions import tables
from sluice.overview.as_json import as_json
from sluice.overview.asked import Asked, Waiting
from sluice.overview.links import evidence_path
from sluice.overview.looked import REFRESHES
from sluice.overview.partitions.months import read
from sluice.overview.partitions.page import Partitions, partitions
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, connect

from tests.archived import MONTHS, Stage, kept, months, staged
from tests.archived_items import MONTHS as ITEM_MONTHS
from tests.archived_items import laid_trail
from tests.conftest import Database, ScratchVault
from tests.documents import Documents
from tests.samples import ROOT

JANUARY, FEBRUARY = (Table("app_partitions", name) for name, _, _ in MONTHS)
KEY = "evidence/archive_retention/run__1/each.gate_archive_readback.json"
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def stage(database: Database, vault: ScratchVault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        Control(c, "", "").prepare()
        SeenThings(c).prepare().note_looked(REFRESHES)
        yield c


def answered(c: Connection, *waiting: Waiting, may_read: Callable[[str], bool] = lambda _: True) -> Partitions:
    """The page, and what is drawn and printed of it: neither may fail, whatever is in it."""
    found = partitions(Asked(c, read_stores(ROOT), SeenThings(c).now(), waiting, may_read))
    as_json(found)
    assert list(tables(found))
    return found


def states(found: dict[str, object]) -> dict[str, str]:
    return {one.month: one.state for one in read(found["months"])}  # type: ignore[arg-type]


def test_months_are_seen_on_their_way_into_the_vault(stage: Stage) -> None:
    c = stage.connection()
    assert states(look_at(c, stage.dataset)) == {"2024-01": "due", "2024-02": "due", "2099-01": "ahead"} | gap(c, stage)
    archive = stage.archive()
    archive.list_due(print)
    archive.advance(JANUARY, print)
    archive.advance(FEBRUARY, print)
    archive.drop_month(JANUARY, print)
    seen = states(look_at(c, stage.dataset))
    assert (seen["2024-01"], seen["2024-02"], seen["2099-01"]) == ("gone", "cooling", "ahead")
    held = kept(holds=({"from": "2024-02", "because": "case 7"},)).model_copy(update={"store": stage.dataset.store})
    stage.archive(held).list_due(print)
    (february,) = [one for one in read(look_at(c, held)["months"]) if one.month == "2024-02"]
    assert (february.state, "case 7" in february.told) == ("held", True)


def gap(c: Connection, stage: Stage) -> dict[str, str]:
    """The months between those of the table and the one of 2099, as far as a page shows them."""
    return {month: state for month, state in states(look_at(c, stage.dataset)).items() if state == "gap"}


def test_a_look_only_reads(stage: Stage) -> None:
    before = stage.ask("SELECT count(*), sum(xmin::text::bigint) FROM pg_class")
    look_at(stage.connection(), stage.dataset)
    assert stage.ask("SELECT count(*), sum(xmin::text::bigint) FROM pg_class") == before


def test_a_store_that_takes_too_long_and_a_ledger_of_an_older_version_are_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "PATIENCE", "1ms")
    blocker = stage.connection()
    with blocker.transaction():
        blocker.execute("LOCK TABLE sluice_archive.month IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TooSlow, match=r"app\.event did not say within 1ms"):
            look_at(stage.connection(), stage.dataset)
    monkeypatch.undo()
    stage.connection().execute("DELETE FROM sluice.release WHERE release_set = 'archive' AND version = '1.5.0'")
    with pytest.raises(OldLedger, match="archive_retention brings it up to date"):
        look_at(stage.connection(), stage.dataset)


def test_the_page_leads_each_month_to_the_evidence_of_its_last_check(stage: Stage, ledger: Connection) -> None:
    archive = stage.archive()
    archive.list_due(print)
    archive.advance(JANUARY, print)
    seen = SeenThings(ledger)
    seen.record(Kind.MONTHS, "event", seen.now(), look_at(stage.connection(), stage.dataset))
    for passed in (False, True):
        Control(ledger, f"event/{JANUARY}", "run__1").record_evidence(
            "archive_readback", 1, passed=passed, compared=50, key=KEY, sha256=f"{passed}"
        )
    [table] = answered(ledger).kept
    cells = {cell.month: cell for cell in table.cells()}
    assert (cells["2024-01"].state, cells["2024-01"].evidence) == ("cooling", evidence_path(KEY, "True"))
    assert (cells["2024-02"].evidence, cells["2024-01"].red) == (None, False)
    assert answered(ledger).kept[0].word() == table.word(), "the same months are left alone when a page is refreshed"
    html = live_page("partitions", answered(ledger))
    assert f'href="{evidence_path(KEY, "True")}" title="2024-01: archived and cooling' in html
    Control(ledger, f"event/{JANUARY}", "run__2").record_evidence(
        "archive_readback", 1, passed=False, compared=50, key=KEY, sha256="again"
    )
    html = live_page("partitions", answered(ledger))
    assert "2024-01: its last check was red" in html
    assert answered(ledger).kept[0].word() != table.word()


def test_what_failed_is_shown_beside_what_was_seen_before_and_escaped(stage: Stage, ledger: Connection) -> None:
    seen = SeenThings(ledger)
    began = seen.now()
    seen.record(Kind.MONTHS, "event", began, look_at(stage.connection(), stage.dataset))
    seen.record_failure(Kind.MONTHS, "event", seen.now(), f"certify is down {HOSTILE}")
    seen.record_failure(Kind.MONTHS, "other", seen.now(), "include/estate/datasets/other.yaml is no file")
    found = answered(ledger)
    event, other = sorted(found.kept, key=lambda one: one.name)
    assert (event.seen, event.cells() != []) == (began, True)
    assert (other.seen, other.cells(), other.table) == (None, [], "other")
    html = live_page("partitions", found)
    assert "certify is down &lt;script&gt;" in html
    assert "Never seen yet" in html


def test_a_table_lies_behind_the_dags_that_make_and_take_its_partitions(stage: Stage, ledger: Connection) -> None:
    seen = SeenThings(ledger)
    seen.record(Kind.MONTHS, "event", seen.now(), look_at(stage.connection(), stage.dataset))
    seen.record(
        Kind.MONTHS,
        "plain",
        seen.now(),
        look_at(stage.connection(), stage.dataset.model_copy(update={"retention": None})),
    )
    ask = Waiting("archive_retention", "run__1", "each.approve_drop", 0, "Drop it?", None)
    assert [one.name for one in answered(ledger, may_read=lambda dag: dag == "create_partitions").kept] == ["plain"]
    assert answered(ledger, may_read=lambda dag: dag == "archive_retention").kept == ()
    found = answered(ledger, ask, Waiting("migrate__x", "run__1", "approve", -1, "Cut over?", None))
    assert ([one.name for one in found.kept], found.asks) == (["event", "plain"], (ask,))
    assert "/dags/archive_retention/runs/run__1/tasks/each.approve_drop/mapped/0/required_actions" in live_page(
        "partitions", found
    )


def test_an_empty_page_says_what_fills_it(ledger: Connection) -> None:
    ledger.execute("TRUNCATE overview.seen")
    nothing = answered(ledger)
    assert nothing.headline == "Nobody has looked at the tables yet"
    assert "/dags/refresh_overview" in live_page("partitions", nothing)
    SeenThings(ledger).note_looked(REFRESHES)
    assert answered(ledger).headline == "No table is kept yet"
    assert "include/estate/datasets" in live_page("partitions", answered(ledger))


def test_while_nobody_looks_the_page_says_so_and_what_was_wrong_then_stays_first(
    stage: Stage, ledger: Connection
) -> None:
    seen, found = SeenThings(ledger), look_at(stage.connection(), stage.dataset)
    ago = seen.now() - timedelta(minutes=20)
    ledger.execute("TRUNCATE overview.seen")
    seen.record(Kind.LOOKED, REFRESHES, ago, {})
    seen.record(Kind.MONTHS, "calm", ago, {**found, "wrong": [], "until": "2099-01-01T00:00:00+00:00"})
    assert answered(ledger).headline == "Nobody has looked at the tables of late"
    assert "Nobody has looked since" in live_page("partitions", answered(ledger))
    seen.record(
        Kind.MONTHS, "calm", ago, {**found, "wrong": ["Rows lie in the default"], "until": "2099-01-01T00:00:00+00:00"}
    )
    assert answered(ledger).headline.startswith("1 of 1 needs somebody")
    assert "Nobody has looked since" in live_page("partitions", answered(ledger))


def test_little_headroom_comes_first_and_its_days_go_by_while_nobody_looks(stage: Stage, ledger: Connection) -> None:
    seen, found = SeenThings(ledger), look_at(stage.connection(), stage.dataset)
    hour = ledger.execute("SELECT clock_timestamp() + interval '36 hours' AS at").fetchone()
    assert hour is not None
    seen.record(Kind.MONTHS, "calm", seen.now(), {**found, "wrong": [], "until": "2099-01-01T00:00:00+00:00"})
    seen.record(
        Kind.MONTHS, "late", seen.now(), {**found, "wrong": [], "until": hour["at"].isoformat(), "table": "app.late"}
    )
    late, calm = answered(ledger).kept
    assert late.ahead is not None and calm.ahead is not None
    assert (late.name, late.ahead.days, late.ahead.severity, late.ahead.is_short) == ("late", 1.5, "P1", True)
    assert (calm.ahead.severity, calm.ahead.is_short) == (None, False)
    assert answered(ledger).headline == "1 of 2 needs somebody: app.late"


def test_records_are_seen_month_by_month_by_the_notes_in_the_vault(
    documents: Documents, vault: ScratchVault, tmp_path: Path, ledger: Connection
) -> None:
    first, second = ITEM_MONTHS
    with laid_trail(documents, Vault(vault.client(), vault.bucket), tmp_path) as trail:
        trail.fill(3, first)
        trail.fill(3, second)
        assert states(look_at_items(trail.archive))[first] == "due"
        trail.archive.advance(first, print)
        assert states(look_at_items(trail.archive))[first] == "cooling"
        trail.archive.delete(first, print)
        found = look_at_items(trail.archive)
    there = states(found)
    assert (there[first], there[second], set(list(there.values())[2:])) == ("gone", "due", {"live"})
    assert found["leaves"]["what"] == list(there)[2]
    seen = SeenThings(ledger)
    seen.record(Kind.ITEM_MONTHS, "trail", seen.now(), found)
    [items] = answered(ledger).kept
    assert (items.kind, items.ahead, items.rank) == ("items", None, 3)
    assert answered(ledger, may_read=lambda dag: dag != "archive_items").kept == ()
    assert "1 month is in the vault alone" in answered(ledger).headline


def test_what_was_seen_of_a_store_is_answered_while_it_is_down(stage: Stage, ledger: Connection) -> None:
    seen = SeenThings(ledger)
    seen.record(Kind.MONTHS, "event", seen.now(), look_at(stage.connection(), stage.dataset))
    stage.own("DROP TABLE app.event")
    assert answered(ledger).kept[0].table == "app.event"
    with pytest.raises(psycopg.Error):
        stage.ask("SELECT FROM app.event")
