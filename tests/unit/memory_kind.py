"""A second kind, in memory and asynchronous: it shows that the engine knows no engine.

What makes asynchronous capture hard is all here: changes wait in a log until somebody delivers them, a copy reads at one
moment and writes at a later one, and two tables are never read at the same instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from threading import RLock
from typing import NamedTuple

from sluice.migration.engine.contract import (
    COPIES_IN,
    ChunkBusy,
    Copied,
    Diff,
    Facts,
    Fence,
    Fenced,
    Finding,
    Held,
    Kind,
    Lag,
    Load,
    NotYet,
    Phase,
    Position,
    Progress,
    RowDiff,
    Swap,
    Window,
    WindowResult,
)
from sluice.proof.gates.rows import Subject


class Row(NamedTuple):
    """One row besides its key."""

    at: datetime
    note: str


Rows = dict[int, Row]
Change = tuple[int, Row | None]
"""A key and what became of it; None for a delete."""


@dataclass
class Chunk:
    """Keys in [lo, hi)."""

    lo: int
    hi: int
    done: bool = False
    rows: int = 0
    taken: bool = False


@dataclass
class World:
    """Two tables, the log between them and the marks: what every kind opened on it shares."""

    source: Rows = field(default_factory=dict)
    target: Rows = field(default_factory=dict)
    position: Position = field(default_factory=lambda: Position(Phase.PLANNED, 1))
    log: list[Change] = field(default_factory=list)
    delivered: int = 0
    tombstones: set[int] = field(default_factory=set)
    chunks: list[Chunk] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    between: Callable[[], None] = lambda: None
    """Called between the read and the write of a copy: where a race would be lost."""
    most_rows: int = 1_000_000
    """A larger chunk does not get its locks."""

    @property
    def live(self) -> Rows:
        """The table that applications use."""
        return self.target if self.position.phase in (Phase.CUT_OVER, Phase.RETIRED) else self.source

    @property
    def other(self) -> Rows:
        """The table that follows."""
        return self.source if self.live is self.target else self.target

    def write(self, key: int, row: Row | None) -> None:
        """Commit an application's write (None deletes); when this returns, it is acknowledged."""
        with self.lock:
            _apply(self.live, key, row)
            if self.position.phase in (*COPIES_IN, Phase.CUT_OVER):
                self.log.append((key, row))

    def move(self, *from_phases: Phase, to: Phase, epochs: int = 0) -> None:
        """Change the phase. Raises NotYet."""
        now = self.position
        if now.phase not in from_phases:
            raise NotYet(f"it is {now.phase}, not {' or '.join(from_phases)}")
        self.position = Position(to, now.epoch + epochs, now.verified_at, now.cut_over_at)

    def deliver_one(self) -> bool:
        """Bring the oldest waiting change to the other table; tells whether there was one."""
        with self.lock:
            if self.delivered == len(self.log):
                return False
            key, row = self.log[self.delivered]
            _apply(self.other, key, row)
            (self.tombstones.add if row is None else self.tombstones.discard)(key)
            self.delivered += 1
            return True

    def once_delivered(self) -> tuple[Rows, Rows]:
        """Give source and target as they will be when the log is empty."""
        other = dict(self.other)
        for key, row in self.log[self.delivered :]:
            _apply(other, key, row)
        return (other, self.target) if self.live is self.target else (self.source, other)

    def restart_log(self) -> None:
        """Begin an empty log, for the other direction."""
        self.log.clear()
        self.tombstones.clear()
        self.delivered = 0


