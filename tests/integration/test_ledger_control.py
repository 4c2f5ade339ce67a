"""Control: what is kept of each run, and what psql shows of it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import psycopg
import pytest
from sluice.ledger.control import Control, NoFacts
from sluice.local.migrations import standing_table, where_it_led
from sluice.stores.postgres import LockBusy, Refused, StoreDown, connect


@pytest.fixture
def ledger(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as connection:
        yield connection


@pytest.fixture
def control(ledger):
    return Control(ledger, "orders", "run 1").prepare()


def count(ledger) -> int:
    return ledger.execute("SELECT count(*) AS n FROM control.transition").fetchone()["n"]


def test_a_migration_that_nobody_has_touched_is_planned_in_its_first_epoch(control, ledger):
    control.reconcile("planned", 1)
    assert count(ledger) == 0
    control.reconcile("planned", 2)
    assert count(ledger) == 1


def test_reconcile_writes_nothing_where_control_knows_already(control, ledger):
    control.record_transition("expand", "planned", "expanded", 1)
    control.reconcile("expanded", 1)
    assert count(ledger) == 1
    control.reconcile("expanded", 2)
    assert count(ledger) == 2


def test_a_step_whose_first_try_died_before_it_was_noted_is_noted_by_the_next_one(control, ledger):
    control.reconcile("expanded", 1, "expand")
    control.reconcile("expanded", 1, "expand")
    told = ledger.execute("SELECT step, from_phase, to_phase FROM control.transition").fetchall()
    assert told == [{"step": "expand", "from_phase": "planned", "to_phase": "expanded"}]


def test_an_approval_is_of_one_run_epoch_and_action_and_the_last_answer_counts(control, ledger):
    assert control.approval("retire", 1) is None
    control.record_approval("retire", 1, answer="Approve", by_whom="ann")
    assert control.approval("retire", 1) == {"answer": "Approve", "by_whom": "ann"}
    assert control.approval("retire", 2) is control.approval("cut_over", 1) is None
    assert Control(ledger, "orders", "run 2").approval("retire", 1) is None
    assert Control(ledger, "other", "run 1").approval("retire", 1) is None
    control.record_approval("retire", 1, answer="Reject", by_whom="bob")
    assert control.approval("retire", 1)["answer"] == "Reject"


def test_facts_are_of_this_run_unless_any_run_will_do(control, ledger):
    control.record_facts("verified", {"rows_missing": 1}, 1)
    control.record_facts("verified", {"rows_missing": 0}, 1)
    assert control.facts("verified").facts == {"rows_missing": 0}
    later = Control(ledger, "orders", "run 2")
    with pytest.raises(NoFacts, match="orders has no facts for gate verified in this run"):
        later.facts("verified")
    measured = later.facts("verified", any_run=True)
    assert (measured.facts, measured.epoch) == ({"rows_missing": 0}, 1)
    assert measured.at <= measured.now
    with pytest.raises(NoFacts):
        Control(ledger, "another", "run 1").facts("verified", any_run=True)


def test_a_run_led_where_the_ledger_says_and_compared_what_it_compared_last(control, database):
    settings = SimpleNamespace(dsn=lambda name, role: database.dsn(role))
    assert where_it_led(settings, "orders", "run 1") == ("planned", {})
    control.record_transition("verify", "backfilled", "verified", 1)
    control.record_facts("verified", {"rows_compared": 5, "rows_missing": 0}, 1)
    control.record_facts("retired", {"said": "nothing compared"}, 1)
    assert where_it_led(settings, "orders", "run 1") == ("verified", {"rows_compared": 5, "rows_missing": 0})
    assert where_it_led(settings, "orders", "run 2") == ("verified", {})


def test_status_shows_the_last_step_and_the_last_verdict_of_each_migration(control, ledger):
    control.record_transition("expand", "planned", "expanded", 1)
    control.record_evidence("expanded", 1, passed=True, compared=3, key="one.json", sha256="a")
    control.record_transition("capture", "expanded", "capturing", 1)
    control.record_evidence("capturing", 1, passed=False, compared=3, key="two.json", sha256="b")
    Control(ledger, "audit", "run 9").record_transition("expand", "planned", "expanded", 4)
    audit, orders = ledger.execute("SELECT * FROM sluice.status ORDER BY migration").fetchall()
    assert list(orders) == ["migration", "phase", "epoch", "last_step", "since", "run", "last_gate", "evidence"]
    assert (orders["phase"], orders["epoch"], orders["last_step"]) == ("capturing", 1, "capture")
    assert (orders["run"], orders["last_gate"], orders["evidence"]) == ("run 1", "capturing RED", "two.json")
    assert (audit["phase"], audit["epoch"], audit["last_gate"]) == ("expanded", 4, None)


def test_what_the_database_says_comes_out_as_an_error_of_ours(control, ledger, database):
    with psycopg.connect(database.dsn("sluice_ledger")) as somebody:
        somebody.execute("LOCK TABLE control.fact IN ACCESS EXCLUSIVE MODE")
        ledger.execute("SET lock_timeout = '50ms'")
        with pytest.raises(LockBusy, match=r"record facts of orders in the ledger: .* tried again by itself"):
            control.record_facts("verified", {}, 1)
    ledger.execute("REVOKE ALL ON control.approval FROM CURRENT_USER")
    with pytest.raises(Refused, match=r"record approval of orders in the ledger: permission denied .*Grant it"):
        control.record_approval("cut_over", 1, answer="Approve", by_whom="somebody")
    with connect(database.dsn("admin"), purpose="test") as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [ledger.info.backend_pid])
    with pytest.raises(StoreDown, match=r"find phase of orders in the ledger: .* tried again by itself"):
        control.reconcile("planned", 1)


def test_a_ledger_that_is_being_made_elsewhere_is_waited_for_only_so_long(ledger, database):
    with psycopg.connect(database.dsn("sluice_ledger")) as somebody:
        somebody.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice:releases', 0))")
        ledger.execute("SET lock_timeout = '50ms'")
        with pytest.raises(LockBusy, match="making the ledger's schemas for orders"):
            Control(ledger, "orders", "run 1").prepare()


def test_status_in_the_terminal_lists_every_migration_with_what_waits_in_quarantine(control, ledger, database):
    settings = SimpleNamespace(dsn=lambda name, role: database.dsn(role))
    assert standing_table(settings) == ""
    control.record_transition("backfill", "capturing", "backfilled", 1)
    control.record_facts("backfilled", {"quarantined": 7}, 1)
    control.record_evidence("backfilled", 1, passed=False, compared=3, key="one.json", sha256="a")
    Control(ledger, "audit", "run 9").record_transition("expand", "planned", "expanded", 4)
    audit, orders = standing_table(settings).splitlines()[-2:]
    assert re.match(r"audit +expanded +4 +20\d\d-\d\d-\d\d \d\d:\d\d +0 *$", audit)
    assert re.match(r"orders +backfilled +1 .* 7 +backfilled RED *$", orders)
