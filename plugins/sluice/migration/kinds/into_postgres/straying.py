"""What was written to the old table after nothing followed it any more: it is in no row, and a person must be told."""

from __future__ import annotations

import time

from sluice.migration.kinds.dynamodb_source.canary import is_canary
from sluice.migration.kinds.into_postgres.following import FEW, PAGE
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.standing import writes_astray
from sluice.stores.dynamodb.streams import Change, Trimmed
from sluice.stores.postgres import rows
from sluice.stores.statements import statement

LOOK_SECONDS = 30.0
"""How long it is read on at most."""


def count_strays(parts: Parts) -> int:
    """Count all writes that came past the route since the cutover, those behind the last place included. Applies none."""
    named = {"name": parts.name, "epoch": parts.position().epoch}
    places = {row["shard"]: row for row in rows(parts.c, statement("into_postgres.list_places"), **named)}
    deadline = time.monotonic() + LOOK_SECONDS
    left = [shard.id for shard in parts.stream.shards() if not (shard.id in places and places[shard.id]["done"])]
    return writes_astray(parts) + sum(
        _unread(parts, one, places.get(one, {}).get("position"), deadline) for one in left
    )


def _unread(parts: Parts, shard: str, after: str | None, deadline: float) -> int:
    count = 0
    while True:
        try:
            page = parts.stream.read(shard, after, PAGE)
        except Trimmed:
            if after is None:
                return count  # it is gone
            after = None  # nobody looked for a day: begin with what is left of it
            continue
        count += sum(map(_is_astray, page.changes))
        after = page.position
        if page.ended or len(page.changes) <= FEW or time.monotonic() > deadline:
            return count


def _is_astray(change: Change) -> bool:
    return not (change.expired or is_canary(change.new) or is_canary(change.old))
