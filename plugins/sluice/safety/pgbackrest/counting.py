"""Find the place in the log of a snapshot, where the log itself is not at hand: an instant in which nothing is written.

A file of pgBackRest's log is there when it is archived, minutes later; so the log is not read for the place, as it is where it is
shipped as it is written. On a server that is never still for a millisecond there is no such instant, and the count has no place.
A commit that waits for its disk may be in the log and not in the snapshot: the copy is asked for that before it is compared.
"""

from __future__ import annotations

from dataclasses import replace

from sluice.safety.census import Marked, mark_now
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement

TRIES = 1000
"""A few milliseconds each."""


def mark_still(c: Connection, tell: Tell) -> Marked:
    """Give a snapshot, with its position in the log where nothing was written while it was taken."""
    for _ in range(TRIES):
        before = one(c, statement("safety.find_written"))["position"]
        marked = mark_now(c, tell)
        if one(c, statement("safety.find_written"))["position"] == before:
            return replace(marked, moment=replace(marked.moment, position=before))
    tell(f"{c.info.dbname} is never still: it is counted, and nobody knows at which place of its log")
    return marked
