"""The pause of a cutover: twenty swaps forth and back while the application writes as fast as it can.

Beside each swap the same writers and readers, here and on a hot standby, are looked at for as long without one. Then somebody
holds the table.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sluice.estate.models import Migration
from sluice.local.certify import WorkloadProcess
from sluice.migration.engine.contract import Fence, Kind, Swap
from sluice.migration.kinds import open_kind

from benchmarks._blocked import TRIES, blocked
from benchmarks._reader import Reader
from benchmarks._scratch import DATABASE, Scratch, begin, copy_all, scratch, setting, summary
from benchmarks._standby import Standby, standby_of

QUIET, PAUSE, FELT = "longest wait of a writer, no swap about", "the swap's pause", "longest wait of a writer, swap"
READ, READ_QUIET = "longest wait of a reader, swap", "longest wait of a reader, no swap about"
FAR, FAR_QUIET = "longest wait of a standby's reader, swap", "longest wait of a standby's reader, no swap about"
UNLIMITED = 1e6
ROWS = setting("ROWS", 1_000_000)


@dataclass
class Rounds:
    """What was seen: a swap in each round, and when it and the silence before it were."""

    swaps: list[Swap] = field(default_factory=list)
    written: list[tuple[float, float]] = field(default_factory=list)
    """Milliseconds that a writer waited at most: without the swap, and with it."""
    spans: list[tuple[float, float, float]] = field(default_factory=list)


def main() -> dict[str, Any]:
    """Swap, and beside each swap look at the same people for as long without one."""
    with ExitStack() as stack:
        made = stack.enter_context(scratch(ROWS))
        kind = _laid_out(made)
        standby = stack.enter_context(standby_of(made.cluster))
        application = stack.enter_context(made.application(UNLIMITED))
        with Reader(made.dsn()) as reader, Reader(standby.server.dsn(DATABASE)) as far:
            seen = _swap(kind, standby, application, setting("ROUNDS", 20))
        held = list(blocked(made.dsn(), kind, _hasty(made), application, _say))
    return _result(seen, reader, far, held)


def _laid_out(made: Scratch) -> Kind:
    kind = open_kind(_swappable(made), made.connect)
    began = time.monotonic()
    begin(kind)
    rows = copy_all(made, 2)
    kind.finish_backfill(Fence(kind.position().epoch))
    made.settle()
    _say(f"{rows} rows copied and settled in {time.monotonic() - began:.0f} s")
    return kind


def _hasty(made: Scratch) -> Kind:
    patience = made.migration.cutover.model_copy(update={"tries": TRIES})
    return open_kind(_swappable(made).model_copy(update={"cutover": patience}), made.connect)


def _swappable(made: Scratch) -> Migration:
    """The sample's, lock timeout and all, without the reads that each way over would compare again."""
    gates = made.migration.gates.model_copy(update={"shadow": None})
    return made.migration.model_copy(update={"gates": gates})


def _swap(kind: Kind, standby: Standby, application: WorkloadProcess, count: int) -> Rounds:
    seen = Rounds()
    for number in range(count):
        forth = number % 2 == 0
        if forth:
            # Each way over wants a fresh proof of its own. The writers rest meanwhile: how long it takes is `diff`'s question.
            application.pause()
            kind.verify(kind.diff())
            application.resume()
        standby.catch_up()
        time.sleep(1)
        application.mark(f"quiet{number}")
        began = time.monotonic()
        time.sleep(1.5)
        standby.catch_up()
        application.mark(f"swap{number}")
        asked = time.monotonic()
        swap = kind.cut_over() if forth else kind.cut_back()
        time.sleep(0.5)
        standby.catch_up()
        application.mark("between")
        phases = application.snapshot().phases
        seen.swaps.append(swap)
        seen.spans.append((began, asked, time.monotonic()))
        seen.written.append((phases[f"quiet{number}"].longest_gap_ms, phases[f"swap{number}"].longest_gap_ms))
        _say(_told(number, forth, swap, seen.written[-1][1]))
    return seen


def _result(seen: Rounds, reader: Reader, far: Reader, held: list[dict[str, Any]]) -> dict[str, Any]:
    pauses, failed = [s.pause_ms for s in seen.swaps], [ms for s in seen.swaps for ms in s.failed_tries_ms]
    cases = {
        QUIET: [quiet / 1000 for quiet, _ in seen.written],
        PAUSE: [s.longest_ms / 1000 for s in seen.swaps],
        FELT: [felt / 1000 for _, felt in seen.written],
        READ_QUIET: [reader.longest(began, asked) for began, asked, _ in seen.spans],
        READ: [reader.longest(asked, ended) for _, asked, ended in seen.spans],
        FAR_QUIET: [far.longest(began, asked) for began, asked, _ in seen.spans],
        FAR: [far.longest(asked, ended) for _, asked, ended in seen.spans],
    }
    result = summary("swap", PAUSE, QUIET, cases) | {
        "rows": ROWS,
        "p50_ms": median(pauses),
        "longest_ms": max(pauses),
        "pauses_ms": pauses,
        "failed_tries_ms": failed,
        "writers": _beside(cases[FELT], cases[QUIET]),
        "readers": _beside(cases[READ], cases[READ_QUIET]) | {"reads": reader.reads, "errors": reader.errors},
        "standby": _beside(cases[FAR], cases[FAR_QUIET]) | {"reads": far.reads, "errors": far.errors},
        "blocked": held,
    }
    _say(
        f"pause of {len(pauses)} swaps at {ROWS} rows: P50 {result['p50_ms']:.1f} ms, longest {result['longest_ms']:.1f} ms"
    )
    for who in ("writers", "readers", "standby"):
        _say(
            f"{who}: longest wait {result[who]['longest_ms']:.0f} ms, P50 {result[who]['p50_ms']:.0f} ms; with no swap about"
            f" {result[who]['quiet_longest_ms']:.0f} and {result[who]['quiet_p50_ms']:.0f} ms"
        )
    return result


def _beside(swap: list[float], quiet: list[float]) -> dict[str, Any]:
    return {
        "longest_ms": 1000 * max(swap),
        "p50_ms": 1000 * median(swap),
        "quiet_longest_ms": 1000 * max(quiet),
        "quiet_p50_ms": 1000 * median(quiet),
    }


def _told(number: int, forth: bool, swap: Swap, felt: float) -> str:
    way = "forth" if forth else "back"
    return (
        f"swap {number + 1} {way}: {swap.pause_ms:.1f} ms; failed tries: {_listed(swap.failed_tries_ms)};"
        f" writers waited {felt:.0f} ms at most"
    )


def _listed(milliseconds: Iterable[float]) -> str:
    return ", ".join(f"{ms:.0f} ms" for ms in milliseconds) or "none"


def _say(line: str) -> None:
    print(line, flush=True)
