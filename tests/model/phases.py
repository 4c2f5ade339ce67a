"""The changes of phase: each takes the fence alone and, where it touches a table, waits until no writer holds it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import (
    BACKFILLED,
    CAPTURING,
    CUT_OVER,
    EXPANDED,
    PLANNED,
    RETIRED,
    VERIFIED,
    Bounds,
    State,
    rows_of,
)
from tests.model.writers import Step


def steps(state: State, bounds: Bounds, without: frozenset[str]) -> Iterator[Step]:
    """Every change of phase that nobody is in the way of, the verifier, and a crash of the server."""
    if any(state.writers) or state.copier is not None:
        idle = (None,) * len(state.writers)
        yield ("server crashes",), state._replace(writers=idle, copier=None, verdict=())
    yield from _verifier(state, without)
    if not _fence_is_free(state):
        return
    yield from _forward(state, bounds, without)
    if state.epoch < bounds.epochs:
        yield from _back(state)


def _forward(state: State, bounds: Bounds, without: frozenset[str]) -> Iterator[Step]:
    # Up to where the table ends now: what comes later is captured.
    pending = (False,) * (1 + max((row.page for _, row in state.source), default=0))
    if "layout after capture" in without:
        pending = (False,) * bounds.pages
    early = "capture first" in without
    if state.phase == PLANNED:
        layout = {"done": pending, "copied": pending} if early else {}
        yield ("expand",), state._replace(phase=EXPANDED, target=(), **layout)
    elif state.phase == EXPANDED and _tables_are_free(state) and (all(state.done) or not early):
        layout = {} if early else {"done": pending, "copied": pending}
        yield ("start capture",), state._replace(phase=CAPTURING, **layout)
    elif state.phase == CAPTURING and all(state.done):
        yield ("finish backfill",), state._replace(phase=BACKFILLED)
    elif state.phase == VERIFIED and _may_cut_over(state, without):
        yield ("cut over",), state._replace(phase=CUT_OVER)
    elif state.phase == CUT_OVER and _tables_are_free(state):
        yield ("retire",), state._replace(phase=RETIRED)


def _back(state: State) -> Iterator[Step]:
    if state.phase == CUT_OVER and _tables_are_free(state):
        yield ("cut back",), state._replace(phase=VERIFIED, epoch=state.epoch + 1, proof=0)
    if state.phase in (EXPANDED, CAPTURING, BACKFILLED, VERIFIED) and _tables_are_free(state):
        # Its table is gone: who has an older snapshot sees nothing of the next one.
        blind = tuple(w and w._replace(snapshot=w.snapshot and w.snapshot._replace(target=())) for w in state.writers)
        gone = state._replace(
            phase=PLANNED, epoch=state.epoch + 1, proof=0, target=(), done=(), copied=(), writers=blind
        )
        yield ("abort",), gone


def _verifier(state: State, without: frozenset[str]) -> Iterator[Step]:
    """It compares, and later it records: another process, that may be late too."""
    source, target = rows_of(state.source, is_target=False), rows_of(state.target, is_target=True)
    if state.verdict:
        kind, epoch, equal = state.verdict
        if kind == "half":  # two snapshots: this is the second
            broken = state.broken or ("" if (equal == target) == (source == target) else "I9")
            yield ("diff reads the target",), state._replace(verdict=("diff", epoch, equal == target), broken=broken)
            return
        yield ("verdict is recorded" if equal else "red verdict",), _recorded(state, epoch, equal, without)
    elif state.phase in (BACKFILLED, VERIFIED) and not state.proof:
        if "one snapshot in the diff" in without:
            yield ("diff reads the source",), state._replace(verdict=("half", state.epoch, source))
        else:
            yield ("diff", source == target), state._replace(verdict=("diff", state.epoch, source == target))


def _recorded(state: State, epoch: int, equal: bool, without: frozenset[str]) -> State:
    after = state._replace(verdict=())
    if not equal or state.phase not in (BACKFILLED, VERIFIED):
        return after
    if epoch != state.epoch and "proof of its epoch" not in without:
        return after
    return after._replace(phase=VERIFIED, proof=epoch)


def _may_cut_over(state: State, without: frozenset[str]) -> bool:
    drained = "drain" in without or not any(writer and writer.stale for writer in state.writers)
    return bool(state.proof) and all(state.done) and drained and _tables_are_free(state)


def _tables_are_free(state: State) -> bool:
    """A writer holds its tables from its first statement to its end; a worker from the moment that it reads."""
    copying = state.copier is not None and state.copier.stage in ("copying", "checked off")
    return not copying and not any(writer and writer.said for writer in state.writers)


def _fence_is_free(state: State) -> bool:
    """A worker shares the fence from its claim on. Without a fence the chunk's own row would still hold an abort up."""
    return state.copier is None or state.copier.stage == "started"
