"""One migration as it stands: its phases, copy, lag, proof, gates and way back, put together from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.ledger.samples import Sample
from sluice.ledger.seen import Seen
from sluice.migration.engine.contract import COPIES_IN, Phase
from sluice.overview.asked import Waiting
from sluice.overview.links import dag_path, run_path
from sluice.overview.migrations.compared import Compared, Verdict
from sluice.overview.migrations.names import BESIDE, dag_of, page_of
from sluice.overview.migrations.pace import Pace
from sluice.overview.migrations.phases import Step, line
from sluice.overview.migrations.seen import File, Look, Stood, is_copying, read
from sluice.overview.migrations.way_back import WayBack, way_back
from sluice.stores.postgres import Row

LOOKED_WITHIN = timedelta(minutes=5)
"""Who looks does so every 15 seconds: after so long without any look, nobody looks."""
SAID = timedelta(minutes=10)
"""How old what a follower said last may be, and be how far it is now."""


@dataclass(frozen=True)
class Copy:
    """How far its copy is."""

    done: int
    chunks: int
    unit: str
    """What is counted: `chunks`, or `segments` of a scan."""
    rows: int
    rows_estimated: int
    share: float
    """From 0 to 1: by chunks, or by rows where segments are few."""
    is_over: bool
    pace: Pace


@dataclass(frozen=True)
class Lag:
    """How late what follows has what was written."""

    behind: timedelta | None
    """None where nothing was measured lately."""
    at: datetime | None
    """When it was measured; None where there is none by construction."""
    told: str
    late: bool = False


@dataclass(frozen=True)
class Want:
    """Something about it that wants a person."""

    what: str
    link: str | None = None
    since: datetime | None = None
    grave: bool = True
    asks: bool = False
    """Whether it is a question: nothing is wrong, and somebody is waited for."""

    @property
    def sign(self) -> str:
        """How it is marked."""
        return "?" if self.asks else "✘" if self.grave else "⚠"


@dataclass(frozen=True)
class Worked:
    """The run that worked on it last, or does now."""

    run: str
    at: datetime
    link: str


@dataclass(frozen=True)
class Standing:
    """One of them."""

    name: str
    page: str
    dag: str
    """The path of its DAG."""
    file: File | None
    """None where nothing is known of its file: it has none any more, or nobody has looked yet."""
    phase: str
    epoch: int
    since: datetime | None
    """When it came into its phase, where the ledger knows."""
    line: tuple[Step, ...]
    copy: Copy | None
    """None where nothing was laid out to be copied."""
    lag: Lag | None
    """None where nothing follows."""
    compared: Compared | None
    quarantined: int
    quarantined_told: str
    gates: tuple[Verdict, ...]
    way_back: WayBack | None
    """None where nobody has looked since it came into its phase."""
    waiting: tuple[Waiting, ...]
    wants: tuple[Want, ...]
    """What wants a person, the gravest first."""
    worked: Worked | None
    looked_at: datetime | None
    failed: str
    """Why the last look found nothing."""

    @property
    def rank(self) -> int:
        """Where it stands in the list: who is asked, what is wrong, what is said, under way, planned, over."""
        if self.waiting:
            return 0
        if self.wants:
            return 1 if self.wants[0].grave else 2
        return {Phase.PLANNED: 4, Phase.RETIRED: 5}.get(Phase(self.phase), 3)


@dataclass(frozen=True)
class Known:
    """What is known of one migration, from wherever."""

    name: str
    seen: Seen | None
    stood: Row | None
    """Where a run found it last: `phase`, `epoch`, `run`, `at`."""
    verdicts: Sequence[Verdict]
    compared: Compared | None
    behind: Sample | None
    """How many seconds its stream is behind, as it was said last."""
    waiting: Sequence[Waiting]
    now: datetime
    came: Mapping[str, datetime]
    """When it came into each phase of this way."""


def standing(it: Known) -> Standing:
    """Put it together."""
    look = read(it.seen.found) if it.seen and it.seen.found else None
    stood = _newest(look, it)
    file = look.file if look else None
    copy = _copy(look, stood) if look else None
    made = Standing(
        name=it.name,
        page=page_of(it.name),
        dag=dag_path(dag_of(it.name)),
        file=file,
        phase=str(stood.phase),
        epoch=stood.epoch,
        since=it.stood["at"] if it.stood and it.stood["phase"] == stood.phase else None,
        line=line(stood.phase, shadows=file is None or file.shadows, came=it.came.items()),
        copy=copy,
        lag=_lag(file, stood, it) if file else None,
        compared=it.compared,
        quarantined=stood.quarantined,
        quarantined_told=stood.quarantined_told,
        gates=tuple(it.verdicts),
        way_back=way_back(it.name, file, stood, it.compared) if file and not _moved_since(it) else None,
        waiting=tuple(it.waiting),
        wants=(),
        worked=_worked(it),
        looked_at=it.seen.at if it.seen else None,
        failed=it.seen.failed if it.seen else "",
    )
    return replace(made, wants=tuple(sorted(_wants(made, stood, it.now), key=lambda want: not want.grave)))


def _newest(look: Look | None, it: Known) -> Stood:
    """Where it stands: by its marks, unless a run has moved it since they were looked at."""
    told = it.stood
    if look is None:
        return Stood(Phase(told["phase"]), told["epoch"]) if told else Stood(Phase.PLANNED, 1)
    if _moved_since(it):
        assert told
        # What was seen of capture and of tables was of the phase before: of this one nobody knows yet.
        moved = replace(look.stood, phase=Phase(told["phase"]), epoch=told["epoch"], captured=None, untouched=None)
        return replace(moved, drifted=False, held_by=(), cut_over_at=None)
    return look.stood


def _moved_since(it: Known) -> bool:
    """Whether a run has moved it since it was looked at."""
    return bool(it.stood and it.seen and it.seen.at and it.stood["at"] > it.seen.at)


def _copy(look: Look, stood: Stood) -> Copy | None:
    if not stood.chunks or stood.phase in (Phase.PLANNED, Phase.EXPANDED):
        return None
    over = stood.phase is not Phase.CAPTURING or stood.done == stood.chunks
    by_rows = look.file.follows_later and stood.rows_estimated
    share = stood.rows / stood.rows_estimated if by_rows else stood.done / stood.chunks
    return Copy(
        stood.done,
        stood.chunks,
        "segments" if look.file.follows_later else "chunks",
        stood.rows,
        stood.rows_estimated,
        1.0 if over else min(share, 0.999),
        over,
        look.pace if is_copying(stood) else Pace(None),
    )


def _lag(file: File, stood: Stood, it: Known) -> Lag | None:
    if stood.phase not in (*COPIES_IN, Phase.CUT_OVER):
        return None
    if not file.follows_later and _moved_since(it):
        return None  # whether capture is on was seen of the phase before
    if not file.follows_later:
        return Lag(
            timedelta(), None, "each write is in both tables in its own transaction", late=stood.captured is False
        )
    if it.behind is None:
        return Lag(None, None, "nobody has said lately how far its stream is read", late=True)
    behind = timedelta(seconds=it.behind.value)
    if it.now - it.behind.at > SAID:  # it is said every few minutes: since then nothing was read that anybody knows of
        behind += it.now - it.behind.at
    late = file.warn_behind is not None and behind > file.warn_behind
    return Lag(behind, it.behind.at, "behind its stream, as the follower said last", late)


def _worked(it: Known) -> Worked | None:
    """Of the runs of its own DAG alone: others compare it, and move nothing."""
    own = [(one.at, one.run) for one in it.verdicts if one.dag == dag_of(it.name)]
    if it.stood and "__" in it.stood["run"]:  # else a person's word: the command line, or psql
        own.append((it.stood["at"], it.stood["run"]))
    own += [(one.since, one.run_id) for one in it.waiting if one.since]
    if not own:
        return None
    at, run = max(own)
    return Worked(run, at, run_path(dag_of(it.name), run))


def _wants(made: Standing, stood: Stood, now: datetime) -> Iterator[Want]:
    yield from (Want(one.subject, one.link, one.since, grave=False, asks=True) for one in made.waiting)
    if made.failed and made.phase != Phase.RETIRED:
        yield Want(f"it could not be looked at: {made.failed}", grave=made.phase != Phase.PLANNED)
    elif made.looked_at and now - made.looked_at > LOOKED_WITHIN and made.phase not in (Phase.PLANNED, Phase.RETIRED):
        yield Want("nobody has looked at it: what is shown is of then", since=made.looked_at, grave=False)
    if made.phase != Phase.RETIRED:  # nobody judges it any more
        yield from _of_gates(made)
    file = made.file
    if file is None or stood.phase not in (*COPIES_IN, Phase.CUT_OVER):
        return
    if stood.captured is False:
        yield Want("capture is off: writes reach one table alone")
    if stood.drifted:
        yield Want("a table is not what it was when capture began")
    if stood.quarantined:
        yield Want(f"{stood.quarantined:,} in quarantine: ./sluice quarantine {made.name} lists them")
    if stood.astray:
        yield Want(f"{stood.astray:,} writes came past the route")
    if made.lag and made.lag.behind is None:
        yield Want("nobody says how far its stream is read: is replicate_changes paused?")
    elif made.lag and made.lag.late and file.follows_later:
        yield Want("it is far behind its stream, which keeps a day", grave=_stops(made))
    if made.copy and made.copy.pace.stalled_since:
        yield Want("its copy stands still", since=made.copy.pace.stalled_since, grave=False)


def _of_gates(made: Standing) -> Iterator[Want]:
    """A red gate is mended by its own next verdict, one of the way also by having come past it since.

    Those that compare by themselves are no part of the way: green, they say nothing of a gate that was red on it.
    """
    newest = max((one.at for one in made.gates if one.passed and one.gate not in BESIDE), default=None)
    for one in made.gates:
        passed_by = one.gate not in BESIDE and newest is not None and one.at <= newest
        if not one.passed and one.epoch == made.epoch and not passed_by:
            yield Want(f"gate {one.gate} is red", one.evidence, one.at)


def _stops(made: Standing) -> bool:
    stop, behind = made.file and made.file.stop_behind, made.lag and made.lag.behind
    return bool(stop and behind and behind > stop)
