"""The one contract: what a way of moving a dataset must be able to do, and the plain values it speaks in.

The engine drives any kind through the same phases; the kind knows its stores. `docs/howto/add-a-kind.md` walks through one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from sluice.errors import Terminal
from sluice.proof.gates.rows import Subject
from sluice.stores.postgres import LockBusy

Facts: TypeAlias = dict[str, int | float | str | bool]
"""What a step measured: judged by its gate, kept in the ledger."""


class Phase(StrEnum):
    """Where a migration stands. The order is the way forward."""

    PLANNED = "planned"
    EXPANDED = "expanded"
    CAPTURING = "capturing"
    BACKFILLED = "backfilled"
    VERIFIED = "verified"
    SHADOWING = "shadowing"
    CUT_OVER = "cut_over"
    RETIRED = "retired"

    @property
    def rank(self) -> int:
        """Its place on the way forward, from 0."""
        return list(Phase).index(self)


COPIES_IN = (Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED, Phase.SHADOWING)
"""Where capture is on and the name not yet handed over: rows may be brought to the target."""


class Fenced(Terminal):
    """A younger epoch has taken over: this worker must stop."""


class Drifted(Terminal):
    """A table is not what it was when the migration began."""


class NotYet(Terminal):
    """The step asked for does not fit the phase."""


class ChunkBusy(LockBusy):
    """Writers were in the way of a chunk; it carries the chunk, so that it can be halved."""

    def __init__(self, message: str, chunk: int) -> None:
        super().__init__(message)
        self.chunk = chunk


class Held(NamedTuple):
    """What the table that follows cannot hold: a key of the source, and why."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


@dataclass(frozen=True)
class Finding:
    """One thing that preflight saw. `code` is what `accept:` names, where a person may accept it at all."""

    code: str
    blocks: bool
    what: str
    way_on: str
    acceptable: bool = False

    def __str__(self) -> str:
        return f"{'REFUSED' if self.blocks else 'noted'} [{self.code}] {self.what} {self.way_on}".rstrip()


@dataclass(frozen=True)
class Position:
    """Where the marks say the migration stands."""

    phase: Phase
    epoch: int
    verified_at: datetime | None = None
    cut_over_at: datetime | None = None
    now: datetime | None = None
    """The store's own clock: ages are measured by it. None before there are marks."""


@dataclass(frozen=True)
class Fence:
    """What a worker was started for. A chunk copied under an older epoch is refused."""

    epoch: int


