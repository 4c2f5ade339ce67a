"""What the demo of backups proves, out of the vault, the application's list, the demo's own weighing, and the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.local.certify import OracleReport
from sluice.local.certify.tally import Snapshot
from sluice.local.demo.report import Report, read_ledger
from sluice.local.demo.upkeep.weighing import Weight
from sluice.local.tables import table
from sluice.safety.drill.certificate import Certificate

if TYPE_CHECKING:
    from sluice.local.demo.safety.stage import Safety

LEAST_WRITES = 100
"""A loss count of nothing is no count."""
WRITTEN_IN = ("backup", "increment", "drill")


@dataclass(frozen=True)
class Back:
    """What was brought back after the mistake, against what there was before it."""

    seconds: float
    """From the trigger to the end of the run, with all that Airflow takes."""
    before: Mapping[str, Weight]
    after: Mapping[str, Weight]
    oracle: OracleReport


def make_report(stage: Safety, workload: Snapshot, size: int, back: Back) -> Report:
    """Gather it all into plain values."""
    _, evidence = read_ledger(stage)
    phases = {name: phase for name, phase in workload.phases.items() if name != "running"}
    return {
        "rows": stage.options.size,
        "gigabytes": round(size / 1e9, 2),
        "backups": [
            {"id": one.id, "after": one.after, "megabytes": round(one.size / 1e6), "in_vault": round(one.stored / 1e6)}
            for one in stage.backups()
        ],
        "drills": [_drill(one) for one in stage.certificates()],
        "months_compared": len(back.before),
        "months_differing": [name for name, weight in back.before.items() if back.after.get(name) != weight],
        "rows_brought_back": sum(weight.rows for weight in back.after.values()),
        "brought_back_seconds": round(back.seconds, 1),
        "acknowledged_writes": workload.total.writes,
        "acknowledged_writes_lost": back.oracle.lost + back.oracle.wrong + back.oracle.resurrected,
        "keys_checked": back.oracle.checked,
        "user_errors": workload.total.user_errors,
        "errors": list(workload.total.samples),
        "writes": {name: phase.writes for name, phase in phases.items()},
        "longest_client_gap_ms": {name: round(phase.longest_gap_ms, 1) for name, phase in phases.items()},
        "gates_passed": sum(e["passed"] for e in evidence),
        "gates_red": sum(not e["passed"] for e in evidence),
        "minutes": round((time.monotonic() - stage.began) / 60, 1),
    }


def _drill(made: Certificate) -> dict[str, Any]:
    against = made.compared
    return {
        "target": made.target,
        "reached": made.reached,
        "phases": dict(made.phases),
        "goals": {"rto": made.goals.back_within, "rpo": made.goals.losing_at_most},
        "lost": made.lost,
        "tables": against.tables if against else 0,
        "rows": against.rows if against else 0,
        "differences": list(against.differences) if against else [made.uncompared or "nothing was compared"],
        "sha256": made.holds_sha256,
        "certificate": made.key,
        "passed": not made.wrong,
    }


def judged(report: Report) -> list[str]:
    """Name the promises that were not kept."""
    drills, whole = report["drills"], [one for one in report["backups"] if one["after"] is None]
    kinds = {one["target"].split()[0] for one in drills}
    wanted = {
        "a whole backup and an increment are in the vault": whole and len(whole) < len(report["backups"]),
        "drills went to a point, a time, a position, and the latest moment": {"point", "time", "position"} < kinds,
        "every drill has passed": drills and all(one["passed"] for one in drills),
        "every drill has compared rows": drills and all(one["rows"] > 0 for one in drills),
        "a drill has bounded what would be lost": any(one["lost"] for one in drills),
        "every month came back as it was": report["months_compared"] > 0 and not report["months_differing"],
        "no acknowledged write is lost": report["acknowledged_writes_lost"] == 0 and report["keys_checked"] > 0,
        "users saw no error": report["user_errors"] == 0,
        "no gate is red": report["gates_red"] == 0 and report["gates_passed"] >= len(drills) + 2,
    }
    for name in WRITTEN_IN:
        writes = report["writes"].get(name, 0)
        wanted[f"phase {name} had {LEAST_WRITES} writes: {writes}"] = writes >= LEAST_WRITES
    return [promise for promise, kept in wanted.items() if not kept]


def as_table(report: Report) -> str:
    """Lay the report out for a terminal."""
    shown = [
        ("rows of three years, by month", f"{report['rows']:,} in {report['gigabytes']} GB"),
        *((_kind(one), f"{one['megabytes']:,} MB, {one['in_vault']:,} in the vault") for one in report["backups"]),
        (
            "months that came back with something else",
            f"{len(report['months_differing'])} of {report['months_compared']}",
        ),
        (
            "rows brought back",
            f"{report['rows_brought_back']:,} in {report['brought_back_seconds']} s, Airflow's own included",
        ),
        ("acknowledged writes", f"{report['acknowledged_writes']:,}"),
        ("acknowledged writes lost", f"{report['acknowledged_writes_lost']} of {report['keys_checked']:,} keys"),
        ("errors that users saw", report["user_errors"]),
        ("gates passed", f"{report['gates_passed']} (red: {report['gates_red']})"),
        ("minutes", report["minutes"]),
    ]
    drills = [
        (
            one["target"],
            f"{one['rows']:,}",
            len(one["differences"]),
            *(f"{one['phases'].get(phase, 0):.1f}" for phase in ("available", "first query", "fully read", "verified")),
            f"{one['lost'][0]:.0f} to {one['lost'][1]:.0f}" if one["lost"] else "",
        )
        for one in report["drills"]
    ]
    heads = ("drilled to", "rows compared", "differ", "available s", "first query", "fully read", "verified", "lost s")
    phases = [(name, writes, report["longest_client_gap_ms"][name]) for name, writes in report["writes"].items()]
    return "\n\n".join(
        (table(("what", "result"), shown), table(heads, drills), table(("phase", "writes", "longest gap ms"), phases))
    )


def _kind(backup: Mapping[str, Any]) -> str:
    return "what has changed since" if backup["after"] else "the whole server"
