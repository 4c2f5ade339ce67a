"""The upkeep demo's rules: a promise whose evidence is missing is one that was not kept."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from sluice.local.demo.upkeep.report import WRITTEN_IN, as_table, judged

SHORT = {"reports": 40, "met": 9, "differing": 0, "longest_seconds": 0.2, "errors": []}
LONG = {"seconds": 30.0, "rows": 900, "same": True, "left": 0, "errors": []}
BACK = {"month": "2024-06", "rows": 80, "hash_before": "7", "hash_after": "7"}
GOOD: dict[str, Any] = {
    "rows": 5000,
    "months_made_ahead": 3,
    "months": {"dropped": 11, "restored": 1},
    "rows_archived": 900,
    "megabytes_in_vault": 1.2,
    "months_compared": 12,
    "months_differing": [],
    "brought_back": BACK,
    "short_reports": SHORT,
    "long_report": LONG,
    "detaches_held_off": 3,
    "acknowledged_writes": 4000,
    "acknowledged_writes_lost": 0,
    "keys_checked": 900,
    "user_errors": 0,
    "writes": dict.fromkeys(("quiet", *WRITTEN_IN), 400),
    "longest_client_gap_ms": dict.fromkeys(("quiet", *WRITTEN_IN), 20.0),
    "gates_passed": 25,
    "gates_red": 0,
    "minutes": 4.0,
}
BROKEN = {
    "partitions are there": {"months_made_ahead": 2},
    "12 months were archived": {"months": {"dropped": 10, "restored": 1, "cooling": 1}},
    "12 months were archived (none)": {"months": {}},
    "the vault's files hold": {"months_differing": ["2024-01-01 to 2024-02-01"]},
    "the vault's files hold (fewer)": {"months_compared": 11},
    "the vault's files hold (nothing)": {"rows_archived": 0},
    "the month that is back": {"brought_back": {**BACK, "hash_after": "8"}},
    "the month that is back (empty)": {"brought_back": {**BACK, "rows": 0}},
    "no acknowledged write is lost": {"acknowledged_writes_lost": 1},
    "no acknowledged write is lost (of nothing)": {"keys_checked": 0},
    "no user saw an error": {"user_errors": 1},
    "no user saw an error (of none)": {"acknowledged_writes": 0},
    "reports under which": {"short_reports": {**SHORT, "differing": 1}},
    "reports under which (none)": {"short_reports": {**SHORT, "met": 0}},
    "reports under which (broken)": {"short_reports": {**SHORT, "errors": ["canceled"]}},
    "nothing was detached": {"long_report": {**LONG, "left": 1}},
    "nothing was detached (read nothing)": {"long_report": {**LONG, "rows": 0}},
    "nothing was detached (differs)": {"long_report": {**LONG, "same": False}},
    "nothing was detached (broken)": {"long_report": {**LONG, "errors": ["canceled"]}},
    "nothing was detached (nor tried)": {"detaches_held_off": 0},
    "no gate is red": {"gates_red": 1},
    "no gate is red (too few)": {"gates_passed": 24},
    "phase archive had": {"writes": {**GOOD["writes"], "archive": 0}},
    "phase after had": {"writes": {name: 400 for name in WRITTEN_IN if name != "after"}},
}


def test_a_report_of_kept_promises_is_good() -> None:
    assert judged(GOOD) == []
    assert "0 of 900 keys" in as_table(GOOD)


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named_and_no_other(promise: str) -> None:
    [broken] = judged({**deepcopy(GOOD), **BROKEN[promise]})
    assert broken.startswith(promise.partition(" (")[0])
