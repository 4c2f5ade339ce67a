"""What the shadow read measured: for each statement, and in all, as the facts that its gate judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg

from sluice.estate.models import Shadow
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.shadow.reads import Read, Skipped
from sluice.migration.kinds.same_cluster.shadow.wording import shown

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
LEFT_OUT = "the shadow read is left out (gates.shadow: null): no read of the application was compared"


@dataclass
class Result:
    """One statement on both tables. Milliseconds on the server; of the answers only counts are kept."""

    read: Read
    wanted: Shadow
    old_ms: list[float] = field(default_factory=list)
    new_ms: list[float] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    cut: set[str] = field(default_factory=set)
    reads: int = 0
    rows: int = 0
    unordered: int = 0
    unlike: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    too_long: bool = False
    misplaced: bool = False
    """Whether the old table was read where the new one should have been: then nothing was compared."""
    reason: str = ""

    def answered(self, count: int, unlike: str | None) -> None:
        """Note a pair of answers: None for the same, '' for the same but for ties, or how they differ."""
        self.reads += 1
        self.rows += count
        if unlike:
            self.unlike.append(unlike)
        elif unlike == "":
            self.unordered += 1

    def timed(self, old_ms: float, new_ms: float, scanned: int) -> None:
        """Note what one read took on either side, and how many partitions the new one looked at."""
        self.old_ms.append(old_ms)
        self.new_ms.append(new_ms)
        self.scanned.append(scanned)

    def failed_alike(self, error: psycopg.Error) -> None:
        """Note a pair that says nothing. The class of the error alone: a message may hold a value."""
        self.failed.append(type(error).__name__)

    def confirmed_by(self, again: Result) -> None:
        """A slow one is measured twice: what a busy moment did once is no finding."""
        if not again.slow:
            self.old_ms, self.new_ms, self.too_long = again.old_ms, again.new_ms, False

    @property
    def untried(self) -> str:
        """Why nothing was compared; nothing when something was."""
        if self.misplaced:
            return "the new table could not be put in its place everywhere (it is read through a view, too)"
        if self.reads or self.too_long:
            return ""
        failed = ", ".join(sorted(set(self.failed)))
        return self.reason or (f"no answer could be compared ({failed})" if failed else "there is no row to ask for")

    @untried.setter
    def untried(self, reason: str) -> None:
        self.reason = reason

    @property
    def slow(self) -> bool:
        """Whether the new table's P95 is beyond the limit set."""
        old, new = percentile(self.old_ms, 0.95), percentile(self.new_ms, 0.95)
        allowance = self.wanted.allowance.total_seconds() * 1000
        return self.too_long or new > self.wanted.slower_than * old + allowance

    @property
    def ratio(self) -> float:
        """The new table's P95 by the old one's."""
        return percentile(self.new_ms, 0.95) / max(percentile(self.old_ms, 0.95), 0.001)

    def unpruned(self, leaves: int) -> bool:
        """Whether it compares a partition column, and every partition was looked at each time."""
        return bool(self.cut and leaves > 1 and self.scanned) and min(self.scanned) == leaves

    def told(self, leaves: int) -> str:
        """One line for a person."""
        pair = ", ".join(
            f"{name.upper()} {percentile(self.old_ms, share):.2f} → {percentile(self.new_ms, share):.2f}"
            for name, share in SHARES.items()
        )
        seen = f", {round(percentile(self.scanned, 0.5))} of {leaves} partitions" if leaves else ""
        more = f", {self.unordered} unordered" if self.unordered else ""
        failed = f", {len(self.failed)} failed on both" if self.failed else ""
        return f"{self.reads} reads of {self.rows} rows, ms: {pair}{seen}{more}{failed}: {shown(self.read.text)}"


def facts_of(
    wanted: Shadow, results: Sequence[Result], skipped: Sequence[Skipped], nothing: str, *, leaves: int
) -> Facts:
    """The numbers of a whole shadow read; `nothing` says why there may be no statement at all."""
    unlike = [f"{shown(r.read.text)}: {r.unlike[0]}, {len(r.unlike)} of {r.reads} times" for r in results if r.unlike]
    slow = [r for r in results if r.slow]
    worst = max(results, key=lambda r: (r.too_long, r.ratio), default=None)
    facts: Facts = {
        "shadow_statements": len(results),
        "shadow_reads": sum(r.reads for r in results),
        "shadow_reads_lacking": int(wanted.required and not any(r.reads for r in results)),
        "shadow_rows": sum(r.rows for r in results),
        "shadow_differences": len(unlike),
        "shadow_unordered": sum(r.unordered for r in results),
        "shadow_skipped": len(skipped),
        "shadow_failed_alike": sum(len(r.failed) for r in results),
        "shadow_slower": len(slow),
        "shadow_unpruned": sum(r.unpruned(leaves) for r in results),
        "shadow_partitions": leaves,
        "shadow_partitions_scanned_p50": round(percentile([n for r in results for n in r.scanned], 0.5)),
        **_milliseconds("source", (ms for r in results for ms in r.old_ms)),
        **_milliseconds("target", (ms for r in results for ms in r.new_ms)),
        "shadow_worst": _worst(worst) if worst else "",
        "shadow_differing": "\n".join(unlike),
        "shadow_slow": "\n".join(_worst(r) for r in slow),
        "shadow_skipped_why": "\n".join(map(str, skipped)),
        "shadow_each": "\n".join(r.told(leaves) for r in results),
    }
    return {**facts, "headline": _headline(facts, nothing)}


def left_out() -> Facts:
    """The facts of a shadow read that the YAML does not want."""
    return {**facts_of(Shadow(), (), (), "", leaves=0), "headline": LEFT_OUT}


def is_good(facts: Facts) -> bool:
    """Whether every answer was the same and none too late, and there was one where the YAML requires it."""
    return not any(facts[name] for name in ("shadow_differences", "shadow_slower", "shadow_reads_lacking"))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share of the values does not pass; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _milliseconds(side: str, values: Iterable[float]) -> Facts:
    known = list(values)
    return {f"shadow_{name}_{side}_ms": round(percentile(known, share), 3) for name, share in SHARES.items()}


def _worst(result: Result) -> str:
    if result.too_long:
        return f"given up on the new table: {shown(result.read.text)}"
    old, new = percentile(result.old_ms, 0.95), percentile(result.new_ms, 0.95)
    return f"{result.ratio:.1f} times, P95 {old:.2f} → {new:.2f} ms: {shown(result.read.text)}"


def _headline(facts: Facts, nothing: str) -> str:
    if not facts["shadow_statements"]:
        why = f"{facts['shadow_skipped']} were skipped" if facts["shadow_skipped"] else nothing
        return f"no reads to compare: {why}"
    return (
        f"{facts['shadow_statements']} statements of the application, {facts['shadow_reads']} reads:"
        f" {facts['shadow_differences']} statements answered otherwise, {facts['shadow_slower']} beyond the limit,"
        f" {facts['shadow_skipped']} skipped; P95 {facts['shadow_p95_source_ms']} → {facts['shadow_p95_target_ms']} ms"
    )
