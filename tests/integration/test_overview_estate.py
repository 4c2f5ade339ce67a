"""The page of the estate over a real ledger, filled by what fills it; and the looks, at a real vault."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console
from sluice.estate.models import AirflowDatabase
from sluice.ledger.seen import Kind, SeenThings
from sluice.local.standing import estate as at_terminal
from sluice.overview.as_json import as_json
from sluice.overview.asked import Waiting
from sluice.overview.estate.page import estate
from sluice.stores.postgres import Connection

from tests import stood

MORE = {
    "plain": {"engine": "postgres", "connection": "pg", "rto": timedelta(minutes=5), "rpo": timedelta(seconds=30)},
    "docs": {"engine": "dynamodb", "connection": "dyn", "rto": timedelta(minutes=5), "rpo": timedelta(seconds=30)},
}
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def own(server) -> Iterator[str]:
    """A ledger for all tests here, one after the other."""
    with stood.opened_ledger(server, "overview_estate") as dsn:
        yield dsn


@pytest.fixture
def ledger(own) -> Iterator[Connection]:
    """The ledger, with nothing in it yet."""
    with stood.emptied(own) as opened:
        yield opened


@pytest.fixture
def seen(ledger) -> SeenThings:
    return SeenThings(ledger)


@pytest.fixture
def now(seen) -> datetime:
    return seen.now()


@pytest.fixture(scope="module")
def render():
    """What draws a page: its template, with Airflow's address below it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from sluice.console.pages import live_page
    return live_page


def cards(found) -> dict:
    return {one.name: one for one in found.cards}


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def look(ledger, now, **stores: dict) -> None:
    """Have everybody look, so that what is wrong is the stores' own."""
    seen = SeenThings(ledger)
    for watcher in ("refresh_overview", "watch_health"):
        seen.record(Kind.LOOKED, watcher, now, {})
    stood.leave_numbers(ledger, now, [("shop", "up_count", "", 1.0), ("docs", "table_up_count", "users", 1.0)])


def test_an_estate_that_nobody_looks_at_says_so_and_how_to_change_that(ledger, now, render) -> None:
    found = estate(stood.asked(ledger, stood.an_estate(more=MORE), now))
    assert [one.dag_id for one in found.silent] == ["refresh_overview", "collect_samples", "watch_health"]
    assert found.headline == "3 stores: 1 of which nobody knows what would be lost, 2 not backed up"
    page = render("estate", found)
    assert 'href="/dags/refresh_overview"' in page
    assert "has left no sign of late" in text(page)
    assert "Add backup: to it in include/estate/estate.yaml" in text(page)
    assert cards(found)["shop"].safety_failed == "Nobody has looked yet: refresh_overview does."


def test_a_store_says_in_one_line_what_would_be_lost_and_leads_to_its_proof_and_its_backup(
    ledger, seen, now, render
) -> None:
    facts = stood.some_facts("shop", now)
    stood.leave_safety(seen, facts, now)
    stood.leave_run(ledger, "backup/shop", "backup_fresh", {"backup": "full"}, "evidence/backup__shop/r/gate.json")
    look(ledger, now)
    found = estate(stood.asked(ledger, stood.an_estate(), now))
    card = cards(found)["shop"]
    assert (card.state, found.silent, found.headline) == ("good", (), "1 store, nothing wrong")
    assert (card.safety.lose, card.safety.back) == ("≤ 13 s", "~ 51 s"), (
        "as the drill took, with four times as much log to replay"
    )
    assert card.safety.proof == card.safety.basis == f"/sluice/drills/shop/{facts.certificates[0].name}.json"
    assert card.backup_run == f"/dags/backup__shop/runs/{stood.RUN.replace('+', '%2B')}"
    page = render("estate", found)
    assert f'href="{card.safety.proof}"' in page
    assert f'href="{card.backup_run}"' in page
    assert "lose ≤ 13 s promised 30 s back in ~ 51 s promised 5 min" in text(page)