class MemoryKind:
    """Moves `world.source` into `world.target`."""

    name = "memory"

    def __init__(self, world: World) -> None:
        self.world = world

    def preflight(self) -> list[Finding]:
        """An empty table is not worth a migration."""
        return [] if self.world.source else [Finding("empty", True, "the source is empty.", "Fill it.")]

    def describe_plan(self) -> str:
        """One line."""
        return f"copy {len(self.world.source)} rows"

    def position(self) -> Position:
        """From the marks."""
        return self.world.position

    def expand(self) -> Facts:
        """planned → expanded."""
        if self.world.position.phase is not Phase.EXPANDED:
            self.world.move(Phase.PLANNED, to=Phase.EXPANDED)
            self.world.target = {}
        return {"built": 1}

    def start_capture(self) -> Facts:
        """expanded → capturing: from this lock on, every write is in the log."""
        with self.world.lock:
            if self.world.position.phase is not Phase.CAPTURING:
                self.world.move(Phase.EXPANDED, to=Phase.CAPTURING)
                self.world.restart_log()
        return {"capture_enabled": 1}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Ranges over the keys that are there now; what comes later is captured."""
        with self.world.lock:
            keys = sorted(self.world.source)
            if not self.world.chunks:
                edges = [*keys[:: chunk_rows or 100], keys[-1] + 1]
                self.world.chunks = [Chunk(lo, hi) for lo, hi in pairwise(edges)]
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Read, let the world go on, then fill holes and check off under one lock."""
        with self.world.lock:
            self._check_fence(fence)
            chunk = next((c for c in self.world.chunks if not c.done and not c.taken), None)
            if chunk is None:
                return None
            number = self.world.chunks.index(chunk)
            read = {k: row for k, row in self.world.source.items() if chunk.lo <= k < chunk.hi}
            if len(read) > self.world.most_rows:
                raise ChunkBusy(f"chunk {number} is in the way of writers", number)
            chunk.taken = True
        try:
            self.world.between()
            with self.world.lock:
                self._check_fence(fence)
                chunk.rows, chunk.done = self._fill(read), True
        finally:
            chunk.taken = False
        return Copied(number, chunk.rows, 0.001)

    def halve_chunk(self, chunk: int) -> None:
        """Split in the middle of its keys."""
        with self.world.lock:
            old = self.world.chunks[chunk]
            middle = (old.lo + old.hi) // 2
            self.world.chunks.append(Chunk(middle, old.hi))
            old.hi = middle

    def progress(self) -> Progress:
        """Counted from the chunks."""
        with self.world.lock:
            done = [c for c in self.world.chunks if c.done]
            return Progress(
                len(self.world.chunks), len(done), sum(c.rows for c in done), len(self.world.source), 0.0, None
            )

    def load(self, lane: int) -> Load:
        """Nothing suffers here."""
        return Load()

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled."""
        with self.world.lock:
            self._check_fence(fence)
            progress = self.progress()
            if progress.done < progress.chunks:
                raise NotYet(str(progress))
            if self.world.position.phase is not Phase.BACKFILLED:
                self.world.move(Phase.CAPTURING, to=Phase.BACKFILLED)
        return {"chunks": progress.chunks, "rows_copied": progress.rows}

    def replicate(self, seconds: float) -> Lag:
        """Deliver from the log, in order."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.world.deliver_one():
            pass
        return Lag(len(self.world.log) - self.world.delivered)

    def drain(self, seconds: float) -> Lag:
        """Deliver what was written before this call."""
        until, deadline = len(self.world.log), time.monotonic() + seconds
        while self.world.delivered < until and time.monotonic() < deadline:
            self.world.deliver_one()
        return Lag(max(0, until - self.world.delivered), "the change log")

    def diff(self) -> Diff:
        """Read one table, then the other; what differs is looked at again together with what waits in the log."""
        return self._diff(lambda row: True)

    def check_verifier(self) -> Facts:
        """One row missing, one extra, one changed."""
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        left = {key: Row(moment, "") for key in (1, 2, 3)}
        right = {2: Row(moment, " "), 3: Row(moment, ""), 4: Row(moment, "")}
        return {
            "planted": 3,
            "planted_found": len(_differing(left, right)),
            "planted_missed": "",
            "equal_rows_flagged": 0,
        }

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified."""
        if not diff.clean:
            raise NotYet(f"not clean: {diff.facts()}")
        with self.world.lock:
            if self.world.position.phase is not Phase.SHADOWING:
                self.world.move(Phase.BACKFILLED, Phase.VERIFIED, to=Phase.VERIFIED)
            now = self.world.position
            self.world.position = Position(now.phase, now.epoch, datetime.now(UTC))
        return {}

    def forget_proof(self) -> None:
        """No cutover before the next clean diff."""
        with self.world.lock:
            now = self.world.position
            self.world.position = Position(now.phase, now.epoch, None, now.cut_over_at)

    def shadow(self) -> Facts:
        """verified → shadowing: the reads are lookups by key, the newest hundred; back where an answer differs."""
        with self.world.lock:
            source, target = self.world.once_delivered()
            keys = sorted(source)[-100:]
            wrong = sum(source.get(key) != target.get(key) for key in keys)
            self.world.move(Phase.VERIFIED, Phase.SHADOWING, to=Phase.VERIFIED if wrong else Phase.SHADOWING)
        return {"shadow_reads": len(keys), "shadow_differences": wrong}

    def cut_over(self) -> Swap:
        """shadowing → cut_over. Writers wait while the rest of the log is delivered."""
        with self.world.lock:
            if self.world.position.verified_at is None:
                raise NotYet("no proof")
            pause = self._swap(Phase.SHADOWING, to=Phase.CUT_OVER)
            now = self.world.position
            self.world.position = Position(now.phase, now.epoch, now.verified_at, datetime.now(UTC))
        return pause

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1, without the proof."""
        with self.world.lock:
            pause = self._swap(Phase.CUT_OVER, to=Phase.VERIFIED, epochs=1)
            self.world.position = Position(Phase.VERIFIED, self.world.position.epoch)
        return pause

    def retire(self) -> Facts:
        """cut_over → retired: nothing follows any more."""
        with self.world.lock:
            self._swap(Phase.CUT_OVER, to=Phase.RETIRED)
        return {"old_kept": int(bool(self.world.source))}

    def abort(self) -> str:
        """Anything before cut_over → planned, epoch + 1."""
        with self.world.lock:
            self.world.move(Phase.EXPANDED, *COPIES_IN, to=Phase.PLANNED, epochs=1)
            self.world.position = Position(Phase.PLANNED, self.world.position.epoch)
            self.world.target, self.world.chunks = {}, []
            self.world.restart_log()
        return "planned again; the source was not touched"

    def standing(self) -> Facts:
        """Everything fits, and nothing drifts."""
        return {"fingerprint_differs": 0, "quarantined": 0, "quarantined_told": ""}

    def quarantine(self, most: int) -> Sequence[Held]:
        """Nothing."""
        return ()

    def sample(self) -> Subject | None:
        """It cannot be asked in SQL."""
        return None

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill the holes of a window and compare it."""
        with self.world.lock:
            inside = {k: row for k, row in self.world.source.items() if window.lower <= row.at < window.upper}
            filled = self._fill(inside)
        return WindowResult(filled, self._diff(lambda row: window.lower <= row.at < window.upper))

    def _check_fence(self, fence: Fence) -> None:
        now = self.world.position
        if now.epoch != fence.epoch or now.phase not in COPIES_IN:
            raise Fenced(f"{now.phase} in epoch {now.epoch}; this worker was started for epoch {fence.epoch}")

    def _fill(self, read: Rows) -> int:
        """Only holes: what is there is newer, and what was deleted meanwhile stays deleted."""
        holes = {k: r for k, r in read.items() if k not in self.world.target and k not in self.world.tombstones}
        self.world.target.update(holes)
        return len(holes)

    def _swap(self, phase: Phase, *, to: Phase, epochs: int = 0) -> Swap:
        started = time.monotonic()
        while self.world.deliver_one():
            pass
        self.world.move(phase, to=to, epochs=epochs)
        self.world.restart_log()
        return Swap((time.monotonic() - started) * 1000)

    def _diff(self, within: Callable[[Row], bool]) -> Diff:
        source, target = ({k: r for k, r in self._read(side).items() if within(r)} for side in ("source", "target"))
        suspects = _differing(source, target)
        with self.world.lock:
            sides = self.world.once_delivered()
            suspects = _differing(*({k: side[k] for k in suspects if k in side} for side in sides))
        what = [d.what for d in suspects.values()]
        counts = (what.count("missing"), what.count("extra"), what.count("different"))
        compared = max(len(source), len(target))
        return Diff(compared, len(source), len(target), *counts, "", 0.0, tuple(suspects.values()))

    def _read(self, side: str) -> Rows:
        with self.world.lock:
            return dict(getattr(self.world, side))


def _apply(rows: Rows, key: int, row: Row | None) -> None:
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = row


def _differing(left: Rows, right: Rows) -> dict[int, RowDiff]:
    """Every key that is not the same on both sides, and how."""
    how = {k: "missing" if k not in right else "extra" if k not in left else "different" for k in left.keys() | right}
    return {k: RowDiff(str(k), how[k]) for k in sorted(how) if left.get(k) != right.get(k)}


KIND: type[Kind] = MemoryKind
"""mypy reads this line: every verb of the contract is here, with its types."""
