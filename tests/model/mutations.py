"""What each part of the protocol is for: without it, the model finds a way to break an invariant."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.state import Bounds, Row

ONE_ROW = Bounds(
    "one row", (Row(1, 0, 0, 0),), ids=2, pages=1, writers=2, ops=2, epochs=2, moves_pages=False, old_snapshots=False
)
OLD_SNAPSHOTS = ONE_ROW._replace(name="old snapshots", old_snapshots=True)
ONE_OLD_SNAPSHOT = OLD_SNAPSHOTS._replace(name="one old snapshot", writers=1)
TWO_PAGES = Bounds(
    "two pages",
    (Row(1, 0, 0, 0), Row(2, 0, 0, 1)),
    ids=2,
    pages=2,
    writers=2,
    ops=2,
    epochs=1,
    moves_pages=True,
    old_snapshots=False,
)
WORLDS = (ONE_ROW, OLD_SNAPSHOTS, TWO_PAGES)
"""Seconds each: for every run of the unit ring."""
LARGE = (
    ONE_ROW._replace(name="one row, four writes, three epochs", ops=4, epochs=3),
    OLD_SNAPSHOTS._replace(name="old snapshots, one writer, three writes", writers=1, ops=3),
    OLD_SNAPSHOTS._replace(name="old snapshots, three epochs", epochs=3),
    TWO_PAGES._replace(name="two pages, three writes", ops=3),
)
"""Minutes: for `python -m tests.model --large`."""


class Mutation(NamedTuple):
    """A part of the protocol, what it means to be without it, the invariant that goes, and the world that shows it."""

    part: str
    without: str
    breaks: str
    world: Bounds


MUTATIONS = (
    Mutation("row lock", "the copy reads its rows without FOR NO KEY UPDATE", "I1", ONE_ROW),
    Mutation(
        "old key", "the trigger knows NEW only: an update that moves the key leaves the old row behind", "I1", ONE_ROW
    ),
    Mutation("do nothing", "the copy overwrites what it finds", "I10", ONE_OLD_SNAPSHOT),
    Mutation("fence", "a worker does not look at its epoch and its phase", "I4", ONE_ROW),
    Mutation("capture first", "the copy runs before capture is on", "I1", ONE_ROW),
    Mutation("layout after capture", "pages are counted before capture is on", "I1", TWO_PAGES),
    Mutation("checkpoint with data", "the chunk is checked off in a transaction of its own", "I5", ONE_ROW),
    Mutation("reverse capture", "the swap leaves no capture behind it", "I1", ONE_ROW),
    Mutation(
        "moved keys in reverse", "the reverse trigger updates by the old id and leaves the id as it is", "I1", ONE_ROW
    ),
    Mutation("old snapshots in capture", "a delete trusts a snapshot that cannot see the copy", "I1", ONE_OLD_SNAPSHOT),
    Mutation("drain", "the cutover does not wait for snapshots older than the copy", "I7", ONE_OLD_SNAPSHOT),
    Mutation("proof of its epoch", "a comparison counts in whatever epoch it is recorded", "I8", ONE_ROW),
    Mutation("one snapshot in the diff", "the diff reads each table in a snapshot of its own", "I9", ONE_ROW),
)
"""Each is without one part; everything else is there."""
