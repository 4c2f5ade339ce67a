"""What the demo proves, out of the ledger, the application's own list of acknowledged writes, and the clock."""

from __future__ import annotations

import time

from sluice.local.certify import OracleReport
from sluice.local.certify.tally import PhaseReport, Snapshot
from sluice.local.demo.migrating import Migrating
from sluice.local.demo.report import Report, comparisons, differences, megabytes, not_taken, read_ledger, steps_taken
from sluice.local.tables import table

LONGEST_PAUSE_MS = 150
LEAST_WRITES = 300
LEAST_MOVED = 10
"""A loss count of nothing is no count: each phase must have had writes to lose, key changes and deletes among them."""


WAY = {"backfilled": 1, "verified": 1, "shadowing": 1, "cut_over": 2, "cut_back": 1, "retired": 1}
"""How often each migration must have been judged at each of these gates, at the least."""
PHASES = (
    "quiet", "copy", "cutover", "after_cutover", "cut_back", "after_cut_back", "second_cutover", "after_second_cutover",
    "retire", "after_retire",
)  # fmt: skip
"""What the application must have written in."""
SHADOW = ("reads", "differences", "slower", "p50_source_ms", "p50_target_ms", "p95_source_ms", "p95_target_ms")
"""What is told of the application's own reads, run on both tables before the last cutover."""


def make_report(stage: Migrating, workload: Snapshot, oracle: OracleReport) -> Report:
    """Gather it all into plain values."""
    facts, evidence = read_ledger(stage)
    copied = {f["migration"]: f["facts"] for f in facts if f["gate"] == "backfilled"}
    swaps = [{"migration": f["migration"], **f["facts"]} for f in facts if f["gate"] in ("cut_over", "cut_back")]
    shadows = {f["migration"]: f["facts"] for f in facts if f["gate"] == "shadowing"}
    phases = {name: phase for name, phase in workload.phases.items() if name != "running"}
    return {
        "rows": sum(c["rows_copied"] for c in copied.values()),
        "backfill": {
            name: {key: c[key] for key in ("rows_copied", "rows_per_second", "chunks")} for name, c in copied.items()
        },
        "shadow": {name: {key: s[f"shadow_{key}"] for key in SHADOW} for name, s in shadows.items()},
        "diffs": differences(facts),
        "comparisons": comparisons(facts),
        "steps": steps_taken(stage, facts),
        "acknowledged_writes": workload.total.writes,
        "acknowledged_writes_lost": oracle.lost + oracle.wrong + oracle.resurrected,
        "keys_checked": oracle.checked,
        "user_errors": workload.total.user_errors,
        "longest_pause_ms": max((s["pause_ms"] for s in swaps), default=0),
        "swaps": [{key: s[key] for key in ("migration", "pause_ms", "failed_tries")} for s in swaps],
        "longest_client_gap_ms": {name: round(p.longest_gap_ms, 1) for name, p in phases.items()},
        "quiet_client_gap_ms": round(workload.phases["quiet"].longest_gap_ms, 1),
        "phases": {name: _counts(p) for name, p in phases.items()},
        "gates_passed": sum(e["passed"] for e in evidence),
        "gates_red": sum(not e["passed"] for e in evidence),
        "minutes": round((time.monotonic() - stage.began) / 60, 1),
        "megabytes_installed": megabytes(stage.settings.root / ".venv", stage.settings.state_dir / "engines"),
        "runs": stage.runs,
    }


def judged(report: Report) -> list[str]:
    """List the promises that were not kept. One whose evidence is missing was not."""
    tables, lacking = set(report["steps"]), not_taken(report, WAY)
    wanted = {
        f"every table went the whole way{': not ' if lacking else ''}{', '.join(lacking)}": not lacking,
        "every table was copied": set(report["backfill"]) == tables
        and all(done["rows_copied"] > 0 for done in report["backfill"].values()),
        "no acknowledged write is lost": report["acknowledged_writes_lost"] == 0 and report["keys_checked"] > 0,
        "no row differs": report["diffs"] == 0 and report["comparisons"] > 0,
        "the application's reads were compared": set(report["shadow"]) == tables
        and all(s["reads"] > 0 for s in report["shadow"].values()),
        "no user saw an error": report["user_errors"] == 0 and report["acknowledged_writes"] > 0,
        "no gate is red": report["gates_red"] == 0 and report["gates_passed"] > 0,
        f"no pause reaches {LONGEST_PAUSE_MS} ms": report["longest_pause_ms"] < LONGEST_PAUSE_MS
        and bool(report["swaps"]),
    }
    for name in PHASES:
        counts = report["phases"].get(name, {})
        moved = min(counts.get("key_changes", 0), counts.get("deletes", 0))
        enough = counts.get("writes", 0) >= LEAST_WRITES and moved >= LEAST_MOVED
        wanted[f"phase {name} had {LEAST_WRITES} writes with {LEAST_MOVED} key changes and deletes: {counts}"] = enough
    return [promise for promise, kept in wanted.items() if not kept]


def as_table(report: Report) -> str:
    """Lay the report out for a terminal."""
    shown = [
        ("rows moved", f"{report['rows']:,}"),
        *((f"  {name}, rows/s under writes", _rate(done)) for name, done in report["backfill"].items()),
        ("rows that differ", f"{report['diffs']} in {report['comparisons']} comparisons"),
        *((f"  {name}, its reads on both", _shadow(done)) for name, done in report["shadow"].items()),
        ("acknowledged writes", f"{report['acknowledged_writes']:,}"),
        ("acknowledged writes lost", f"{report['acknowledged_writes_lost']} of {report['keys_checked']:,} keys"),
        ("errors that users saw", report["user_errors"]),
        ("longest pause, server side", f"{report['longest_pause_ms']} ms"),
        ("longest client gap (quiet control)", f"{_gap(report)} ms ({report['quiet_client_gap_ms']} ms)"),
        ("gates passed", f"{report['gates_passed']} (red: {report['gates_red']})"),
        ("minutes, MB installed", f"{report['minutes']}, {report['megabytes_installed']:,}"),
    ]
    kinds = ("writes", "inserts", "updates", "deletes", "key_changes", "moves", "rollbacks")
    phases = [
        (name, *(counts[kind] for kind in kinds), report["longest_client_gap_ms"][name])
        for name, counts in report["phases"].items()
    ]
    return f"{table(('what', 'result'), shown)}\n\n{table(('phase', *kinds, 'longest gap ms'), phases)}"


def _rate(done: dict[str, int]) -> str:
    return f"{done['rows_per_second']:,} ({done['rows_copied']:,} rows in {done['chunks']} chunks)"


def _shadow(done: dict[str, float]) -> str:
    times = f"P50 {done['p50_source_ms']} → {done['p50_target_ms']} ms, P95 {done['p95_source_ms']} → {done['p95_target_ms']} ms"
    return f"{done['differences']} of {done['reads']} answered otherwise; {times}"


def _gap(report: Report) -> float:
    return max(float(gap) for name, gap in report["longest_client_gap_ms"].items() if name != "quiet")


def _counts(phase: PhaseReport) -> dict[str, int]:
    kinds = ("inserts", "updates", "deletes", "key_changes", "moves", "rollbacks")
    return {"writes": phase.writes, **{kind: phase.counts.get(kind, 0) for kind in kinds}}
