"""What a look keeps of the records of one entity in DynamoDB: where each of their months stands. Pure.

There is no ledger of them but the notes in the vault, and one listing names these. A month of which there is no note was never
stored: it is looked for in the table where it is old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluice.estate.items import ItemRetention, Items
from sluice.overview.partitions.months import Piece, by_month, leaves_at, named, written
from sluice.upkeep.archive.choosing import holding, is_old
from sluice.upkeep.items.rounds import Round
from sluice.upkeep.partitions.spans import Span, span_at, spans

MOST_ASKED = 24
"""So many old months without a note are looked for in the table, the newest: a look is cheap."""


def items_found(
    items: Items, table: str, rounds: Sequence[Round], is_any: Callable[[Span], bool], now: datetime
) -> dict[str, Any]:
    """Give what is kept of an entity as plain JSON. `is_any` asks the table for records of a month.

    Raises VaultDown, NoSuchKey, and what `is_any` raises.
    """
    kept = items.file.archive
    assert kept is not None, "the file was asked for it"
    by_name: dict[str, list[Round]] = {}
    for one in rounds:
        by_name.setdefault(one.month, []).append(one)
    months = list(spans(datetime.strptime(kept.since, "%Y-%m").replace(tzinfo=UTC), now, "month"))
    unknown = [one for one in months if f"{one.lower:%Y-%m}" not in by_name and is_old(one, kept.keep, now)]
    there = {one: is_any(one) for one in unknown[-MOST_ASKED:]}
    cools = {month: _cools_until(of[-1], kept) for month, of in by_name.items()}
    pieces = [
        piece
        for one in months
        if (piece := _piece(items, one, by_name.get(f"{one.lower:%Y-%m}", ()), there.get(one), cools, now))
    ]
    return {
        "store": items.design.store,
        "table": f"{table} ({items.file.entity})",
        "policy": policy_told(kept),
        "archives": True,
        "leaves": _leaves(kept, pieces),
        "drops": _drops(kept, cools),
        "wrong": [],
        "months": written(by_month(pieces)),
    }


def policy_told(kept: ItemRetention) -> str:
    """Say in a line what the file asks for."""
    then = "archived" if kept.then == "archive" else "archived and deleted" + (" after a yes" if kept.approve else "")
    return f"records since {kept.since}; kept for {kept.keep}, then {then}"


def _piece(
    items: Items,
    span: Span,
    rounds: Sequence[Round],
    is_there: bool | None,
    cools: Mapping[str, datetime | None],
    now: datetime,
) -> Piece | None:
    kept, month = items.file.archive, f"{span.lower:%Y-%m}"
    assert kept is not None
    name, held = f"{items.file.name}/{month}", holding(span, kept.holds)
    if not is_old(span, kept.keep, now):
        return Piece(span, "live")
    if not rounds:
        state = "held" if held else "due"
        return Piece(span, state, f"held: {held}" if held else "", name) if is_there else None  # type: ignore[arg-type]
    last, until = rounds[-1], cools.get(month)
    if last.is_done and any(one.is_verified for one in rounds):
        return Piece(
            span, "gone", f"held now: {held}" if held else f"stored {len(rounds)} times" * (len(rounds) > 1), name
        )
    if held:
        return Piece(span, "held", f"held: {held}", name)
    if not last.is_verified:
        return Piece(span, "due" if last.is_done else "leaving", "changed while it was stored" * last.is_done, name)
    if until is None:
        return Piece(span, "stored", "", name)
    return Piece(span, "cooling", f"cooling until {until:%Y-%m-%d %H:%M} UTC", name)


def _cools_until(last: Round, kept: ItemRetention) -> datetime | None:
    """Say until when a month cools that was read back: a note is read for those alone that are neither done nor to stay."""
    cools = last.is_verified and not last.is_done and kept.then == "delete"
    return last.verified_at + kept.cooling if cools else None


def _leaves(kept: ItemRetention, pieces: Sequence[Piece]) -> dict[str, str] | None:
    young = (one.span for one in pieces if one.state == "live" and not holding(one.span, kept.holds))
    span = min(young, key=lambda one: one.upper, default=None)
    return {"what": named(span), "at": leaves_at(span.upper, kept.keep).isoformat()} if span else None


def _drops(kept: ItemRetention, cools: Mapping[str, datetime | None]) -> dict[str, str] | None:
    def free() -> Iterator[tuple[datetime, str]]:
        for month, until in cools.items():
            span = span_at(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC), "month")
            if until and not holding(span, kept.holds):
                yield until, named(span)

    at, what = min(free(), default=(None, ""))
    return {"what": what, "at": at.isoformat()} if at else None