def test_what_is_wrong_comes_first_and_the_sum_says_how_much(ledger, seen, now, render) -> None:
    names = ("calm", "late", "shop")
    for name in names:
        stood.leave_safety(seen, stood.some_facts(name, now), now)
    stale = stood.some_facts("late", now - timedelta(hours=2))
    stood.leave_safety(seen, stale, now)
    look(ledger, now)
    stood.leave_numbers(ledger, now, [
        ("calm", "up_count", "", 1.0), ("late", "up_count", "", 1.0), ("shop", "up_count", "", 0.0),
        ("calm", "partition_headroom_days", "app.events", 20.0),
    ])  # fmt: skip
    found = estate(stood.asked(ledger, stood.an_estate(names), now))
    assert [(one.name, one.state) for one in found.cards] == [("shop", "bad"), ("late", "bad"), ("calm", "warn")]
    assert found.headline == "3 stores: 1 down, 1 would lose more than was promised"
    assert cards(found)["late"].safety.found.warnings == ("up to 2 h of writes would be lost; the RPO is 30 s",)
    page = text(render("estate", found))
    assert "✘ ≤ 2 h" in page
    assert "shop postgres · ✘ down" in page
    assert "⚠ for 20 days (app.events)" in page


def test_an_incident_stands_at_its_store_with_what_to_do_and_who_was_told(ledger, seen, now, render) -> None:
    look(ledger, now)
    stood.leave_incidents(ledger, stood.an_incident(1, "shop", now - timedelta(minutes=5)))
    wide = stood.an_incident(2, "", now, severity="P1", cause="storm")
    hostile = replace(wide, members=(replace(wide.members[0], text=HOSTILE, runbook="https://runbooks.example/x"),))
    stood.leave_incidents(ledger, hostile, told="pager", failure="503 Service Unavailable")
    quiet = stood.an_incident(3, "shop", now, quiet=now, cause="disk")
    gone = stood.an_incident(4, "shop", now, cause="slow", cleared=now, quiet=now, told_cleared=True)
    stood.leave_incidents(ledger, quiet, gone)
    found = estate(stood.asked(ledger, stood.an_estate(), now))
    first, second = cards(found)["shop"].incidents
    assert (first.id, first.severity, first.told, first.whom) == (1, "P2", ("slack_ops",), "slack_ops")
    assert (second.id, second.state) == (3, "good"), "what is quiet is last, and what is cleared is gone"
    [own] = found.incidents
    assert (own.id, own.whom) == (2, "nobody yet; not taken by pager (503 Service Unavailable)")
    page = render("estate", found)
    assert HOSTILE not in page
    assert "Wrong of the estate itself" in page
    assert 'href="https://runbooks.example/x"' in page
    assert replace(own, runbook="javascript:alert(1)").link is None
    assert "Do first: End that session." in text(page)
    assert "2 urgent incidents" in found.headline


def test_what_lies_behind_a_dag_that_one_may_not_read_is_left_out(ledger, seen, now, render) -> None:
    stood.leave_safety(seen, stood.some_facts("shop", now), now)
    stood.leave_incidents(ledger, stood.an_incident(1, "shop", now))
    look(ledger, now)
    never = {"told": "", "severity": None, "value": 1.0, "earliest": None, "likely": None, "latest": None}
    size = {
        "unit": "bytes",
        "subject": "",
        "reason": "",
        "arrivals": [never],
        "limits": [{"told": "is full", "value": 1.0}],
    }
    shop = {"name": "shop", "measures": [size]}
    seen.record(Kind.CAPACITY, "last", now, {"until": "2026-03-01", "page": "docs/x.html", "stores": [shop]})
    nothing = estate(stood.asked(ledger, stood.an_estate(), now, may_read=lambda dag_id: False))
    assert nothing.headline == "1 store, nothing wrong as far as you may see"
    assert "Not shown to you is what lies behind watch_health, " in text(render("estate", nothing))
    [card] = nothing.cards
    assert (card.safety, card.safety_failed, card.incidents, card.full, card.backup_run) == (None, "", (), None, None)
    assert (card.numbers.answers, nothing.watchers, card.state) == (None, (), "none")
    assert not card.is_unprotected
    render("estate", nothing)
    some = estate(stood.asked(ledger, stood.an_estate(), now, may_read=lambda dag_id: dag_id == "collect_samples"))
    assert some.cards[0].numbers.answers
    assert some.cards[0].safety is None
    everything = estate(stood.asked(ledger, stood.an_estate(), now))
    assert everything.cards[0].full.words == "not within a year"


