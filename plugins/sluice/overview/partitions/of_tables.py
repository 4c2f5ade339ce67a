"""What a look keeps of a table: its months, for how long it has partitions, what goes next, and what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluice.estate.dataset import Dataset
from sluice.estate.retention import Retention
from sluice.overview.partitions.months import Piece, State, by_month, leaves_at, named, written
from sluice.upkeep.archive.choosing import holding, is_old
from sluice.upkeep.archive.late import GONE
from sluice.upkeep.archive.ledger import Month
from sluice.upkeep.partitions.auditing import gaps, odd_spans
from sluice.upkeep.partitions.headroom import least_headroom
from sluice.upkeep.partitions.spans import END, Span, months_on, span_at, without
from sluice.upkeep.partitions.there import Branch, Partition

SHOWN = 5
"""So many of each thing that is wrong are named."""
_STATES: Mapping[str, State] = {
    "detaching": "leaving", "detached": "leaving", "exported": "leaving", "verified": "stored", "cooling": "cooling",
    "dropped": "gone", "restored": "back", "lost": "lost",
}  # fmt: skip
_WORDS = {"detached": "left its table, and is not stored yet", "exported": "stored, and not read back yet"}


def table_found(
    dataset: Dataset, branches: Sequence[tuple[Branch, Sequence[Month]]], caught: Sequence[str], now: datetime
) -> dict[str, Any]:
    """Give what is kept of a table as plain JSON.

    `branches` are those of its parts that time cuts, each with what the archive's ledger knows of it; `caught` the default
    partitions that hold rows.
    """
    pieces = [piece for branch, known in branches for piece in _pieces(branch, known, dataset, now)]
    headroom = min((least_headroom(branch, now) for branch, _ in branches), key=lambda one: one.days, default=None)
    return {
        "store": dataset.store,
        "table": dataset.table,
        "policy": policy_told(dataset),
        "archives": dataset.retention is not None,
        "until": headroom.until.isoformat() if headroom and headroom.until else None,
        "caught": bool(headroom and headroom.caught),
        "wanted": months_on(span_at(now, "month").lower, dataset.months_ahead + 1).isoformat(),
        "leaves": _leaves(dataset.retention, pieces) if dataset.retention else None,
        "drops": _drops(dataset, [month for _, known in branches for month in known]),
        "wrong": [*_wrong(pieces), *(f"rows lie in the default partition {name}" for name in caught)],
        "months": written(by_month(pieces)),
    }


def policy_told(dataset: Dataset) -> str:
    """Say in a line what the file asks for."""
    every = next((cut.every for cut in dataset.partition.cuts if cut.every), None)
    cut = f"a partition a {every}, {dataset.months_ahead} months ahead" if every else "cut by no time"
    kept = dataset.retention
    if kept is None:
        return f"{cut}; everything stays"
    then = "archived" if kept.then == "archive" else "archived and dropped" + (" after a yes" if kept.approve else "")
    return f"{cut}; kept for {kept.keep}, then {then}"


def _pieces(branch: Branch, known: Sequence[Month], dataset: Dataset, now: datetime) -> Iterator[Piece]:
    by_span = {month.span: month for month in known}
    away = {month.span for month in known if month.state in GONE}
    odd = set(odd_spans(branch, dataset))
    for part in branch.partitions:
        span = part.span
        if span and span not in away:  # else it is room for late rows, and the month itself is elsewhere
            yield _attached(span, part, by_span.get(span), span in odd, dataset, now)
    yield from (_away(month) for month in known if month.state in GONE)
    for gap in gaps(branch):
        for hole in without(gap, sorted(away)):
            yield Piece(hole, "gap", f"{branch.table} has no partition for {hole}")


def _attached(span: Span, part: Partition, month: Month | None, odd: bool, dataset: Dataset, now: datetime) -> Piece:
    """Say where a month stands that is in its table."""
    name = str(month.partition if month else part.table)
    if odd:
        return Piece(span, "odd", f"{part.table} is from {span}: it follows no calendar in UTC", name)
    if part.leaving and not (month and month.state == "detaching"):
        return Piece(span, "leaving", f"the detaching of {part.table} was begun and not ended", name)
    if month and month.state not in ("eligible", "detaching"):
        return Piece(span, _STATES[month.state], month.standing, name)
    if month and month.state == "detaching":
        return Piece(span, "leaving", "it is being detached", name)
    kept = dataset.retention
    if kept is None or not is_old(span, kept.keep, now):
        return Piece(span, "ahead" if span.lower > now else "live")
    why = holding(span, kept.holds) or (month and month.held)
    return Piece(span, "held", f"held: {why}", name) if why else Piece(span, "due", "", name)


def _away(month: Month) -> Piece:
    """Say where a month stands that is not in its table."""
    told = _WORDS.get(month.state) or month.standing
    state = "held" if month.held and month.state in ("verified", "cooling") else _STATES[month.state]
    notes = [
        told,
        *([month.note] if month.note else ()),
        *(["its late rows are on their way"] if month.supplement_of else ()),
    ]
    if month.export:
        notes.append(f"{month.export.rows:,} rows")
    return Piece(month.span, state, "; ".join(notes), str(month.partition))


def _leaves(kept: Retention, pieces: Sequence[Piece]) -> dict[str, str] | None:
    """Say which month goes next, and from when on it may: the oldest that nobody holds."""
    young = [one.span for one in pieces if one.state in ("live", "ahead") and one.span.upper != END]
    span = min((one for one in young if not holding(one, kept.holds)), key=lambda one: one.upper, default=None)
    return {"what": named(span), "at": leaves_at(span.upper, kept.keep).isoformat()} if span else None


def _drops(dataset: Dataset, known: Sequence[Month]) -> dict[str, str] | None:
    """Say which month is dropped next, and from when on: the first that has cooled, and nobody holds."""
    kept = dataset.retention
    if kept is None or kept.then != "drop":
        return None
    cooled = [
        (max(month.cools_until, month.reading.at + kept.cooling), month)
        for month in known
        if month.state == "cooling" and month.cools_until and month.reading and not month.held
        and not holding(month.span, kept.holds)
    ]  # fmt: skip
    if not cooled:
        return None
    at, month = min(cooled, key=lambda pair: (pair[0], pair[1].span))
    return {"what": named(month.span), "at": at.isoformat()}


def _wrong(pieces: Sequence[Piece]) -> Iterator[str]:
    """Name what needs a person, the first few of each kind."""
    for state in ("gap", "odd", "lost"):
        found = [
            one.told if state != "lost" else f"{one.name} is lost: {one.told}" for one in pieces if one.state == state
        ]
        yield from found[:SHOWN]
        if len(found) > SHOWN:
            yield f"and {len(found) - SHOWN:,} more"
    yield from (one.told for one in pieces if one.state == "leaving" and one.told.endswith("was begun and not ended"))
