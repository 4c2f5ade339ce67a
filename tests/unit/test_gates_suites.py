"""Every suite over facts, each fact in turn: all good is green, and any one that is off is red."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.proof.gates.run import Judged, judge
from sluice.proof.gates.suites import NoSuchSuite, load_great_expectations, read_suite

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAME = {"rows_compared": 9000, "rows_missing": 0, "rows_extra": 0, "rows_different": 0}
STEADY = {"quarantined": 0, "fingerprint_differs": 0}
SWAPPED = {**SAME, "pause_ms": 40, "sequence_behind": 0, "carried_missing": 0}
GOOD = {
    "expanded": {
        "partitions_missing": 0, "partitions_gaps": 0, "columns_missing": 0, "indexes_missing": 0, "rls_differs": 0,
        "grants_missing": 0, "target_rows": 0,
    },
    "capturing": {"capture_enabled": True, "capture_first_trigger": True, "fingerprint_differs": 0, "quarantined": 0},
    "backfilled": {
        "chunks": 12, "chunks_done": 12, "quarantined": 0, "foreign_keys_missing": 0,
        "fingerprint_differs": False, "rows_compared": 9000,
    },
    "verified": {
        **SAME, "quarantined": 0, "planted": 12, "planted_found": 12, "equal_rows_flagged": 0, "fingerprint_differs": 0,
        "verified_seconds_ago": 20,
    },
    "shadowing": {
        "shadow_differences": 0, "shadow_slower": 0, "shadow_reads_lacking": 0, "shadow_rows": 9000,
        "shadow_skipped": 0, "shadow_unpruned": 0, "quarantined": 0, "fingerprint_differs": 0,
    },
    "cut_over": {**SWAPPED, "reverse_capture_enabled": True, "forward_capture_present": False, "names_swapped": True},
    "cut_back": {**SWAPPED, "forward_capture_enabled": True, "reverse_capture_present": False, "names_swapped": False},
    "retired": {"capture_left": 0, "sequences_narrow": 0, "live_is_target": True, "old_kept": True, "rows_compared": 9000},
    "validated": {**SAME, "fingerprint_differs": 0},
    "validated__single_table": {**SAME, "fingerprint_differs": 0, "writes_astray": 0},
    "validated__into_postgres": {**SAME, "fingerprint_differs": 0, "writes_astray": 0},
    "expanded__single_table": {"tables": 1, "tables_unready": 0, "autoscaled_lacking": 0, **STEADY},
    "capturing__single_table": {"stream_on": True, "routed": True, **STEADY},
    "backfilled__single_table": {"chunks": 10, "chunks_done": 10, "rows_compared": 10, **STEADY},
    "shadowing__single_table": {
        "shadow_differences": 0, "shadow_slower": 0, "shadow_reads_lacking": 0, "shadow_compared": 900,
        "shadow_failed": 0, "shadow_failing": 0, **STEADY,
    },
    "cut_over__single_table": {
        **SAME, **STEADY, "routed_to_new": True, "writes_astray": 0, "pause_beyond_lease_ms": 200,
    },
    "cut_back__single_table": {**SAME, **STEADY, "routed_to_old": True, "pause_beyond_lease_ms": 200},
    "retired__single_table": {
        **SAME, "live_is_target": True, "old_unsettled": 0, "deleted_unproven": 0, "digests_differ": 0,
        "exported_items": 40, "read_back_items": 40, "backup_lacking": 0, "expiry_waits": 0,
    },
    "expanded__into_postgres": {
        "partitions_missing": 0, "partitions_gaps": 0, "columns_missing": 0, "key_differs": 0, "rls_differs": 0,
        "policies_missing": 0, "target_rows": 0,
    },
    "capturing__into_postgres": {"stream_on": True, "shards_noted": 1, "routed": True, **STEADY},
    "backfilled__into_postgres": {"chunks": 10, "chunks_done": 10, "rows_compared": 10, **STEADY},
    "shadowing__into_postgres": {
        "shadow_differences": 0, "shadow_slower": 0, "shadow_reads_lacking": 0, "shadow_compared": 900,
        "shadow_failed": 0, "shadow_failing": 0, **STEADY,
    },
    "cut_over__into_postgres": {
        **SAME, **STEADY, "watching": 2, "tombstones_left": 0, "routed_to_new": True, "writes_astray": 0,
        "pause_beyond_lease_ms": 200,
    },
    "cut_back__into_postgres": {
        **SAME, **STEADY, "watching": 0, "routed_to_old": True, "pause_beyond_lease_ms": 200,
    },
    "retired__into_postgres": {
        **SAME, "live_is_target": True, "marks_left": 0, "old_unsettled": 0, "deleted_unproven": 0, "digests_differ": 0,
        "exported_items": 40, "read_back_items": 40, "backup_lacking": 0,
    },
    "window__into_postgres": {**SAME, "rows_source": 300, "rows_target": 300, "quarantined": 0, "fingerprint_differs": 0},
    "partitions_ahead": {
        "headroom_days": 100, "left_to_make": 0, "leaving": 0, "odd_bounds": 0, "unlike": 0, "invalid_indexes": 0,
        "gaps": 0, "default_rows": 0, "too_many": 0,
    },
    "archive_manifest": {
        "rows_there": 300, "rows_manifest": 300, "rows_in_parts": 300, "hash_differs": 0, "parts": 2, "parts_missing": 0,
        "columns_lacking": 0,
    },
    "archive_kept": {"objects": 300, "lost": 0, "asleep": 0},
    "archive_readback": {"rows_stored": 300, "rows_read": 300, "hash_differs": 0},
    "vault_configured": {
        "versioned": 1, "locks_lacking": 0, "left_to_do": 0, "ended_early": 0, "refused": 0, "files_unread": 0, "put_to_sleep": 0,
        "ended_unasked": 0, "forgotten_early": 0,
    },
    "airflow_backup": {"bytes": 9000, "tables": 60, "rows": 300, "tables_restored": 60, "rows_restored": 300},
    "airflow_history": {
        "old_left": 0, "runs_lost": 0, "tasks_lost": 0, "open_runs_lost": 0, "open_tasks_lost": 0, "log_lost": 0,
        "events_lost": 0, "held_back_days": 0,
    },
    "items_readback": {
        "items_stored": 300, "items_read": 300, "hash_differs": 0, "items_compared": 300, "items_changed": 0, "items_late": 0,
    },
    "expiry": {
        "records": 300, "expiry_off": 0, "missing": 0, "no_number": 0, "milliseconds": 0, "too_late": 0, "too_old": 0,
        "overdue": 0,
    },
    "backup_fresh": {
        "bytes_stored": 900, "bytes_read": 9000, "age_over_seconds": 0, "behind_over_seconds": 0, "window_seconds": 90,
    },
    "snapshot_fresh": {
        "bytes_stored": 900, "age_over_seconds": 0, "behind_over_seconds": 0, "window_seconds": 90,
    },
    "service_fresh": {"age_over_seconds": 0, "behind_over_seconds": 0, "window_seconds": 90},
    "backups_kept": {
        "kept": 9, "lost": 0, "hidden": 0, "rules_wrong": 0, "wrongly_encrypted": 0, "elsewhere_lacking": 0, "elsewhere_wrong": 0,
    },
    "restore_drill": {
        "tables_compared": 3, "rows_compared": 300, "differences": 0, "damaged": 0, "rto_over_seconds": 0, "rpo_over_seconds": 0,
        "rules_broken": 0, "rules_broken_then": 0, "rules_warned": 0, "rpo_unmeasured": 0, "wrong": 0,
    },
    "replicas_healthy": {"servers": 2, "broken": 0, "late": 0, "lag_unknown": 0},
    "failover_drill": {"rounds": 2, "acknowledged": 200, "lost_synchronous": 0, "over_seconds": 0, "wrong": 0},
    "window": {**SAME, "rows_source": 300, "rows_target": 300, "quarantined": 0},
}  # fmt: skip
# What is bad for a fact is one more than good, but for these.
BAD = {
    "items_stored": -1,
    "records": 0,
    "partitions_missing": 1, "chunks_done": 11, "chunks": 0, "planted": 0,
    "planted_found": 11, "verified_seconds_ago": 1801, "rows_compared": 0, "rows_source": 0, "rows_target": 299,
    "capture_enabled": False, "capture_first_trigger": False, "reverse_capture_enabled": False,
    "forward_capture_enabled": False, "live_is_target": False, "old_kept": False, "shadow_rows": 0,
    "objects": -1, "bytes_stored": 0, "bytes_read": 0, "window_seconds": -1, "tables_compared": 0, "servers": 1, "rounds": 1,
    "kept": 0,
    "acknowledged": 0,
    "parts": 0, "rows_there": -1, "rows_stored": -1, "tables": 0, "stream_on": False, "routed": False, "shadow_compared": 0,
    "bytes": 0, "rows": 0, "headroom_days": 6, "shards_noted": 0, "routed_to_new": False, "routed_to_old": False,
}  # fmt: skip
WARNS_ONLY = {
    "asleep",
    "autoscaled_lacking",
    "backup_lacking",
    "default_rows",
    "ended_unasked",
    "expiry_waits",
    "forgotten_early",
    "gaps",
    "held_back_days",
    "items_changed",
    "items_late",
    "pause_ms",
    "records",
    "rules_broken_then",
    "rules_warned",
    "pause_beyond_lease_ms",
    "put_to_sleep",
    "shadow_compared",
    "shadow_failed",
    "shadow_rows",
    "shadow_skipped",
    "shadow_unpruned",
    "too_many",
}
WARNS_THERE = [
    ("capturing__into_postgres", "quarantined"),
    ("window__into_postgres", "quarantined"),
    ("cut_back__into_postgres", "quarantined"),
    ("cut_back__single_table", "quarantined"),
    ("validated__into_postgres", "writes_astray"),
    ("validated__single_table", "writes_astray"),
]


def judged(gate: str, facts: dict, *, root: Path = ROOT, **more) -> Judged:
    return judge(
        gate, facts, subject="app.t", suites=[gate], window=None, freshness=timedelta(minutes=30),
        now=NOW, facts_at=NOW, root=root, **more,
    )  # fmt: skip


@pytest.mark.parametrize("gate", GOOD)
def test_good_facts_are_green(gate) -> None:
    verdict = judged(gate, GOOD[gate]).verdict
    assert verdict.passed, verdict.describe()
    assert len(verdict.checks) >= 4


@pytest.mark.parametrize("gate", [gate for gate, facts in GOOD.items() if facts.get("rows_compared")])
def test_a_table_of_one_row_is_enough_to_compare(gate) -> None:
    few = {
        **GOOD[gate],
        "rows_compared": 1,
        **({"rows_source": 1, "rows_target": 1} if "rows_source" in GOOD[gate] else {}),
    }
    verdict = judged(gate, few).verdict
    assert verdict.passed, verdict.describe()


MUST_HOLD = [(g, f) for g, facts in GOOD.items() for f in facts if f not in WARNS_ONLY and (g, f) not in WARNS_THERE]


@pytest.mark.parametrize(("gate", "fact"), MUST_HOLD)
def test_one_bad_fact_is_red_and_an_unknown_one_is_an_error(gate, fact) -> None:
    flipped = not GOOD[gate][fact] if isinstance(GOOD[gate][fact], bool) else GOOD[gate][fact] + 1
    bad = judged(gate, {**GOOD[gate], fact: BAD.get(fact, flipped)}).verdict
    assert not bad.passed
    assert any(fact in reason or "compared" in reason for reason in bad.reasons)
    if fact != "rows_compared":  # without that one, the facts themselves are counted
        unknown = judged(gate, {**GOOD[gate], fact: None}).verdict
        assert any(check.error for check in unknown.checks if check.name.startswith(fact)), unknown.describe()


@pytest.mark.parametrize(("gate", "fact"), [*WARNS_THERE, ("cut_over__into_postgres", "pause_beyond_lease_ms")])
def test_what_only_warns_is_told_and_holds_nothing_up(gate, fact) -> None:
    verdict = judged(gate, {**GOOD[gate], fact: 9999}).verdict
    assert verdict.passed
    assert [check.name.partition(":")[0] for check in verdict.checks if check.state == "warning"] == [fact]


def test_no_suite_over_facts_is_left_out_above() -> None:
    names = {path.stem for path in (ROOT / "expectations").glob("*.json")}
    assert {name for name in names if read_suite(ROOT, name).meta["over"] == "facts"} == GOOD.keys()


def test_a_pause_too_long_only_warns() -> None:
    verdict = judged("cut_over", {**GOOD["cut_over"], "pause_ms": 1001}).verdict
    assert verdict.passed
    assert [check.name.partition(":")[0] for check in verdict.checks if check.state == "warning"] == ["pause_ms"]


def test_a_month_of_headroom_is_asked_for_with_a_warning_and_a_week_for_sure() -> None:
    states = {
        days: judged("partitions_ahead", {**GOOD["partitions_ahead"], "headroom_days": days}).verdict
        for days in (28, 20, 6)
    }
    assert [verdict.passed for verdict in states.values()] == [True, True, False]
    assert [sum(check.state == "warning" for check in verdict.checks) for verdict in states.values()] == [0, 1, 1]


def test_a_failed_fact_shows_the_rows_behind_it() -> None:
    rows = {"rows_different": [{"id": 7, "columns": "note"}], "rows_missing": [{"id": 8}]}
    verdict = judged("verified", {**GOOD["verified"], "rows_different": 1}, samples=rows).verdict
    assert [check.sample_rows for check in verdict.checks if check.sample_rows] == [({"id": 7, "columns": "note"},)]
    assert "id=7" in verdict.describe()


def test_a_suite_over_a_window_without_a_table_is_an_error() -> None:
    verdict = judge(
        "verified", GOOD["verified"], subject="app.t", suites=["verified", "session_rules"], window=None,
        freshness=timedelta(minutes=30), now=NOW, facts_at=NOW, root=ROOT,
    ).verdict  # fmt: skip
    assert not verdict.passed
    assert verdict.compared == 0


def test_a_suite_that_is_not_there_says_so() -> None:
    with pytest.raises(NoSuchSuite, match=r"expectations/nonsense\.json"):
        judged("nonsense", {})


def test_the_hash_of_a_suite_changes_with_its_text(tmp_path) -> None:
    (tmp_path / "expectations").mkdir()
    text = (ROOT / "expectations" / "window.json").read_text()
    (tmp_path / "expectations" / "window.json").write_text(text.replace('"max_value": 0', '"max_value": 1', 1))
    assert read_suite(tmp_path, "window").sha256 != read_suite(ROOT, "window").sha256


@pytest.mark.parametrize("path", sorted((ROOT / "expectations").glob("*.json")), ids=lambda path: path.stem)
def test_every_suite_is_named_after_its_file_and_says_what_it_holds(path) -> None:
    suite = read_suite(ROOT, path.stem)
    assert suite.body["name"] == path.stem
    assert suite.body["meta"]["about"]
    assert all(one["description"] and one["severity"] for one in suite.body["expectations"])
    assert len(
        load_great_expectations()
        .ExpectationSuite(name=suite.name, expectations=list(suite.body["expectations"]))
        .expectations
    )


def test_the_page_runs_nothing_fetches_nothing_and_escapes_what_rows_hold(tmp_path) -> None:
    (tmp_path / "expectations").mkdir()
    suite = {
        "name": "text", "meta": {"sluice": {"over": "facts"}},
        "expectations": [
            {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "note", "value_set": ["x"]}},
        ],
    }  # fmt: skip
    (tmp_path / "expectations" / "text.json").write_text(json.dumps(suite))
    page = judged("text", {"note": "<script>alert(1)</script>"}, root=tmp_path).docs["index.html"].decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "&amp;lt;" not in page
    assert "<script" not in page
    assert "src=" not in page
    assert "<link" not in page
    assert str(ROOT) not in page


def test_nothing_heavy_is_imported_before_a_gate_is_judged() -> None:
    told = "import sys, sluice.proof.gates.run, sluice.proof.gates.evidence; print(*sys.modules)"
    names = subprocess.run(
        [sys.executable, "-c", told],
        env={"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"great_expectations", "pandas", "boto3", "botocore", "airflow", "sqlalchemy"} & set(names)
