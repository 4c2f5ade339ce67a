"""Control: what is kept of each run, and what psql shows of it."""

from __future__ import annotations

import pytest
from sluice.ledger.control import Control, NoFacts
from sluice.stores.postgres import connect


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
