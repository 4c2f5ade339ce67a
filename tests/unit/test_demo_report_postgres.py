"""The PostgreSQL demo's rules: a promise whose evidence is missing is one that was not kept."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from sluice.local.demo.postgres.report import PHASES, SHADOW, WAY, as_table, judged
from sluice.local.demo.report import comparisons, steps_taken

COUNTS = dict.fromkeys(("writes", "inserts", "updates", "deletes", "key_changes", "moves", "rollbacks"), 400)
READS = {**dict.fromkeys(SHADOW, 1.0), "reads": 40, "differences": 0}
COPY = {"rows_copied": 900, "rows_per_second": 90, "chunks": 9}
GOOD: dict[str, Any] = {
    "rows": 900,
    "backfill": {"user_sessions": COPY},
    "shadow": {"user_sessions": READS},
    "diffs": 0,
    "comparisons": 9,
    "steps": {"user_sessions": dict(WAY)},
    "acknowledged_writes": 4000,
    "acknowledged_writes_lost": 0,
    "keys_checked": 900,
    "user_errors": 0,
    "longest_pause_ms": 12,
    "swaps": [{"migration": "user_sessions", "pause_ms": 12, "failed_tries": 0}],
    "longest_client_gap_ms": dict.fromkeys(PHASES, 20.0),
    "quiet_client_gap_ms": 9.0,
    "phases": {name: dict(COUNTS) for name in PHASES},
    "gates_passed": 20,
    "gates_red": 0,
    "minutes": 4.0,
    "megabytes_installed": 900,
}
BROKEN = {
    "every table went the whole way: not user_sessions retired": {"steps": {"user_sessions": {**WAY, "retired": 0}}},
    "every table went the whole way: not user_sessions cut_over": {"steps": {"user_sessions": {**WAY, "cut_over": 1}}},
    "every table was copied": {"backfill": {}},
    "every table was copied (of nothing)": {"backfill": {"user_sessions": {**COPY, "rows_copied": 0}}},
    "no acknowledged write is lost": {"acknowledged_writes_lost": 1},
    "no acknowledged write is lost (of nothing)": {"keys_checked": 0},
    "no row differs": {"diffs": 1},
    "no row differs (in no comparison)": {"comparisons": 0},
    "the application's reads were compared": {"shadow": {}},
    "the application's reads were compared (none)": {"shadow": {"user_sessions": {**READS, "reads": 0}}},
    "no user saw an error": {"user_errors": 1},
    "no user saw an error (of none)": {"acknowledged_writes": 0},
    "no gate is red": {"gates_red": 1},
    "no gate is red (of none)": {"gates_passed": 0},
    "no pause reaches": {"longest_pause_ms": 150},
    "no pause reaches (of none)": {"swaps": [], "longest_pause_ms": 0},
    "phase after_cutover had": {"phases": {**GOOD["phases"], "after_cutover": {**COUNTS, "deletes": 0}}},
    "phase copy had": {"phases": {name: COUNTS for name in PHASES if name != "copy"}},
}


def test_a_report_of_kept_promises_is_good() -> None:
    assert judged(GOOD) == []
    assert "0 of 900 keys" in as_table(GOOD)


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named_and_no_other(promise: str) -> None:
    [broken] = judged({**deepcopy(GOOD), **BROKEN[promise]})
    assert broken.startswith(promise.partition(" (")[0])


def test_a_demo_that_moved_nothing_kept_no_promise_of_a_way() -> None:
    assert any("no migration" in one for one in judged({**GOOD, "steps": {}}))


def test_what_was_compared_and_taken_is_counted_from_the_facts() -> None:
    told = [("verified", {"rows_compared": 0}), ("verified", {"rows_compared": 7}), ("cut_over", {"pause_ms": 3})]
    facts = [{"migration": "a", "gate": gate, "facts": seen} for gate, seen in told]
    assert comparisons(facts) == 1, "an empty comparison is none"
    stage = SimpleNamespace(migrations=("a", "b"))
    assert steps_taken(stage, facts) == {"a": {"verified": 2, "cut_over": 1}, "b": {}}
