"""Counts and waiting times of the live workload, by phase: what users noticed of a cutover.

A write is counted in the phase in which it was asked; its waiting time belongs to every phase it touched:
so a write that waited right through a short phase cannot escape it.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

SAMPLES = 5
TOTAL = "total"


@dataclass(frozen=True)
class PhaseReport:
    """One phase. `writes` are acknowledged transactions, `counts` their statements by kind.

    `retries` (by error class) passed by themselves; `errors` (by class, `user_errors` together) a user saw.
    """

    name: str
    seconds: float
    writes: int
    counts: dict[str, int]
    retries: dict[str, int]
    errors: dict[str, int]
    user_errors: int
    samples: tuple[str, ...]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_gap_ms: float
    longest_read_ms: float


@dataclass(frozen=True)
class Snapshot:
    """The workload as it stands: the phase now, the longest wait still going on, a report for each phase."""

    phase: str
    waiting_ms: float
    total: PhaseReport
    phases: dict[str, PhaseReport]

    def as_json(self) -> dict[str, Any]:
        """Give plain values for one JSON line."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Snapshot:
        """Read what `as_json` gave."""
        phases = {name: PhaseReport(**report) for name, report in value["phases"].items()}
        return cls(value["phase"], value["waiting_ms"], PhaseReport(**value["total"]), phases)


@dataclass
class _Sums:
    writes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    waits: array[float] = field(default_factory=lambda: array("d"))
    longest_read: float = 0.0


class Tally:
    """Thread-safe. A writer says `asked`, then one of `answered`, `failed` or `gave_up`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._marks: list[tuple[float, str]] = [(time.monotonic(), "running")]
        self._sums: dict[str, _Sums] = {TOTAL: _Sums()}
        self._asked: dict[int, float] = {}

    @property
    def phase(self) -> str:
        """The phase now."""
        return self._marks[-1][1]

    @property
    def writes(self) -> int:
        """Acknowledged transactions so far."""
        return self._sums[TOTAL].writes

    def mark(self, name: str) -> None:
        """From now on it is phase `name`."""
        if name == TOTAL:
            raise ValueError(f"a phase cannot be called {TOTAL!r}")
        with self._lock:
            self._marks.append((time.monotonic(), name))

    def asked(self, writer: int) -> None:
        """A user asks; the waiting time starts."""
        with self._lock:
            self._asked[writer] = time.monotonic()

    def answered(self, writer: int, kinds: Iterable[str]) -> None:
        """A transaction of these kinds was acknowledged."""
        with self._lock:
            asked = self._asked.pop(writer)
            wait = time.monotonic() - asked
            for sums in self._counted(asked):
                sums.writes += 1
                sums.counts.update(kinds)
            for sums in self._touched(asked):
                sums.waits.append(wait)

    def read(self, writer: int) -> None:
        """A page was read."""
        with self._lock:
            asked = self._asked.pop(writer)
            for sums in self._counted(asked):
                sums.counts["reads"] += 1
            for sums in self._touched(asked):
                sums.longest_read = max(sums.longest_read, time.monotonic() - asked)

    def ended(self, writer: int, kind: str) -> None:
        """It ended without an acknowledgement: rolled back on purpose, or unknown."""
        with self._lock:
            for sums in self._counted(self._asked.pop(writer)):
                sums.counts[kind] += 1

    def retried(self, writer: int, error: BaseException) -> None:
        """An error that passes by itself; the user goes on waiting."""
        with self._lock:
            for sums in self._counted(self._asked[writer]):
                sums.retries[type(error).__name__] += 1

    def failed(self, writer: int, error: BaseException, doing: str) -> None:
        """A user saw an error."""
        with self._lock:
            for sums in self._counted(self._asked.pop(writer)):
                sums.errors[type(error).__name__] += 1
                if len(sums.samples) < SAMPLES:
                    sums.samples.append(f"{doing}: {type(error).__name__}: {str(error).strip()}"[:300])

    def gave_up(self, writer: int) -> None:
        """The workload stops; this user's question no longer counts."""
        with self._lock:
            self._asked.pop(writer, None)

    def snapshot(self) -> Snapshot:
        """Report every phase so far; users who wait now count with the time they have waited."""
        now = time.monotonic()
        with self._lock:
            waiting = {name: 0.0 for name in self._sums}
            for asked in self._asked.values():
                for name in (TOTAL, *self._names_since(asked)):
                    waiting[name] = max(waiting.get(name, 0.0), now - asked)
            seconds = self._seconds(now)
            reports = {
                name: _report(name, self._sums.get(name, _Sums()), seconds[name], waiting.get(name, 0.0))
                for name in seconds
            }
            return Snapshot(self.phase, waiting[TOTAL] * 1000, reports.pop(TOTAL), reports)

    def _counted(self, asked: float) -> list[_Sums]:
        return [self._of(TOTAL), self._of(self._names_since(asked)[-1])]

    def _touched(self, asked: float) -> list[_Sums]:
        return [self._of(TOTAL), *map(self._of, set(self._names_since(asked)))]

    def _of(self, name: str) -> _Sums:
        return self._sums.setdefault(name, _Sums())

    def _names_since(self, asked: float) -> list[str]:
        names = []
        for start, name in reversed(self._marks):
            names.append(name)
            if start <= asked:
                break
        return names

    def _seconds(self, now: float) -> dict[str, float]:
        spent = {TOTAL: now - self._marks[0][0]}
        ends = [start for start, _ in self._marks[1:]] + [now]
        for (start, name), end in zip(self._marks, ends, strict=True):
            spent[name] = spent.get(name, 0.0) + end - start
        return spent


def _report(name: str, sums: _Sums, seconds: float, waiting: float) -> PhaseReport:
    waits = sorted(sums.waits)
    return PhaseReport(
        name=name,
        seconds=round(seconds, 3),
        writes=sums.writes,
        counts=dict(sums.counts),
        retries=dict(sums.retries),
        errors=dict(sums.errors),
        user_errors=sums.errors.total(),
        samples=tuple(sums.samples),
        p50_ms=_quantile(waits, 0.50),
        p95_ms=_quantile(waits, 0.95),
        p99_ms=_quantile(waits, 0.99),
        longest_gap_ms=round(max([waiting, *waits[-1:]]) * 1000, 2),
        longest_read_ms=round(sums.longest_read * 1000, 2),
    )


def _quantile(ordered: list[float], share: float) -> float:
    """Nearest rank, in milliseconds; 0 when nothing was measured."""
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 2) if ordered else 0.0
