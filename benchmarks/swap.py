"""The pause of a cutover: twenty swaps forth and back while the application writes as fast as it can."""

from __future__ import annotations

import time
from typing import Any

from sluice.local.certify import WorkloadProcess
from sluice.migration.engine.contract import Fence, Kind, Swap

from benchmarks._scratch import begin, copy_all, scratch, setting, summary

QUIET, PAUSE, FELT = "longest wait of a writer, no swap about", "the swap's pause", "longest wait of a writer, swap"
UNLIMITED = 1e6


def main() -> dict[str, Any]:
    """Swap, and beside each swap look at the same writers for as long without one."""
    with scratch(setting("ROWS", 200_000)) as made:
        kind = made.kind()
        begin(kind)
        copy_all(made, 2)
        kind.finish_backfill(Fence(kind.position().epoch))
        with made.application(UNLIMITED) as application:
            seen = _swaps(kind, application, setting("ROUNDS", 20))
    return summary("swap", PAUSE, QUIET, seen) | {"longest_ms": 1000 * max(seen[PAUSE])}


def _swaps(kind: Kind, application: WorkloadProcess, count: int) -> dict[str, list[float]]:
    seen: dict[str, list[float]] = {QUIET: [], PAUSE: [], FELT: []}
    for number in range(count):
        forth = number % 2 == 0
        if forth:
            kind.verify(kind.diff())
        application.mark(f"quiet{number}")
        time.sleep(1)
        application.mark(f"swap{number}")
        swap = kind.cut_over() if forth else kind.cut_back()
        time.sleep(0.5)
        application.mark("between")
        phases = application.snapshot().phases
        seen[QUIET].append(phases[f"quiet{number}"].longest_gap_ms / 1000)
        seen[PAUSE].append(swap.longest_ms / 1000)
        seen[FELT].append(phases[f"swap{number}"].longest_gap_ms / 1000)
        print(_told(number, forth, swap, 1000 * seen[FELT][-1]), flush=True)
    return seen


def _told(number: int, forth: bool, swap: Swap, felt: float) -> str:
    way = "forth" if forth else "back"
    failed = ", ".join(f"{ms:.0f} ms" for ms in swap.failed_tries_ms) or "none"
    return (
        f"swap {number + 1} {way}: {swap.pause_ms:.1f} ms; failed tries: {failed}; writers waited {felt:.0f} ms at most"
    )
