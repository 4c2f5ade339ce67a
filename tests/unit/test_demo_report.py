"""The demo's rules: which report is a promise kept, and that each broken one is named."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from sluice.local.demo.dynamodb.report import KINDS, WAY, WRITTEN_IN, as_table, judged, lag_of
from sluice.local.tyler.dirt import poisons

COUNTS = {"writes": 500, **dict.fromkeys(KINDS, 50), "longest_gap_seconds": 0.4}
GOOD: dict[str, Any] = {
    "items": 2000,
    "records": 4000,
    "seconds": 90,
    "copied": {"tyler_users": {"rows_copied": 240, "rows_skipped": 0, "rows_per_second": 900}},
    "steps": {"tyler_users": dict(WAY)},
    "acknowledged_writes": 2000,
    "acknowledged_writes_lost": 0,
    "keys_checked": 900,
    "mismatches": 0,
    "diffs": 0,
    "comparisons": 30,
    "quarantined": [{"key": f"tyler_users userId={n}", "reason": "no time"} for n in range(len(poisons()))],
    "poisoned": len(poisons()),
    "user_errors": 0,
    "pause_seconds": 6.1,
    "quiet_gap_seconds": 0.1,
    "lag_seconds": {"p50": 0.4, "max": 9.0, "measured": 80},
    "phases": {name: dict(COUNTS) for name in WRITTEN_IN},
    "gates_passed": 90,
    "gates_red": 0,
}
BROKEN = {
    "every table went the whole way: not tyler_users cut_back": {"steps": {"tyler_users": {**WAY, "cut_back": 0}}},
    "every table was copied": {"copied": {}},
    "every table was copied (of nothing)": {"copied": {"tyler_users": {"rows_copied": 0}}},
    "no acknowledged write is lost": {"acknowledged_writes_lost": 1},
    "no acknowledged write is lost (of nothing)": {"keys_checked": 0},
    "both sides are the same": {"mismatches": 1},
    "both sides are the same (of nothing)": {"records": 0},
    "no comparison found a difference": {"diffs": 1},
    "no comparison found a difference (of none)": {"comparisons": 0},
    "what cannot be mapped is in quarantine": {"quarantined": GOOD["quarantined"][1:]},
    "what cannot be mapped is in quarantine (of nothing)": {"quarantined": [], "poisoned": 0},
    "each in quarantine has its reason": {"quarantined": [{"key": "x", "reason": ""}, *GOOD["quarantined"][1:]]},
    "no user saw an error": {"user_errors": 1},
    "no user saw an error (of none)": {"acknowledged_writes": 0},
    "no gate is red but for the quarantine": {"gates_red": 1},
    "no gate is red but for the quarantine (of none)": {"gates_passed": 0},
    "the lag was measured": {"lag_seconds": lag_of([])},
    "phase after_cutover had": {"phases": {**GOOD["phases"], "after_cutover": {**COUNTS, "deletes": 0}}},
    "phase copy had": {"phases": {name: COUNTS for name in WRITTEN_IN[1:]}},
}


def test_a_report_of_kept_promises_is_good() -> None:
    assert judged(GOOD) == []


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named_and_no_other(promise: str) -> None:
    [broken] = judged({**deepcopy(GOOD), **BROKEN[promise]})
    assert broken.startswith(promise.partition(" (")[0])


def test_the_table_names_what_was_in_quarantine_and_the_pause() -> None:
    told = as_table(GOOD)
    assert "tyler_users userId=0" in told
    assert "no time" in told
    assert "6.1 s (0.1 s)" in told
    assert "0 of 900 keys" in told


def test_the_lag_is_the_middle_one_and_the_longest() -> None:
    assert lag_of([3.0, 0.1, 0.2]) == {"p50": 0.2, "max": 3.0, "measured": 3}
