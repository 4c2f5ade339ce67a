"""What must hold in every state, by number. `docs/correctness.md` names them, and the drills on real PostgreSQL share them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import COPIES_IN, CUT_OVER, RETIRED, Rows, Snapshot, State, rows_of

INVARIANTS = {
    "I1": "with capture on, the follower holds nothing but what the live table holds; and everything, once no chunk is pending",
    "I2": "no acknowledged write is absent from the live table",
    "I3": "a deleted row never comes back",
    "I4": "no worker of an older epoch commits",
    "I5": "a chunk is checked off if and only if its rows are committed",
    "I6": "from every state there is a way on",
    "I7": "whoever has an old snapshot finds every row in it, whichever table has the name by now",
    "I8": "what counts as proof is a comparison of this epoch",
    "I9": "the comparison is exact: red only where the tables differ, green only where they do not",
    "I10": "no write is refused for a copy that had nothing to bring",
}


def violated(state: State, overlook: frozenset[str] = frozenset()) -> str:
    """The number of an invariant that does not hold here, or nothing. I6 asks for the whole graph: see `explore`."""
    return next((number for number in _violated(state) if number not in overlook), "")


def _violated(state: State) -> Iterator[str]:
    if state.broken:
        yield state.broken
    source, target = rows_of(state.source, is_target=False), rows_of(state.target, is_target=True)
    live = target if state.on_target else source
    truth = {(id_, month, value) for id_, (month, value) in state.truth}
    if truth - live:
        yield "I2"
    if live - truth:
        yield "I3"
    if _follower_is_wrong(state, source, target):
        yield "I1"
    if state.copier is None and state.done != state.copied:
        yield "I5"
    if any(writer and writer.snapshot and _sees_less(state, writer.snapshot) for writer in state.writers):
        yield "I7"
    if state.proof not in (0, state.epoch):
        yield "I8"


def has_arrived(state: State) -> bool:
    """Retired, everybody idle: where every way may end."""
    return state.phase == RETIRED and not any(state.writers) and state.copier is None


def _follower_is_wrong(state: State, source: Rows, target: Rows) -> bool:
    if state.phase == CUT_OVER:
        return source != target
    if state.phase not in COPIES_IN:
        return False
    complete = bool(state.done) and all(state.done) and all(state.copied)
    return source != target if complete else bool(target - source)


def _sees_less(state: State, snapshot: Snapshot) -> bool:
    now = snapshot.target if state.on_target else snapshot.source
    return rows_of(now, is_target=state.on_target) != {(id_, m, v) for id_, (m, v) in snapshot.truth}
