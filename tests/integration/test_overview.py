"""The overview over a real ledger: what looks leave there, and the page Quality as who may read what sees it."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sluice.console.pages import live_page
from sluice.errors import Terminal, Transient
from sluice.estate import EstateErrors
from sluice.flow.overview import answering, refreshing
from sluice.flow.overview.refreshing import Refreshed, RefreshOverview, refresh
from sluice.flow.overview.sights import Sight
from sluice.ledger.control import Control
from sluice.ledger.samples import Samples
from sluice.ledger.seen import OTHER_FORM, Kind, SeenThings
from sluice.overview.as_json import as_json
from sluice.overview.asked import Asked, Waiting
from sluice.overview.looked import REFRESHES
from sluice.overview.quality import DAYS, SHOWN, quality
from sluice.stores.postgres import connect

from tests.as_airflow import ran

SAY = logging.getLogger("test").warning


@pytest.fixture
def ledger(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as connection:
        yield connection


@pytest.fixture
def seen(ledger) -> SeenThings:
    return SeenThings(ledger).prepare()


@pytest.fixture
def asked(ledger, seen):
    Control(ledger, "", "").prepare()
    return lambda may_read=lambda dag: True: Asked(ledger, None, seen.now(), (), may_read)  # type: ignore[arg-type]


def sight(**found: Mapping[str, Any] | Exception) -> Sight:
    def look(subject: str) -> Mapping[str, Any]:
        if isinstance(one := found[subject], Exception):
            raise one
        return one

    return Sight(Kind.DRILLS, lambda: list(found), look)


def judged(ledger, whose: str, gate: str, passed: bool, days_ago: float = 0.0, dag: str = "watch") -> None:
    name = f"evidence/{dag}/run {days_ago}/gate_{gate}.json"
    Control(ledger, whose, "run").record_evidence(gate, 1, passed=passed, compared=1200, key=name, sha256="ab")
    ledger.execute(
        "UPDATE control.evidence SET at = now() - %(ago)s WHERE id = (SELECT max(id) FROM control.evidence)",
        {"ago": timedelta(days=days_ago)},
    )


def test_a_look_that_fails_leaves_what_was_seen_before_and_says_why(seen) -> None:
    assert refresh(seen, sight(a={"rows": 1}, b={"rows": 2}), SAY) == Refreshed(2)
    assert refresh(seen, sight(a=Transient("a does not answer"), b={"rows": 3}), SAY) == Refreshed(2, 1)
    found = seen.all_of(Kind.DRILLS)
    assert (found["a"].found, found["a"].failed) == ({"rows": 1}, "a does not answer")
    assert found["a"].at < found["a"].tried_at
    assert (found["b"].found, found["b"].failed) == ({"rows": 3}, "")


def test_what_nobody_has_seen_yet_says_so(seen) -> None:
    refresh(seen, sight(a=Terminal("no such table")), SAY)
    assert (seen.all_of(Kind.DRILLS)["a"].at, dict(seen.all_of(Kind.DRILLS)["a"].found)) == (None, {})


def test_what_another_version_has_left_counts_as_not_seen_until_the_next_look(ledger, seen) -> None:
    refresh(seen, sight(a={"rows": 1}, b={"rows": 2}), SAY)
    ledger.execute("UPDATE overview.seen SET form = form - 1 WHERE subject = 'a'")
    found = seen.all_of(Kind.DRILLS)
    assert (found["a"].at, dict(found["a"].found), found["a"].failed) == (None, {}, OTHER_FORM)
    assert found["b"].found == {"rows": 2}
    refresh(seen, sight(a={"rows": 3}, b=Transient("b does not answer")), SAY)
    assert (seen.all_of(Kind.DRILLS)["a"].found, seen.one_of(Kind.DRILLS, "b").found) == ({"rows": 3}, {"rows": 2})


def test_what_is_there_no_more_is_forgotten_and_other_kinds_stay(seen) -> None:
    seen.record(Kind.SAFETY, "b", seen.now(), {})
    refresh(seen, sight(a={}, b={}), SAY)
    refresh(seen, sight(a={}), SAY)
    assert (set(seen.all_of(Kind.DRILLS)), set(seen.all_of(Kind.SAFETY))) == ({"a"}, {"b"})


def test_a_look_that_comes_late_changes_nothing(seen) -> None:
    now = seen.now()
    seen.record(Kind.DRILLS, "a", now, {"rows": 2})
    seen.record(Kind.DRILLS, "a", now - timedelta(minutes=1), {"rows": 1})
    seen.record_failure(Kind.DRILLS, "a", now - timedelta(minutes=1), "an old one")
    assert (seen.all_of(Kind.DRILLS)["a"].found, seen.all_of(Kind.DRILLS)["a"].failed) == ({"rows": 2}, "")


def test_a_mistake_of_ours_in_a_look_is_told_and_keeps_no_other_from_being_made(seen) -> None:
    found = refresh(seen, sight(a=ZeroDivisionError("by nothing"), b={"rows": 1}), SAY)
    assert [type(one) for one in found.mistakes] == [ZeroDivisionError]
    assert seen.all_of(Kind.DRILLS)["a"].failed == "ZeroDivisionError: by nothing"
    assert seen.all_of(Kind.DRILLS)["b"].found == {"rows": 1}


def test_a_run_makes_what_pages_read_looks_at_all_and_fails_at_its_end_for_a_mistake_of_ours(
    database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Counter[str]()

    def counted(subject: str) -> dict[str, Any]:
        looks[subject] += 1
        return {"rows": 1}

    often = Sight(Kind.MIGRATION, lambda: ["often"], counted, often=True)
    seldom = Sight(Kind.SAFETY, lambda: ["seldom"], counted)
    monkeypatch.setattr(refreshing, "SIGHTS", (sight(a=KeyError("form"), b={"rows": 1}), seldom, often))
    monkeypatch.setattr(refreshing, "dsn_of", lambda connection: database.dsn("sluice_ledger"))
    monkeypatch.setattr(refreshing, "unhurried", nullcontext)
    task = RefreshOverview(task_id="refresh_overview", every=0.2)
    with pytest.raises(KeyError, match="form"):
        ran(task, looks=3)
    assert looks["seldom"] == 1 and 2 <= looks["often"] <= 3, (
        "it rests between, and looks once a run at what changes slowly"
    )
    monkeypatch.setattr(answering, "dsn_of", lambda connection: database.dsn("sluice_ledger"))
    with answering.opened((), bool) as asked:
        assert SeenThings(asked.ledger).all_of(Kind.DRILLS)["b"].found == {"rows": 1}
        assert SeenThings(asked.ledger).all_of(Kind.MIGRATION)["often"].at
        assert SeenThings(asked.ledger).one_of(Kind.LOOKED, REFRESHES)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            asked.ledger.execute("DELETE FROM overview.seen")


def test_a_page_makes_no_table_and_waits_for_who_does(database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "dsn_of", lambda connection: database.dsn("sluice_ledger"))
    with pytest.raises(answering.NotYet, match="refresh_overview"), answering.opened((), bool):
        pass
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        assert not c.execute("SELECT FROM pg_namespace WHERE nspname IN ('overview', 'control', 'insight')").fetchall()


def test_a_slip_in_the_estates_file_leaves_the_pages_as_they_were_and_is_told_on_them(
    asked, database, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        Samples(c).prepare()
    (tmp_path / "include/estate").mkdir(parents=True)
    file, text = tmp_path / "include/estate/estate.yaml", (answering.ROOT / "include/estate/estate.yaml").read_text()
    monkeypatch.setattr(answering, "dsn_of", lambda connection: database.dsn("sluice_ledger"))
    monkeypatch.setattr(answering, "ROOT", tmp_path)
    monkeypatch.setattr(answering, "_good", [])
    file.write_text(text.replace("stores:", "storse:"))
    with pytest.raises(EstateErrors, match="storse"), answering.opened((), bool):
        pass
    file.write_text(text)
    with answering.opened((), bool) as found:
        before = found
    file.write_text(text.replace("stores:", "storse:"))
    with answering.opened((), bool) as found:
        assert (found.estate, "storse" in found.wrong) == (before.estate, True)
        assert "storse" in live_page("quality", quality(found), wrong=found.wrong)
    file.write_text(text)
    with answering.opened((), bool) as found:
        assert found.wrong == ""
        assert "banner bad" not in live_page("quality", quality(found), wrong=found.wrong)


def test_questions_of_a_dag_that_one_may_not_read_are_left_out(
    asked, database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        Samples(c).prepare()
    monkeypatch.setattr(answering, "dsn_of", lambda connection: database.dsn("sluice_ledger"))
    waiting = [Waiting(dag, "r", "approve", -1, "Now?", None) for dag in ("migrate__a", "migrate__b")]
    with answering.opened(waiting, {"migrate__b"}.__contains__) as found:
        assert [one.dag_id for one in found.waiting] == ["migrate__b"]


def test_quality_shows_each_gate_by_day_and_those_that_are_red_first(ledger, asked) -> None:
    judged(ledger, "orders", "verified", True, 3)
    judged(ledger, "orders", "verified", False, 2)
    judged(ledger, "orders", "verified", True, 0)
    judged(ledger, "users", "cutover", False, 1)
    judged(ledger, "users", "cutover", True, DAYS + 3)
    found = quality(asked())
    assert [(one.whose, one.gate, one.passed) for one in found.gates] == [
        ("users", "cutover", False),
        ("orders", "verified", True),
    ]
    assert (found.red, len(found.days), found.days[-1]) == (1, DAYS, found.at.date())
    orders = found.gates[1]
    shown = {(found.at.date() - day.day).days: day.is_red for day in orders.days if day}
    assert shown == {3: False, 2: True, 0: False}


def test_of_more_gates_than_a_browser_has_time_for_those_with_something_red_are_shown_by_day(ledger, asked) -> None:
    for number in range(SHOWN + 2):
        judged(ledger, f"table_{number:02}", "verified", True, 0)
    judged(ledger, f"table_{SHOWN + 1:02}", "verified", False, 2)
    found = quality(asked())
    assert [found.foremost()[0].whose, len(found.foremost())] == [f"table_{SHOWN + 1:02}", SHOWN]
    assert [one.whose for one in found.others()] == [f"table_{SHOWN - 1:02}", f"table_{SHOWN:02}"]
    page = live_page("quality", found)
    assert "2 more, by their last verdict" in page
    assert all(one.evidence in page for one in found.gates)


def test_of_a_day_with_a_red_verdict_the_mark_leads_to_that_one_and_the_last_to_the_last(ledger, asked) -> None:
    noon = datetime.now(UTC).replace(hour=12)
    for passed, key in (
        (True, "evidence/watch/1/g.json"),
        (False, "evidence/watch/2/g.json"),
        (True, "evidence/watch/3/g.json"),
    ):
        Control(ledger, "orders", "r").record_evidence("g", 1, passed=passed, compared=1, key=key, sha256="ab")
    ledger.execute("UPDATE control.evidence SET at = %(at)s", {"at": noon - timedelta(days=1)})
    (one,) = quality(asked()).gates
    assert (one.evidence, one.last.last) == (
        "/sluice/evidence/watch/3/g.json?sha256=ab",
        "/sluice/evidence/watch/2/g.json?sha256=ab",
    )
    assert (one.last.green, one.last.red, one.passed) == (2, 1, True)


def test_what_lies_behind_a_dag_that_one_may_not_read_is_left_out(ledger, asked) -> None:
    judged(ledger, "orders", "verified", True, dag="migrate__orders")
    judged(ledger, "users", "verified", True, dag="migrate__users")
    assert [one.whose for one in quality(asked({"migrate__users"}.__contains__)).gates] == ["users"]


def test_the_page_escapes_what_it_shows_and_links_to_the_evidence(ledger, asked) -> None:
    judged(ledger, "<b>orders</b>", "verified", False)
    page = live_page("quality", quality(asked()))
    assert "<b>orders" not in page
    assert "1 of 1 gates are red" in page
    assert re.search(r'href="/sluice/evidence/watch/run%200.0/gate_verified.json\?sha256=ab"', page)
    assert "No gate has judged" in live_page("quality", quality(asked(lambda dag: False)))


def test_the_answer_is_the_same_as_json(ledger, asked) -> None:
    judged(ledger, "orders", "verified", True)
    told = as_json(quality(asked()))
    assert (told["red"], told["gates"][0]["compared"]) == (0, 1200)
    json.dumps(told)
