"""What a writer can do next: begin with a snapshot, write a row, commit, roll back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, TypeAlias

from tests.model.hand import Duplicate, Hand, Refused, Waits
from tests.model.state import Bounds, Row, Snapshot, State, Writer, changed

Label: TypeAlias = tuple[Any, ...]
Step: TypeAlias = tuple[Label, State]
MONTHS = 2
NAMES = "AB"


def steps(state: State, bounds: Bounds, without: frozenset[str]) -> Iterator[Step]:
    """Every next step of every writer."""
    for number, writer in enumerate(state.writers):
        if writer is None and number and state.writers[number - 1] is None:
            continue  # the first idle writer stands for all idle ones
        if state.ops < bounds.ops:
            yield from _writes(state, number, bounds, without)
        if writer is None:
            if bounds.old_snapshots and state.ops < bounds.ops:
                seen = Snapshot(state.source, state.target, state.truth)
                yield ("snapshot", number), with_writer(state, number, Writer(seen))
            continue
        yield ("rolls back", number), with_writer(state, number, None)
        if writer.said:
            yield ("commits", number), committed(state, number, writer)


def with_writer(state: State, number: int, writer: Writer | None) -> State:
    """The state with another state of this writer."""
    return state._replace(writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))


def committed(state: State, number: int, writer: Writer) -> State:
    """Both tables at one instant; and from now on the application has a promise."""
    return with_writer(state, number, None)._replace(
        source=changed(state.source, writer.source),
        target=changed(state.target, writer.target),
        truth=changed(state.truth, writer.said),
    )


def _writes(state: State, number: int, bounds: Bounds, without: frozenset[str]) -> Iterator[Step]:
    for label, place, old, new in _statements(state, number, bounds):
        if label[0] in without:
            continue
        hand = Hand(state, number, without)
        try:
            (hand.on_target if state.on_target else hand.on_source)(place, new)
        except (Waits, Duplicate):
            continue
        except Refused as refused:
            broken = state.broken or ("I10" if refused.needless else "")
            yield ("is refused (40001)", number, *label), with_writer(state, number, None)._replace(broken=broken)
            continue
        said = dict(hand.writer.said)
        for id_, promise in ((old, None), (new.id, (new.month, new.value)) if new else (None, None)):
            if id_ is not None:
                said[id_] = promise
        hand.writer = hand.writer._replace(said=tuple(sorted(said.items())))
        yield ("writes", number, *label), with_writer(state, number, hand.writer)._replace(ops=state.ops + 1)


def _statements(state: State, number: int, bounds: Bounds) -> Iterator[tuple[Label, Any, int | None, Row | None]]:
    """What it may try: (label, slot or key of the old row, old id, new row)."""
    writer = state.writers[number] or Writer()
    value, table = state.ops + 1, "target" if state.on_target else "source"
    base = getattr(writer.snapshot or state, table)
    seen = {place: row for place, row in {**dict(base), **dict(getattr(writer, table))}.items() if row is not None}
    there = {}
    for place, row in seen.items():
        there[place] = row if isinstance(row, Row) else Row(place[0], place[1], row[0], 0)
    pages = range(bounds.pages + 1) if bounds.moves_pages else (0,)
    free = [id_ for id_ in range(1, bounds.ids + 1) if id_ not in {row.id for row in there.values()}]
    for id_ in free:
        for month, page in product(range(MONTHS), {pages[0], pages[-1]}):
            yield ("inserts", id_, month), None, None, Row(id_, month, value, page)
    for place, row in there.items():
        yield ("deletes", row.id), place, row.id, None
        yield ("moves to another month", row.id), place, row.id, row._replace(month=1 - row.month, value=value)
        for page in pages if bounds.moves_pages and not state.on_target else (row.page,):
            yield ("updates", row.id), place, row.id, row._replace(value=value, page=page)
        for id_ in free:
            yield ("changes the id of", row.id, id_), place, row.id, row._replace(id=id_, value=value)
