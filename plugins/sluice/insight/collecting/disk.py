"""What a server of yours holds on its disk: all its databases and its log. Where AWS runs it, CloudWatch says it instead.

What else lies there is not seen: the server's own log files, files of other programs. A disk of yours has no other limit than
the one that `watch: {disk: {size: …}}` tells.
"""

from __future__ import annotations

from psycopg import errors

from sluice.insight.collecting.looked import Looked
from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement


def look_at_disk(c: Connection, store: str, size: int | None, *, in_cloud: bool = False) -> Looked:
    """Measure what the disk holds, in bytes; of a disk whose `size` is told, how full it is. `in_cloud`, the log alone."""
    if not one(c, statement("collecting.may_see_disk"))["may"]:
        return _not_measured(
            store, "the role of its connection sees neither the log nor other databases. GRANT pg_monitor TO it"
        )
    try:
        with c.transaction():  # what is too slow ends no more than this: the server itself answers
            found = one(c, statement("collecting.find_disk"))
    except errors.QueryCanceled:
        return _not_measured(store, "counting its files takes too long")
    held = {} if in_cloud else used(store, found["databases"] + found["log"], size)
    unknown = (
        f"{store}: how full its disk is is not measured, nobody says how large it is: `watch: {{disk: {{size: …}}}}`."
    )
    return Looked({Series(store, "wal_bytes"): found["log"], **held}, notes=() if size or in_cloud else (unknown,))


def _not_measured(store: str, why: str) -> Looked:
    return Looked(notes=(f"{store}: what its disk holds is not measured, {why}.",))


def used(store: str, held: float, size: float | None) -> dict[Series, float]:
    """Say how full a disk is that holds so many bytes. Pure."""
    values = {Series(store, "disk_used_bytes"): held}
    if size:
        values[Series(store, "disk_free_bytes")] = max(size - held, 0.0)
        values[Series(store, "disk_used_percent")] = 100 * held / size
    return values
