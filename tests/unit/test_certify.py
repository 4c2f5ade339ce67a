"""The sample application without a server: what it does, what it remembers, how it counts."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, date, datetime
from random import Random

import pytest
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.application import POOL, Application, Pool, effects_of, net
from sluice.local.certify.seed import plan_seed
from sluice.local.certify.shape import AUDIT, SESSIONS, Effect, Key, tenant
from sluice.local.certify.tally import Snapshot, Tally

KEY = Key(SESSIONS, "1")
OLD = {"id": "1", "note": "old"}
NEW = {"id": "1", "note": "new"}


def test_two_years_until_today_cover_all_of_the_year_before():
    plan = plan_seed(10, 2, 24, 1, date(2026, 11, 21))
    assert plan.since == datetime(2024, 12, 1, tzinfo=UTC)
    assert plan.until == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_window_that_ends_on_the_first_ends_with_the_month_before():
    assert plan_seed(10, 2, 1, 1, date(2026, 1, 1)).since == datetime(2025, 12, 1, tzinfo=UTC)


def test_net_joins_what_a_transaction_did_to_one_key():
    assert net([Effect(KEY, None, OLD), Effect(KEY, OLD, NEW)]) == [Effect(KEY, None, NEW)]
    assert net([Effect(KEY, OLD, NEW), Effect(KEY, NEW, None)]) == [Effect(KEY, OLD, None)]


@pytest.mark.parametrize(("told", "states"), [("committed", (NEW,)), ("rolled_back", (OLD,)), ("unknown", (OLD, NEW))])
def test_remembers_what_may_be_found(told, states):
    acknowledged = Acknowledged()
    getattr(acknowledged, told)([Effect(KEY, OLD, NEW)])
    assert dict(acknowledged.items()) == {KEY: states}


def test_a_file_gives_back_what_was_acknowledged(tmp_path):
    acknowledged = Acknowledged()
    acknowledged.unknown([Effect(KEY, None, {"id": "1", "note": "cafe\u0301 \n👩‍👩‍👧 "})])
    acknowledged.committed([Effect(Key(AUDIT, "a"), OLD, None)])
    acknowledged.dump(tmp_path / "deep" / "ledger.jsonl")
    assert dict(Acknowledged.load(tmp_path / "deep" / "ledger.jsonl").items()) == dict(acknowledged.items())


def test_users_do_everything_and_keep_to_one_tenant_a_transaction():
    application = Application(Random(1), [tenant(1), tenant(5)])
    seen: Counter[str] = Counter()
    rollbacks = 0
    for number in range(3000):
        transaction = application.next()
        rollbacks += transaction.roll_back
        effects = []
        for change in transaction.changes:
            seen[f"{change.kind} {change.table}"] += 1
            for image in filter(None, (change.before, change.after)):
                assert image["tenant_id"] == transaction.tenant
            after = change.after and {**change.after, "id": change.after["id"] or str(number)}
            effects += effects_of(change, after)
        if not transaction.roll_back:
            application.happened(net(effects))
    every = [f"{kind} {table}" for kind in ("inserts", "updates", "deletes", "moves") for table in (SESSIONS, AUDIT)]
    assert set(seen) == {*every, "key_changes audit_log"}
    assert 90 < rollbacks < 220


def test_a_key_change_takes_one_row_away_and_makes_another():
    application = Application(Random(1), [tenant(1)])
    row = {"id": "a", "tenant_id": tenant(1), "performed_at": "2025-01-01T00:00:00+00:00"}
    application.learn(AUDIT, row)
    (change,) = application.rekey_log().changes
    gone, made = effects_of(change, change.after)
    assert (gone.key, gone.after) == (Key(AUDIT, "a"), None)
    assert (made.before, made.after) == (None, change.after) and made.key.id != "a"


def test_a_full_pool_lets_rows_go_and_stays_whole():
    random, pool = Random(1), Pool()
    for number in range(POOL + 100):
        pool.put({"id": str(number)}, random)
    kept = [number for number in range(POOL + 100) if str(number) in pool]
    assert len(kept) == POOL
    for number in kept:
        pool.remove(str(number))
        pool.remove(str(number))
    assert pool.any(random) is None


def test_a_write_that_waits_right_through_a_phase_is_seen_in_it():
    tally = Tally()
    tally.asked(1)
    tally.mark("cutover")
    time.sleep(0.02)
    tally.mark("after")
    tally.answered(1, ["inserts"])
    phases = tally.snapshot().phases
    assert phases["running"].writes == 1 and phases["cutover"].writes == phases["after"].writes == 0
    assert all(phases[name].longest_gap_ms >= 20 for name in ("running", "cutover", "after"))


def test_a_write_that_still_waits_counts_with_its_wait():
    tally = Tally()
    tally.mark("cutover")
    tally.asked(1)
    time.sleep(0.02)
    snapshot = tally.snapshot()
    assert snapshot.waiting_ms >= 20
    assert snapshot.phases["cutover"].longest_gap_ms >= 20
    assert snapshot.phases["running"].longest_gap_ms == 0


def test_a_write_after_a_phase_is_not_blamed_on_it():
    tally = Tally()
    tally.mark("cutover")
    tally.mark("after")
    tally.asked(1)
    time.sleep(0.01)
    tally.answered(1, ["inserts"])
    assert tally.snapshot().phases["cutover"].longest_gap_ms == 0


def test_errors_that_users_see_are_told_from_those_that_pass():
    tally = Tally()
    tally.asked(1)
    tally.retried(1, TimeoutError())
    tally.failed(1, ValueError("no partition"), "insert_session")
    total = tally.snapshot().total
    assert (total.retries, total.errors, total.user_errors) == ({"TimeoutError": 1}, {"ValueError": 1}, 1)
    assert total.samples == ("insert_session: ValueError: no partition",)


def test_a_snapshot_survives_its_json_form():
    tally = Tally()
    tally.mark("cutover")
    snapshot = tally.snapshot()
    assert Snapshot.from_json(snapshot.as_json()) == snapshot