@dataclass(frozen=True)
class Copied:
    """One chunk, filled and checked off."""

    chunk: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far the backfill is. Rate in rows a second, ETA in seconds (None before the first chunk)."""

    chunks: int
    done: int
    rows: int
    rows_estimated: int
    rate: float
    eta: float | None

    def __str__(self) -> str:
        share = 100 * self.done / self.chunks if self.chunks else 100
        eta = "unknown" if self.eta is None else f"{self.eta:.0f} s"
        return (
            f"{share:.0f} % ({self.done}/{self.chunks} chunks, {self.rows:,} rows, {self.rate:,.0f} rows/s, ETA {eta})"
        )


@dataclass(frozen=True)
class Load:
    """How the store feels now. Seconds, sessions, megabytes of WAL a second; None where it cannot be seen."""

    replica_lag: float | None = None
    commit_latency: float | None = None
    waiting_writers: int | None = None
    wal_rate_mb: float | None = None


@dataclass(frozen=True)
class Lag:
    """What capture has still to deliver, and who holds it up."""

    pending: int
    held_by: str = ""
    behind: float = 0.0
    """How many seconds ago the oldest of it was written."""
    counts: str = "older snapshots"
    """What is pending, in a word or two."""
    way_on: str = "End them, then clear this task"
    """What a person does who will not wait."""
    passes: bool = False
    """Whether it goes by without a person."""


@dataclass(frozen=True)
class RowDiff:
    """One row that differs: its key as text, how, and in which columns. `of` is its type, `hows` how each column differs."""

    key: str
    what: str
    columns: tuple[str, ...] = ()
    of: str = ""
    hows: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.key} {self.what}" + (f" in {', '.join(self.columns)}" if self.columns else "")


@dataclass(frozen=True)
class Diff:
    """Source against target. `hash` is over the source's rows, free of order; `epoch` is the one in which it was begun.

    `empty`: nothing was compared, because a count of its own found no row on either side. `since` is when the oldest look
    that it trusts began, by the store's clock; `under`, the state of capture then, in the kind's own words.
    """

    compared: int
    source_rows: int
    target_rows: int
    missing: int
    extra: int
    different: int
    hash: str
    seconds: float
    samples: tuple[RowDiff, ...] = ()
    empty: bool = False
    epoch: int = 0
    since: datetime | None = None
    under: str | None = None
    races: int = 0
    """Differences that were gone at a second look: two stores share no snapshot."""
    account: Facts | None = None
    """What else a kind counted: by type of record, by attribute."""

    @property
    def clean(self) -> bool:
        """Whether anything was compared (or there is nothing, by count) and nothing differed."""
        return (self.compared > 0 or self.empty) and not (self.missing or self.extra or self.different)

    def facts(self) -> Facts:
        """The counts, by the names that the gates use."""
        return {
            "rows_compared": self.compared,
            "counted_empty": int(self.empty),
            "rows_source": self.source_rows,
            "rows_target": self.target_rows,
            "rows_missing": self.missing,
            "rows_extra": self.extra,
            "rows_different": self.different,
            "rows_raced": self.races,
            "diff_hash": self.hash,
            "diff_seconds": round(self.seconds, 3),
            "diff_samples": "; ".join(str(s) for s in self.samples[:20]),
            **(self.account or {}),
        }


@dataclass(frozen=True)
class Swap:
    """A cutover, either way. Milliseconds on the server, from asking for the lock to its commit."""

    pause_ms: float
    failed_tries_ms: tuple[float, ...] = ()
    facts: Facts | None = None

    @property
    def longest_ms(self) -> float:
        """The longest that anybody queued behind us, failed tries counted each by itself."""
        return max((self.pause_ms, *self.failed_tries_ms))


@dataclass(frozen=True)
class Window:
    """Half-open bounds of a backfilled window."""

    lower: datetime
    upper: datetime

    def __str__(self) -> str:
        return f"{self.lower:%Y-%m-%d} to {self.upper:%Y-%m-%d}"


@dataclass(frozen=True)
class WindowResult:
    """What redoing a window did, and its proof."""

    filled: int
    diff: Diff


class Kind(Protocol):
    """One way to move a dataset. Owns no loop, no state and no Airflow; every verb may be called twice."""

    name: str
    """The migration's."""

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""

    def describe_plan(self) -> str:
        """What would be done, for a person to read, statements included. Read-only."""

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""

    def expand(self) -> Facts:
        """Build the target, empty. planned → expanded."""

    def start_capture(self) -> Facts:
        """Keep the target in step with every write from now on. expanded → capturing."""

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out what is to be copied, in chunks of about so many rows; a second call mends only a layout gone stale."""

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Fill the target's holes in one pending chunk and check it off, in one transaction. None when none is pending.

        Raises Fenced when a younger epoch has taken over, Drifted, or ChunkBusy (transient) when writers were in the way.
        """

    def halve_chunk(self, chunk: int) -> None:
        """Split a chunk that was too large to get its locks."""

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""

    def load(self, lane: int) -> Load:
        """How the store feels now."""

    def finish_backfill(self, fence: Fence) -> Facts:
        """Account for the whole key space. capturing → backfilled. Raises NotYet while a chunk is pending."""

    def replicate(self, seconds: float) -> Lag:
        """Deliver captured changes until none is left, for so long at most; any lane may call it, beside the others.

        Nothing to do where capture is atomic with the write.
        """

    def drain(self, seconds: float) -> Lag:
        """Wait until nothing that was written before this call stands between source and target, so long at most.

        Says what is left and who holds it up. Where changes are delivered later, it delivers them.
        """

    def diff(self) -> Diff:
        """Compare every row. Read-only."""

    def check_verifier(self) -> Facts:
        """Plant known corruption in scratch and count what the verifier finds of it."""

    def verify(self, diff: Diff) -> Facts:
        """Take a clean diff as proof. backfilled → verified; further on, the proof alone. Raises NotYet when it is not clean."""

    def forget_proof(self) -> None:
        """A diff was not clean, or the verifier is blind: what was proven before counts no more."""

    def shadow(self) -> Facts:
        """Run the application's own reads on both sides. Read-only but for the phase.

        verified → shadowing, and back where an answer differs or a read is slower than the limit set: the facts say which.
        """

    def cut_over(self) -> Swap:
        """Make the target the table that applications use, reverse capture on. shadowing → cut_over."""

    def cut_back(self) -> Swap:
        """Make the source that table again, with every write since. cut_over → verified, epoch + 1."""

    def retire(self) -> Facts:
        """Stop reverse capture and put the old table away, kept. cut_over → retired."""

    def abort(self) -> str:
        """Take everything back. Anything before cut_over → planned, epoch + 1."""

    def standing(self) -> Facts:
        """What every gate wants: `fingerprint_differs` (0 or 1), `quarantined` (rows), the first as `quarantined_told`."""

    def quarantine(self, most: int) -> Sequence[Held]:
        """What waits in quarantine and why, the oldest first, so many at most. Read-only."""

    def sample(self) -> Subject | None:
        """Where a person's own suites look: the target, bounded by its window, or rows of it where SQL cannot be asked."""

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill the target's holes in a window of history again, and compare it."""


def as_facts(value: Progress | Load) -> Facts:
    """A progress or load as facts, without what could not be seen."""
    return {name: seen for name, seen in asdict(value).items() if seen is not None}
