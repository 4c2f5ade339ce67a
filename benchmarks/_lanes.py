"""Real lanes, many of them: two hundred while some are killed in the middle of a chunk, and how far more lanes are faster."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sluice.errors import Transient
from sluice.estate.models import Limits
from sluice.local.databases import MOVER
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.stores.postgres import connect, one
from sluice.stores.statements import statement

from benchmarks._ceiling import finish
from benchmarks._scratch import DATABASE, Scratch, begin, copy_all

UNLIMITED = Limits(replica_lag=None, commit_latency=None, waiting_writers=None)


@dataclass
class Dying:
    """Lanes that are killed while they copy, and come back at once."""

    made: Scratch
    lanes: int
    deaths: int
    died: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, chunk_rows: int) -> dict[str, Any]:
        """Work the whole backfill and judge it: every chunk once, every row once, both tables equal."""
        kind = self.made.kind()
        kind.abort()
        kind.expand()
        kind.start_capture()
        chunks = kind.plan_chunks(chunk_rows).chunks
        fence = Fence(kind.position().epoch)
        began = time.monotonic()
        with ThreadPoolExecutor(self.lanes + 1) as pool:
            killer = pool.submit(self._kill)
            for worker in [pool.submit(self._work, lane, fence) for lane in range(self.lanes)]:
                worker.result()
            self.over.set()
            killed = killer.result()
        seconds = time.monotonic() - began
        steps.finish_backfill(kind)
        judged, diff = one(self.made.connect(), statement("bench.judge_lanes")), kind.diff()
        if judged["done"] != judged["chunks"] or judged["rows"] != diff.source_rows or not diff.clean:
            raise ValueError(f"not every row once: {judged}, {diff.facts()}")
        differ = diff.missing + diff.extra + diff.different
        told = {"compared": diff.compared, "differ": differ, "laid_out": chunks, "killed": killed, "died": self.died}
        return {**judged, **told, "seconds": seconds}

    def _work(self, lane: int, fence: Fence) -> None:
        while True:
            kind = self.made.kind()
            try:
                if work_lane(kind, lane, fence, Throttle(UNLIMITED)).finished:
                    return
            except (psycopg.OperationalError, Transient):
                self.died += 1

    def _kill(self) -> int:
        ended = 0
        with connect(self.made.cluster.dsn(DATABASE), purpose="bench") as admin:
            while ended < self.deaths and not self.over.wait(0.1):
                ended += len(admin.execute(statement("bench.end_lanes"), {"role": MOVER, "most": 5}).fetchall())
        return ended


def pace(made: Scratch, lanes: int) -> dict[str, Any]:
    """Rows a second of so many lanes, and how many chunks took too long and were halved."""
    begin(made.kind())
    made.settle()
    laid_out = made.kind().progress().chunks
    began = time.monotonic()
    rows = copy_all(made, lanes)
    seconds = time.monotonic() - began
    took = [row["seconds"] for row in made.connect().execute(statement("bench.list_chunk_seconds"))]
    halved = len(took) - laid_out
    return {"lanes": lanes, "rows": rows, "seconds": seconds, "halved": halved, "chunk_seconds": took}


def pauses(made: Scratch, chunks: int) -> list[float]:
    """Milliseconds of swaps forth and back with so many chunks in the marks."""
    begin(made.kind())
    copy_all(made, 2)
    kind, c = made.kind(), made.connect()
    if chunks:
        c.execute(statement("marks.plan_page_chunks"), {"name": made.migration.name, "pages": 1, "last": chunks})
        finish(made, chunks)
    steps.finish_backfill(kind)
    seen = []
    for _ in range(3):
        steps.verify(kind)
        steps.shadow(kind)
        seen += [kind.cut_over().pause_ms, kind.cut_back().pause_ms]
    return seen
