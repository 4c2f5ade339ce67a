"""What a look at a migration finds, as it is kept: its file in a few words, its marks, and the trail of its copy. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.estate import Migration
from sluice.migration.engine.contract import Phase
from sluice.overview.as_json import as_json
from sluice.overview.migrations.pace import Pace, Point, extended, pace


@dataclass(frozen=True)
class File:
    """A migration's file, in what a page tells of it."""

    kind: str
    store: str
    table: str
    becomes: str
    follows_later: bool
    shadows: bool
    """Whether reads are compared before the cutover."""
    keep_old_for: timedelta
    warn_behind: timedelta | None
    stop_behind: timedelta | None
    """Where changes follow later: behind by more than this, a person is warned, and copying stops."""
    window: str
    """Why a cutover may not start now; empty where it may."""


@dataclass(frozen=True)
class Stood:
    """What its marks said."""

    phase: Phase
    epoch: int
    verified_at: datetime | None = None
    cut_over_at: datetime | None = None
    chunks: int = 0
    done: int = 0
    rows: int = 0
    rows_estimated: int = 0
    quarantined: int = 0
    quarantined_told: str = ""
    drifted: bool = False
    """Whether a table is not what it was when capture began."""
    captured: bool | None = None
    """Whether the live table's capture is on; None where it is no trigger."""
    untouched: bool | None = None
    """Whether nobody has touched capture or a partition since the last proof, or the cutover; None where nobody could."""
    astray: int = 0
    """Writes that came past the route since the cutover."""
    held_by: tuple[str, ...] = ()
    """Whose snapshots are older than the copy: a cutover waits for these."""


@dataclass(frozen=True)
class Look:
    """What one look found."""

    file: File
    stood: Stood
    trail: tuple[Point, ...]
    pace: Pace
    """As it was worked out then: a page of many has no time for it."""


def described(m: Migration, now: datetime) -> File:
    """Tell of a file what a page needs."""
    replication = getattr(m, "replication", None) if m.follows_later else None
    may, why = m.cutover.open_at(now)
    return File(
        kind=m.kind,
        store=m.source.store,
        table=m.source.table,
        becomes=m.becomes,
        follows_later=m.follows_later,
        shadows=getattr(m.gates, "shadow", None) is not None,
        keep_old_for=m.keep_old_for,
        warn_behind=replication.warn_behind if replication else None,
        stop_behind=replication.stop_behind if replication else None,
        window="" if may else why,
    )


def is_copying(stood: Stood) -> bool:
    """Whether there is something to copy still."""
    return stood.phase is Phase.CAPTURING and stood.done < stood.chunks


def found(file: File, stood: Stood, before: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Make what is kept; `before` is what the last look kept, whose trail goes on while the same copy does."""
    kept = before.get("trail", []) if before.get("stood", {}).get("epoch") == stood.epoch else []
    seen = Point(at, work_done(file, stood), stood.rows)
    trail = extended([_point(one) for one in kept], seen) if is_copying(stood) else []
    told = pace(trail, work_left(file, stood))
    return {
        "file": as_json(file),
        "stood": as_json(stood),
        "trail": [[one.at.isoformat(), one.work, one.rows] for one in trail],
        "pace": as_json(told),
    }


def read(found: Mapping[str, Any]) -> Look:
    """Read what was kept."""
    file, stood = dict(found["file"]), dict(found["stood"])
    for name in ("keep_old_for", "warn_behind", "stop_behind"):
        file[name] = None if file[name] is None else timedelta(seconds=file[name])
    for name in ("verified_at", "cut_over_at"):
        stood[name] = datetime.fromisoformat(stood[name]) if stood[name] else None
    stood |= {"phase": Phase(stood["phase"]), "held_by": tuple(stood["held_by"])}
    return Look(File(**file), Stood(**stood), tuple(map(_point, found["trail"])), _pace(found["pace"]))


def work_done(file: File, stood: Stood) -> float:
    """Say how much is copied, in what is told finest: a scan's segments are few, and each of them is read for long."""
    return stood.rows if file.follows_later else stood.done


def work_left(file: File, stood: Stood) -> float | None:
    """Say how much is left in the same; None where more was copied already than a service had estimated."""
    if not file.follows_later:
        return stood.chunks - stood.done
    return stood.rows_estimated - stood.rows if stood.rows_estimated > stood.rows else None


def _pace(kept: Mapping[str, Any]) -> Pace:
    ats = {name: datetime.fromisoformat(at) if at else None for name, at in kept.items() if name != "rate"}
    return Pace(kept["rate"], **ats)


def _point(kept: Sequence[Any]) -> Point:
    return Point(datetime.fromisoformat(kept[0]), float(kept[1]), int(kept[2]))
