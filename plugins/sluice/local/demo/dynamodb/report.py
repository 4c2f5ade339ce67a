"""What the DynamoDB demo proves, out of the ledger, the application's own list of acknowledged writes, and the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sluice.ledger.items_aside import Poison
from sluice.local.certify import OracleReport
from sluice.local.certify.tally import PhaseReport, Snapshot
from sluice.local.demo.report import Report, comparisons, differences, not_taken, read_ledger, steps_taken
from sluice.local.tables import table
from sluice.local.tyler.dirt import poisons
from sluice.local.tyler.oracle import Survey

if TYPE_CHECKING:
    from sluice.local.demo.dynamodb.stage import Tyler

KINDS = ("inserts", "updates", "deletes", "reinserts")
LEAST_WRITES, LEAST_OF_A_KIND = 100, 5
"""A loss count of nothing is no count: each phase that matters must have had writes to lose."""
WAY = {"backfilled": 1, "verified": 1, "shadowing": 1, "cut_over": 2, "cut_back": 1}
"""How often each migration must have been judged at each of these gates, at the least."""
WRITTEN_IN = ("copy", "after_cutover", "after_cut_back", "after_second_cutover")


def make_report(
    stage: Tyler, workload: Snapshot, oracle: OracleReport, found: Survey, waiting: Mapping[str, Poison]
) -> Report:
    """Gather it all into plain values."""
    facts, evidence = read_ledger(stage)
    copied = {f["migration"]: f["facts"] for f in facts if f["gate"] == "backfilled" and f["run"] in stage.copy_runs}
    swaps = [{"migration": f["migration"], **f["facts"]} for f in facts if f["gate"] in ("cut_over", "cut_back")]
    phases = {name: phase for name, phase in workload.phases.items() if name != "running"}
    judged_runs = [e for e in evidence if not (e["gate"] == "backfilled" and e["run"] in stage.held_runs)]
    return {
        "items": stage.items,
        "records": found.records,
        "seconds": round(time.monotonic() - stage.began),
        "copied": {
            name: {key: c[key] for key in ("rows_copied", "rows_skipped", "rows_per_second")}
            for name, c in copied.items()
        },
        "acknowledged_writes": workload.total.writes,
        "acknowledged_writes_lost": oracle.lost + oracle.wrong + oracle.resurrected,
        "keys_checked": oracle.checked,
        "keys_unknown": oracle.unknown,
        "lost": [f"{s.table} {s.key}: {s.verdict}" for s in oracle.samples],
        "mismatches": len(found.differing),
        "mismatching": found.differing[:10],
        "diffs": differences(facts),
        "comparisons": comparisons(facts),
        "steps": steps_taken(stage, facts),
        "quarantined": [{"key": name, "reason": poison.reason} for name, poison in waiting.items()],
        "poisoned": len(poisons()),
        "user_errors": workload.total.user_errors,
        "errors": list(workload.total.samples),
        "pause_seconds": round(max(p.longest_gap_ms for p in phases.values()) / 1000, 2),
        "quiet_gap_seconds": round(workload.phases["quiet"].longest_gap_ms / 1000, 2),
        "swaps": [{key: s.get(key) for key in ("migration", "pause_ms", "lease_ms", "writes_astray")} for s in swaps],
        "lag_seconds": lag_of(stage.app.measured["lags"]),
        "phases": {name: _counts(p) for name, p in phases.items()},
        "gates_passed": sum(e["passed"] for e in judged_runs),
        "gates_red": sum(not e["passed"] for e in judged_runs),
        "runs": stage.runs,
    }


def lag_of(lags: Sequence[float]) -> dict[str, float]:
    """Give the median and the longest of the lags, in seconds, and how many there are."""
    ordered = sorted(lags)
    if not ordered:
        return {"p50": 0.0, "max": 0.0, "measured": 0}
    return {"p50": round(ordered[len(ordered) // 2], 2), "max": round(ordered[-1], 2), "measured": len(ordered)}


def judged(report: Report) -> list[str]:
    """List the promises that were not kept. One whose evidence is missing was not."""
    lacking = not_taken(report, WAY)
    wanted = {
        f"every table went the whole way{': not ' if lacking else ''}{', '.join(lacking)}": not lacking,
        "every table was copied": set(report["copied"]) == set(report["steps"])
        and all(done["rows_copied"] > 0 for done in report["copied"].values()),
        "no acknowledged write is lost": report["acknowledged_writes_lost"] == 0 and report["keys_checked"] > 0,
        "both sides are the same": report["mismatches"] == 0 and report["records"] > 0,
        "no comparison found a difference": report["diffs"] == 0 and report["comparisons"] > 0,
        "what cannot be mapped is in quarantine, and nothing else": len(report["quarantined"])
        == report["poisoned"]
        > 0,
        "each in quarantine has its reason": all(one["reason"] for one in report["quarantined"]),
        "no user saw an error": report["user_errors"] == 0 and report["acknowledged_writes"] > 0,
        "no gate is red but for the quarantine": report["gates_red"] == 0 and report["gates_passed"] > 0,
        "the lag was measured": report["lag_seconds"]["measured"] > 0,
    }
    for name in WRITTEN_IN:
        counts = report["phases"].get(name, {})
        enough = (
            counts.get("writes", 0) >= LEAST_WRITES and min(counts.get(kind, 0) for kind in KINDS) >= LEAST_OF_A_KIND
        )
        wanted[f"phase {name} had {LEAST_WRITES} writes, {LEAST_OF_A_KIND} of each kind: {counts}"] = enough
    return [promise for promise, kept in wanted.items() if not kept]


def as_table(report: Report) -> str:
    """Lay the report out for a terminal."""
    lag = report["lag_seconds"]
    shown = [
        ("items of five legacy tables → records", f"{report['items']:,} → {report['records']:,}"),
        *((f"  {name}, copied under writes", _rate(done)) for name, done in report["copied"].items()),
        ("in quarantine, mended and gone on", len(report["quarantined"])),
        *((f"  {one['key']}"[:60], one["reason"][:80]) for one in report["quarantined"]),
        (
            "differ between both sides",
            f"{report['mismatches']} by hand, {report['diffs']} in {report['comparisons']} comparisons",
        ),
        ("acknowledged writes", f"{report['acknowledged_writes']:,}"),
        ("acknowledged writes lost", f"{report['acknowledged_writes_lost']} of {report['keys_checked']:,} keys"),
        ("errors that users saw", report["user_errors"]),
        (
            "longest that a writer waited (quiet control)",
            f"{report['pause_seconds']} s ({report['quiet_gap_seconds']} s)",
        ),
        ("lag, end to end, P50 and longest", f"{lag['p50']} s, {lag['max']} s of {lag['measured']:,}"),
        ("gates passed", f"{report['gates_passed']} (red: {report['gates_red']})"),
        ("minutes", round(report["seconds"] / 60, 1)),
    ]
    phases = [
        (name, *(counts[kind] for kind in ("writes", *KINDS)), counts["longest_gap_seconds"])
        for name, counts in report["phases"].items()
    ]
    return f"{table(('what', 'result'), shown)}\n\n{table(('phase', 'writes', *KINDS, 'longest gap s'), phases)}"


def _rate(done: Mapping[str, int]) -> str:
    return f"{done['rows_copied']:,} items, {done['rows_per_second']:,} a second; {done['rows_skipped']:,} had expired"


def _counts(phase: PhaseReport) -> dict[str, float]:
    counted = {kind: phase.counts.get(kind, 0) for kind in KINDS}
    return {"writes": phase.writes, **counted, "longest_gap_seconds": round(phase.longest_gap_ms / 1000, 2)}
