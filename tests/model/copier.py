"""The worker: it claims a chunk, reads its pages, fills the target's holes, and checks the chunk off in one transaction.

It may die anywhere, and it may be late: it remembers the epoch that it was started for, and wakes in another.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import (
    BY_COPY,
    BY_COPY_AGAIN,
    COPIES_IN,
    EXPANDED,
    Bounds,
    Copier,
    Row,
    State,
    changed,
    noted,
)
from tests.model.writers import Step


def steps(state: State, bounds: Bounds, without: frozenset[str]) -> Iterator[Step]:
    """Every next step of the worker."""
    copier = state.copier
    if copier is None:
        if (
            not all(state.done) and "workers" not in without
        ):  # started with nothing laid out, it would do the same later
            yield ("worker starts", state.epoch), state._replace(copier=Copier(state.epoch))
        return
    yield ("worker dies",), state._replace(copier=None)
    if copier.stage == "started":
        yield from _claims(state, copier, without)
    elif copier.stage == "claimed":
        rows = tuple((slot, row) for slot, row in state.source if row.page == copier.page)
        yield (
            ("worker takes its snapshot", copier.page),
            state._replace(copier=copier._replace(stage="copying", todo=rows)),
        )
    elif copier.stage == "copying":
        yield from _copies(state, copier, without) if copier.todo else _checks_off(state, copier, without)
    else:
        yield ("worker commits its rows",), _data(state, copier)


def _claims(state: State, copier: Copier, without: frozenset[str]) -> Iterator[Step]:
    copies_in = (*COPIES_IN, EXPANDED) if "capture first" in without else COPIES_IN
    if "fence" not in without and (state.phase not in copies_in or state.epoch != copier.epoch):
        yield ("worker is fenced off",), state._replace(copier=None)
        return
    for page, done in enumerate(state.done):
        if not done:
            yield ("worker claims a chunk", page), state._replace(copier=copier._replace(stage="claimed", page=page))
            return


def _copies(state: State, copier: Copier, without: frozenset[str]) -> Iterator[Step]:
    """One row of the chunk: lock it, take its newest version, fill the hole."""
    (slot, read), rest = copier.todo[0], copier.todo[1:]
    row: Row | None = read
    copier = copier._replace(todo=rest)
    if "row lock" not in without:
        if any(writer is not None and slot in dict(writer.source) for writer in state.writers):
            return  # it waits
        row = dict(state.source).get(slot)
        copier = copier._replace(locked=(*copier.locked, slot))
    if row is None or (row != read and row.page != copier.page):
        # Deleted. Or on another page: releases of PostgreSQL differ in whether they look at the range again; so both.
        yield ("worker skips a row", read.id), state._replace(copier=copier)
    if row is None:
        return
    key = (row.id, row.month)
    if any(writer is not None and key in dict(writer.target) for writer in state.writers):
        return  # it waits
    if key in dict(state.target):
        if "do nothing" in without:
            wrote = noted(copier.wrote, key, (row.value, BY_COPY_AGAIN))
            yield ("worker overwrites", *row[:3]), state._replace(copier=copier._replace(wrote=wrote))
        else:
            yield ("worker finds it there", *row[:3]), state._replace(copier=copier)
        return
    wrote = noted(copier.wrote, key, (row.value, BY_COPY))
    yield ("worker copies", *row[:3]), state._replace(copier=copier._replace(wrote=wrote))


def _checks_off(state: State, copier: Copier, without: frozenset[str]) -> Iterator[Step]:
    done = tuple(is_done or page == copier.page for page, is_done in enumerate(state.done))
    if "checkpoint with data" in without:
        # Two transactions: first the mark, then the rows.
        yield ("worker checks off, apart",), state._replace(done=done, copier=copier._replace(stage="checked off"))
        return
    yield ("worker commits, rows and mark",), _data(state, copier)._replace(done=done)


def _data(state: State, copier: Copier) -> State:
    """The rows are committed; whoever has a snapshot by now does not see them."""
    late = state.epoch != copier.epoch
    return state._replace(
        target=changed(state.target, copier.wrote),
        copied=tuple(was or page == copier.page for page, was in enumerate(state.copied)),
        copier=None,
        writers=tuple(w and w._replace(stale=w.stale or w.snapshot is not None) for w in state.writers),
        broken=state.broken or ("I4" if late else ""),
    )