def test_whatever_makes_a_card_red_or_orange_is_in_the_first_line(ledger, seen, now) -> None:
    look(ledger, now)
    red = stood.a_drill("shop", now - timedelta(hours=1), compared=stood.broken())
    passed = stood.a_drill("shop", now - timedelta(hours=7))
    stood.leave_safety(seen, stood.some_facts("shop", now, (passed, red)), now)
    found = estate(stood.asked(ledger, stood.an_estate(), now))
    assert found.cards[0].state in ("bad", "warn")
    assert found.headline == "1 store: 1 to be looked at"


def test_airflow_itself_has_a_card_with_the_backup_of_its_own_database(ledger, seen, now, render) -> None:
    look(ledger, now)
    stood.leave_numbers(ledger, now, [("airflow", "metadata_up_count", "", 1.0)])
    bare = cards(estate(stood.asked(ledger, stood.an_estate(), now)))["airflow"]
    assert (bare.state, bare.is_unprotected) == ("warn", True)
    kept = stood.an_estate().model_copy(update={"airflow": AirflowDatabase(connection="pg_airflow")})
    fresh = cards(estate(stood.asked(ledger, kept, now)))["airflow"]
    assert "none yet" in text(render("estate", estate(stood.asked(ledger, kept, now))))
    assert fresh.own is None
    stood.leave_run(
        ledger, "airflow/database", "airflow_backup", {}, "evidence/maintain_airflow/r/t.json", passed=False
    )
    found = estate(stood.asked(ledger, kept, now))
    assert cards(found)["airflow"].state == "bad"
    assert 'href="/sluice/evidence/maintain_airflow/r/t.json?sha256=ab12"' in render("estate", found)
    assert found.stores == 1


def test_questions_that_wait_stand_above_the_stores(ledger, now, render) -> None:
    waits = Waiting("migrate__t", "manual__1", "approve_cutover", -1, f"Switch over {HOSTILE}?", now)
    page = render("estate", estate(stood.asked(ledger, stood.an_estate(), now, [waits])))
    assert page.index("1 question waits for a person") < page.index('id="store-shop"')
    assert 'href="/dags/migrate__t/runs/manual__1/tasks/approve_cutover/required_actions"' in page
    assert HOSTILE not in page


def test_a_terminal_and_a_program_are_told_the_same(ledger, seen, now) -> None:
    stood.leave_safety(seen, stood.some_facts("shop", now), now)
    stood.leave_incidents(ledger, stood.an_incident(1, "shop", now))
    found = estate(stood.asked(ledger, stood.an_estate(more=MORE), now))
    printed = Console(width=400, record=True, file=None, quiet=False)
    with printed.capture() as said:
        for table in at_terminal.tables(found):
            printed.print(table)
    for words in ("≤ 13 s (30 s)", "~ 51 s (5 min)", "3 sessions wait for a lock", "Nobody looks", "add `backup:`"):
        assert words in said.get()
    told = json.loads(json.dumps(as_json(found)))
    assert told["headline"] == found.headline
    assert told["cards"][0]["safety"]["lose"] == "≤ 13 s"


def test_an_estate_of_fifty_stores_and_thousands_of_tables_is_answered_by_a_few_questions(ledger, seen, now) -> None:
    names = [f"store_{number}" for number in range(50)]
    for name in names:
        stood.leave_safety(seen, stood.some_facts(name, now), now)
    asked: list[object] = []

    def execute(query, values):
        asked.append(query)
        return ledger.execute(query, values)

    found = estate(stood.asked(SimpleNamespace(execute=execute), stood.an_estate(names), now))
    assert len(found.cards) == 50
    assert len(asked) <= 12, "as many as for one store"
