"""What the upkeep demo proves, out of the catalogue, the vault's own files, the application's list, and the clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.local.certify import OracleReport
from sluice.local.certify.tally import Snapshot
from sluice.local.demo.report import Report, read_ledger
from sluice.local.demo.upkeep.readers import LongReport, Seen
from sluice.local.demo.upkeep.weighing import Filed, Weight
from sluice.local.tables import table
from sluice.upkeep.partitions.spans import Span

if TYPE_CHECKING:
    from sluice.local.demo.upkeep.stage import Upkeep

ARCHIVED, AHEAD = 12, 3
LEAST_WRITES = 100
"""A loss count of nothing is no count."""
WRITTEN_IN = ("ahead", "archive", "bring_back", "after")


def make_report(
    stage: Upkeep,
    workload: Snapshot,
    oracle: OracleReport,
    ahead: int,
    weights: Mapping[Span, Weight],
    filed: Mapping[datetime, Filed],
    back: tuple[Span, Weight],
    seen: Seen,
    patient: LongReport,
    held_off: int,
) -> Report:
    """Gather it all into plain values."""
    _, evidence = read_ledger(stage)
    chosen, weight = back
    stored = {lower: one.weight for lower, one in filed.items()}
    phases = {name: phase for name, phase in workload.phases.items() if name != "running"}
    return {
        "rows": stage.options.size,
        "months_made_ahead": ahead,
        "months": dict(Counter(row["state"] for row in stage.archived())),
        "rows_archived": sum(one.weight.rows for one in filed.values()),
        "megabytes_in_vault": round(sum(one.bytes for one in filed.values()) / 1e6, 1),
        "months_compared": len(filed),
        "months_differing": [str(span) for span, one in weights.items() if stored.get(span.lower) != one],
        "brought_back": {
            "month": f"{chosen.lower:%Y-%m}",
            "rows": weight.rows,
            "hash_before": weights[chosen].content,
            "hash_after": weight.content,
        },
        "short_reports": asdict(seen),
        "long_report": asdict(patient),
        "detaches_held_off": held_off,
        "acknowledged_writes": workload.total.writes,
        "acknowledged_writes_lost": oracle.lost + oracle.wrong + oracle.resurrected,
        "keys_checked": oracle.checked,
        "user_errors": workload.total.user_errors,
        "errors": list(workload.total.samples),
        "writes": {name: phase.writes for name, phase in phases.items()},
        "longest_client_gap_ms": {name: round(phase.longest_gap_ms, 1) for name, phase in phases.items()},
        "gates_passed": sum(e["passed"] for e in evidence),
        "gates_red": sum(not e["passed"] for e in evidence),
        "minutes": round((time.monotonic() - stage.began) / 60, 1),
        "runs": stage.runs,
    }


def judged(report: Report) -> list[str]:
    """List the promises that were not kept. One whose evidence is missing was not."""
    back, short, patient = report["brought_back"], report["short_reports"], report["long_report"]
    wanted = {
        f"partitions are there for {AHEAD} months ahead": report["months_made_ahead"] >= AHEAD,
        f"{ARCHIVED} months were archived, and all dropped but the one that is back: {report['months']}": report[
            "months"
        ]
        == {"dropped": ARCHIVED - 1, "restored": 1},
        "the vault's files hold what the months held": report["months_compared"] == ARCHIVED
        and not report["months_differing"]
        and report["rows_archived"] > 0,
        "the month that is back is the one that went": back["hash_after"] == back["hash_before"] and back["rows"] > 0,
        "no acknowledged write is lost": report["acknowledged_writes_lost"] == 0 and report["keys_checked"] > 0,
        "no user saw an error": report["user_errors"] == 0 and report["acknowledged_writes"] > 0,
        "reports under which a month left read the same twice": short["met"] > 0
        and not short["differing"]
        and not short["errors"],
        "nothing was detached under a report that stays long": patient["rows"] > 0
        and patient["left"] == 0
        and patient["same"]
        and not patient["errors"]
        and report["detaches_held_off"] > 0,
        "no gate is red": report["gates_red"] == 0 and report["gates_passed"] >= 2 * ARCHIVED + 1,
    }
    for name in WRITTEN_IN:
        writes = report["writes"].get(name, 0)
        wanted[f"phase {name} had {LEAST_WRITES} writes: {writes}"] = writes >= LEAST_WRITES
    return [promise for promise, kept in wanted.items() if not kept]


def as_table(report: Report) -> str:
    """Lay the report out for a terminal."""
    back, short, patient = report["brought_back"], report["short_reports"], report["long_report"]
    alike = "the same" if back["hash_before"] == back["hash_after"] else "ANOTHER"
    shown = [
        ("rows of three years, by month", f"{report['rows']:,}"),
        ("partitions made ahead", report["months_made_ahead"]),
        ("months by where they stand", ", ".join(f"{number} {state}" for state, number in report["months"].items())),
        ("rows in the vault", f"{report['rows_archived']:,} in {report['megabytes_in_vault']} MB"),
        (
            "months whose files hold something else",
            f"{len(report['months_differing'])} of {report['months_compared']} compared",
        ),
        (f"brought back: {back['month']}", f"{back['rows']:,} rows, hash {alike}"),
        ("reports meanwhile", f"{short['reports']}; under {short['met']} the month left; {short['differing']} differ"),
        (
            f"a report of {patient['seconds']:.0f} s",
            f"{report['detaches_held_off']} detaches waited; {patient['left']} went on",
        ),
        ("acknowledged writes", f"{report['acknowledged_writes']:,}"),
        ("acknowledged writes lost", f"{report['acknowledged_writes_lost']} of {report['keys_checked']:,} keys"),
        ("errors that users saw", report["user_errors"]),
        ("gates passed", f"{report['gates_passed']} (red: {report['gates_red']})"),
        ("minutes", report["minutes"]),
    ]
    phases = [(name, writes, report["longest_client_gap_ms"][name]) for name, writes in report["writes"].items()]
    return f"{table(('what', 'result'), shown)}\n\n{table(('phase', 'writes', 'longest gap ms'), phases)}"
