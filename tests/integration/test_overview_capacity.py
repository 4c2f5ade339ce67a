"""The page of capacity: a real report out of a real vault, looked at, kept in a real ledger, answered and drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sluice.console.pages import live_page
from sluice.estate import read_stores
from sluice.flow.overview.capacity import look_at_report
from sluice.insight.capacity.keeping import keep_report
from sluice.insight.capacity.report import Report
from sluice.insight.capacity.telling import headline
from sluice.ledger.control import Control
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.samples import Samples, Series, Span
from sluice.ledger.seen import Kind, SeenThings
from sluice.local.standing.capacity import tables
from sluice.overview.as_json import as_json
from sluice.overview.asked import Asked
from sluice.overview.capacity.page import Capacity, capacity
from sluice.overview.capacity.shortened import LAST
from sluice.overview.estate.page import estate
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection, connect

from tests.conftest import Database, ScratchVault
from tests.reported import HOSTILE, report, store
from tests.samples import ROOT

PLACE = "capacity_report/run__1/make_report"


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        Control(c, "", "").prepare()
        Samples(c).prepare()
        SeenThings(c).prepare()
        yield c


@pytest.fixture
def bucket(vault: ScratchVault) -> Vault:
    return Vault(vault.client(), vault.bucket)


def today(c: Connection) -> date:
    return SeenThings(c).now().date()


def recent(c: Connection, *stores: object) -> Report:
    """A report that knows all until today."""
    return replace(report(*stores), until=today(c), since=today(c) - timedelta(days=7))  # type: ignore[arg-type]


def looked(c: Connection, bucket: Vault, made: Report) -> None:
    """Keep a report, and look at it."""
    keep_report(bucket, Forecasts(c), made, PLACE)
    seen = SeenThings(c)
    seen.record(Kind.CAPACITY, LAST, seen.now(), look_at_report(seen, lambda: bucket))


def answered(c: Connection, may_read: Callable[[str], bool] = lambda _: True) -> Capacity:
    """The page, and what is drawn and printed of it: neither may fail, whatever is in it."""
    found = capacity(Asked(c, read_stores(ROOT), SeenThings(c).now(), (), may_read))
    json.dumps(as_json(found))
    assert list(tables(found))
    return found


def nobody() -> Vault:
    raise AssertionError("the vault was asked for what is known already")


def test_the_estates_card_of_a_store_says_when_it_is_full_by_the_same_report(ledger: Connection, bucket: Vault) -> None:
    made = recent(ledger, store("certify"))
    looked(ledger, bucket, made)
    (card,) = [
        one for one in estate(Asked(ledger, read_stores(ROOT), SeenThings(ledger).now(), (), bool)).cards if one.full
    ]
    assert card.name == "certify"
    assert card.full is not None
    (at, *_) = [at for _, at in made.arrivals if at.limit.name == "full"]
    assert (card.full.earliest, card.full.likely, card.full.told) == (at.earliest, at.likely, at.limit.told)


def test_the_last_report_is_shown_in_its_own_words_and_leads_to_its_page_and_its_run(
    ledger: Connection, bucket: Vault
) -> None:
    made = recent(ledger)
    looked(ledger, bucket, made)
    found = answered(ledger)
    assert found.headline == headline(made).removesuffix(".")
    assert [one.name for one in found.stores] == [one.name for one in made.stores]
    assert found.report is not None
    assert (found.report.until, found.report.is_late) == (made.until, False)
    html = live_page("capacity", found)
    page = re.search(r'href="/sluice/(docs/capacity_report/run__1/make_report/[0-9a-f]{12}/report\.html)"', html)
    assert page is not None
    assert b"<html" in bucket.get(page[1])[:200]
    assert 'href="/dags/capacity_report/runs/run__1"' in html
    charts = re.findall(r'<script type="application/json">(.*?)</script>', html)
    assert len(charts) == sum(len(one.measures) for one in made.stores) > 0
    assert all(json.loads(one)["was"] for one in charts)


def test_a_report_is_read_once_and_a_newer_one_takes_its_place(ledger: Connection, bucket: Vault) -> None:
    seen = SeenThings(ledger)
    assert look_at_report(seen, nobody) == {}
    looked(ledger, bucket, replace(recent(ledger), until=today(ledger) - timedelta(days=7)))
    assert look_at_report(seen, nobody)["until"] == str(today(ledger) - timedelta(days=7))
    looked(ledger, bucket, recent(ledger))
    last = answered(ledger).report
    assert last is not None
    assert last.until == today(ledger)


def test_a_report_that_is_gone_from_the_vault_is_told_beside_what_was_seen_of_it(
    ledger: Connection, bucket: Vault
) -> None:
    looked(ledger, bucket, recent(ledger))
    gone = keep_report(bucket, Forecasts(ledger), replace(recent(ledger), estate="other"), PLACE).json
    bucket.client.delete_object(Bucket=bucket.bucket, Key=gone)
    with pytest.raises(NoSuchKey):
        look_at_report(SeenThings(ledger), lambda: bucket)
    SeenThings(ledger).record_failure(Kind.CAPACITY, LAST, SeenThings(ledger).now(), f"it is not there {HOSTILE}")
    found = answered(ledger)
    assert found.report is not None
    html = live_page("capacity", found)
    assert "it is not there &lt;script&gt;" in html
    assert "<script>alert" not in html


def test_one_that_should_have_had_a_next_one_by_now_says_so(ledger: Connection, bucket: Vault) -> None:
    looked(ledger, bucket, replace(recent(ledger), until=today(ledger) - timedelta(days=10)))
    assert "The next one is late" in live_page("capacity", answered(ledger))


def test_names_are_escaped_in_the_page_and_in_what_is_drawn(ledger: Connection, bucket: Vault) -> None:
    looked(ledger, bucket, recent(ledger, store(HOSTILE)))
    assert "<script>alert" not in live_page("capacity", answered(ledger))


def test_what_lies_behind_the_report_is_for_those_who_may_read_it(ledger: Connection, bucket: Vault) -> None:
    looked(ledger, bucket, recent(ledger))
    found = answered(ledger, lambda dag: dag != "capacity_report")
    assert (found.report, found.cost, found.stores) == (None, None, ())
    assert "report.html" not in live_page("capacity", found)


def test_without_a_report_there_is_what_was_measured_and_how_to_get_one(ledger: Connection) -> None:
    assert "none are here yet" in live_page("capacity", answered(ledger))
    noon = datetime.combine(today(ledger), time(), UTC)

    def days(series: Series, value: float, count: int = 30) -> list[tuple[Series, Span]]:
        listed = [noon - timedelta(days=n) for n in range(count)]
        return [(series, Span(at, value, value, value, value, 24)) for at in listed]

    Samples(ledger).record_spans("day", days(Series("shop", "disk_used_bytes"), 5e9))
    Samples(ledger).record_spans("day", days(Series("shop", "database_bytes"), 4e9))
    Samples(ledger).record_spans("day", days(Series("tyler", "items_bytes", "users"), 1e9))
    Samples(ledger).record_spans("day", days(Series("tyler", "items_bytes", "events"), 2e9))
    found = answered(ledger)
    assert found.headline == "No capacity report has been made yet"
    assert [(one.name, one.engine, one.measures[0].told) for one in found.stores] == [
        ("shop", "", "5 GB now, by 30 days that were measured."),
        ("tyler", "dynamodb", "3 GB now, by 30 days that were measured."),
    ]
    html = live_page("capacity", found)
    assert "/dags/capacity_report" in html
    assert 'data-chart="fan"' in html
    assert answered(ledger, lambda dag: dag != "collect_samples").stores == ()
