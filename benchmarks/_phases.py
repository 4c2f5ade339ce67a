"""One migration from its first step until it is cut over and back, without Airflow, and what each phase took of what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sluice.migration.engine import steps
from sluice.migration.engine.contract import Facts
from sluice.proof.diff import rows as diff
from sluice.stores.postgres import connect, one
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, copy_all, scratch, setting, timed

LANES = 2
LOG_MEGABYTES = setting("LOG_MB", 4000)
PHASES = ("expand", "capture", "backfill", "vacuum", "verify", "shadow", "cut over", "cut back")
Say = Callable[[str], None]


def migrate(rows: int, ranges: int, say: Say = print) -> dict[str, Any]:
    """Move a table of so many rows on a server of its own; compare it in so many ranges, as a larger one will be."""
    began = time.monotonic()
    with scratch(rows) as made, compared_in(ranges, rows):
        with connect(made.cluster.dsn(), purpose="bench") as admin:
            admin.execute(statement("bench.fill_log"), {"megabytes": LOG_MEGABYTES})
        made.settle()
        say(f"  {'made':9} {time.monotonic() - began:7.1f} s")
        phases = {name: _measured(made, name, say) for name in PHASES}
        return {"rows": rows, "made": time.monotonic() - began, "phases": phases, **_what_is_there(made, phases)}


@contextmanager
def compared_in(ranges: int, rows: int) -> Iterator[None]:
    """Let the comparison cut the table into so many ranges."""
    before, diff.RANGE_ROWS = diff.RANGE_ROWS, -(-rows // ranges)
    yield
    diff.RANGE_ROWS = before


def _measured(made: Scratch, name: str, say: Say) -> dict[str, Any]:
    """Take a phase until what it wrote is on the disk: a small table would leave all of that to the next phase."""
    c, facts = made.connect(), {}
    before = one(c, statement("bench.read_meter"))
    with connect(made.cluster.dsn(), purpose="bench") as admin:
        seconds = timed(lambda: (facts.update(_take(made, name)), admin.execute(statement("bench.checkpoint"))))
    after = one(c, statement("bench.read_meter"))
    grown = {key: after[key] - before[key] for key in before}
    say(f"  {name:9} {seconds:7.1f} s {grown['wal'] / 1e6:9.1f} MB of WAL")
    return {"seconds": seconds, **grown, "facts": facts}


def _take(made: Scratch, name: str) -> Facts:
    """Take a phase as the tasks of `migrate__user_sessions` do."""
    kind = made.kind()
    if name == "backfill":
        return {"laid_out": kind.plan_chunks().chunks, "written": copy_all(made, LANES)}
    takes = {"vacuum": steps.finish_backfill, **{step.replace("_", " "): take for step, take in steps.TAKES.items()}}
    return takes[name](kind)


def _what_is_there(made: Scratch, phases: dict[str, Any]) -> dict[str, Any]:
    """Sizes, marks and pauses at the end; and that nothing was lost, or this measures something else."""
    c, verified = made.connect(), phases["verify"]["facts"]
    if (
        verified["rows_missing"]
        or verified["rows_extra"]
        or verified["rows_different"]
        or not verified["rows_compared"]
    ):
        raise ValueError(f"the tables differ: {verified}")
    row = one(c, statement("marks.find_migration"), name=made.migration.name)
    source, target = (one(c, statement("bench.measure_size"), oid=row[f"{side}_oid"]) for side in ("source", "target"))
    marks = one(c, statement("bench.count_marks"))
    return {
        "chunks": marks["chunks"],
        "laid out": phases["backfill"]["facts"]["laid_out"],
        "rows of marks": marks["rows"],
        "bytes of marks": marks["bytes"],
        "heap": int(source["heap"]),
        "source": int(source["bytes"]),
        "target": int(target["bytes"]),
        "transactions": sum(phase["transactions"] for phase in phases.values()),
        "wal": sum(phase["wal"] for phase in phases.values()),
        "seconds": sum(phase["seconds"] for phase in phases.values()),
        "pauses_ms": [phases[swap]["facts"]["pause_ms"] for swap in ("cut over", "cut back")],
    }
