"""The rules of the demo of backups: a promise whose evidence is missing is one that was not kept."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from sluice.estate.read import ESTATE_FILE, read_stores
from sluice.local.demo.safety.report import WRITTEN_IN, as_table, judged
from sluice.local.demo.safety.switched_on import NoLine, backup_switched_on

from tests.samples import copy_estate

PHASES = {"fetched": 3.0, "available": 9.0, "first query": 9.1, "fully read": 12.0, "verified": 20.0}
DRILL = {
    "target": "the latest moment", "reached": "2026-03-01T12:00:00+00:00", "phases": PHASES, "goals": {"rto": 300, "rpo": 30},
    "lost": (0.0, 8.0), "tables": 40, "rows": 900, "differences": [], "sha256": "ab", "certificate": "drills/x", "passed": True,
}  # fmt: skip
GOOD: dict[str, Any] = {
    "rows": 5000,
    "gigabytes": 2.1,
    "backups": [
        {"id": "a", "after": None, "megabytes": 2000, "in_vault": 400},
        {"id": "b", "after": "a", "megabytes": 20, "in_vault": 4},
    ],
    "drills": [DRILL, *({**DRILL, "target": target, "lost": None} for target in ("point p", "time t", "position 0/1"))],
    "months_compared": 36,
    "months_differing": [],
    "rows_brought_back": 5000,
    "brought_back_seconds": 40.0,
    "acknowledged_writes": 4000,
    "acknowledged_writes_lost": 0,
    "keys_checked": 900,
    "user_errors": 0,
    "writes": dict.fromkeys(("quiet", *WRITTEN_IN), 400),
    "longest_client_gap_ms": dict.fromkeys(("quiet", *WRITTEN_IN), 20.0),
    "gates_passed": 6,
    "gates_red": 0,
    "minutes": 6.0,
}
BROKEN = {
    "a whole backup and an increment": {"backups": GOOD["backups"][:1]},
    "a whole backup and an increment (none)": {"backups": []},
    "drills went to": {"drills": [DRILL]},
    "every drill has passed": {"drills": [{**one, "passed": False} for one in GOOD["drills"]]},
    "every drill has passed (none)": {"drills": []},
    "every drill has compared rows": {"drills": [{**one, "rows": 0} for one in GOOD["drills"]]},
    "a drill has bounded": {"drills": [{**one, "lost": None} for one in GOOD["drills"]]},
    "every month came back": {"months_differing": ["2024-01"]},
    "every month came back (none)": {"months_compared": 0},
    "no acknowledged write is lost": {"acknowledged_writes_lost": 1},
    "no acknowledged write is lost (of nothing)": {"keys_checked": 0},
    "users saw no error": {"user_errors": 1},
    "no gate is red": {"gates_red": 1},
    "no gate is red (too few)": {"gates_passed": 4},
    "phase drill had": {"writes": {**GOOD["writes"], "drill": 0}},
}


def test_a_report_that_keeps_every_promise_is_good_and_is_told() -> None:
    assert judged(GOOD) == []
    told = as_table(GOOD)
    assert "point p" in told and "0 to 8" in told


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(promise: str) -> None:
    named = judged({**deepcopy(GOOD), **BROKEN[promise]})
    assert any(one.startswith(promise.split(" (")[0]) for one in named), named


def test_the_backup_is_switched_on_for_as_long_as_the_demo_lasts(tmp_path: Path) -> None:
    copy_estate(tmp_path)
    file = tmp_path / ESTATE_FILE
    before = file.read_text()
    with backup_switched_on(False, tmp_path):
        assert read_stores(tmp_path).stores["certify"].backup
    assert file.read_text() == before
    with backup_switched_on(True, tmp_path):
        during = file.read_text()
    assert file.read_text() == during != before
    with backup_switched_on(False, tmp_path):
        assert file.read_text() == during
    assert file.read_text() == during, "it was on before"


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    copy_estate(tmp_path)
    file = tmp_path / ESTATE_FILE
    with backup_switched_on(False, tmp_path):
        file.write_text(changed := file.read_text() + "# a note\n")
    assert file.read_text() == changed
    file.write_text("estate: shop\n")
    with pytest.raises(NoLine, match="Nothing was changed"), backup_switched_on(False, tmp_path):
        pass
