"""What a table held at a moment: its base, and every change since, key by key in order, up to there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.failpoints import failpoint
from sluice.safety.documents.base import TableBase
from sluice.safety.documents.log import LogShort, Round, TableLog
from sluice.stores.dynamodb.actions import Delete, Put
from sluice.stores.dynamodb.batches import write_batches
from sluice.stores.dynamodb.export_lines import items_of
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.objects import Vault
from sluice.stores.parts import Part, read_parts

PACK = 5000
"""Keys whose changes are brought in together."""


@dataclass
class Cut:
    """Where a log is cut at a moment: of each shard what comes before the first later change, and nothing of its children.

    The stream tells whole seconds: all that was written in the second of the moment is in.
    """

    moment: datetime
    _over: set[str] = field(default_factory=set)

    def takes(self, round_: Round, shard: str, change: Change) -> bool:
        """Tell whether a change came before the cut. Asked of each, in order."""
        place = round_.places.get(shard)
        if shard in self._over or change.at > self.moment or (place and place.parent in self._over):
            self._over.add(shard)
            return False
        return True


@dataclass
class Replayed:
    """What was brought in."""

    changes: int = 0
    last: datetime | None = None
    """When the last was made."""


def rounds_until(log: TableLog, begins: int, moment: datetime) -> Iterator[Round]:
    """Give the rounds in which all is that was written up to a moment. Raises LogShort where the log does not reach so far."""
    reached: datetime | None = None
    for round_ in log.since(begins):
        yield round_
        reached = round_.until or reached
        if reached and reached >= moment:
            return
    so_far = f"up to {reached:%Y-%m-%d %H:%M:%S} UTC" if reached else "nowhere yet"
    raise LogShort(
        f"{log.store}: the log of {log.table} behind this base reaches {so_far}, and {moment:%Y-%m-%d %H:%M:%S} UTC is asked"
        " for. Restore to a moment before, or ship the log first; where it is lost, take a base now."
    )


def load(client: Any, vault: Vault, base: TableBase, table: str) -> int:
    """Put the items of a base into a table of its shape; gives how many. Safe to repeat. Raises Damaged, Throttled."""
    loaded = write_batches(client, table, (Put(table, item) for item in items_in(vault, base.parts)))
    failpoint("documents.loaded")
    return loaded


def replay(client: Any, log: TableLog, base: TableBase, moment: datetime, table: str) -> Replayed:
    """Bring in what changed since a base was begun, up to a moment. Raises LogShort, Damaged, Throttled, DynamoDown."""
    done, pack = Replayed(), dict[str, tuple[Key, Item | None]]()
    cut = Cut(moment)
    for round_ in rounds_until(log, base.begins, moment):
        for shard, change in round_.changes:
            if cut.takes(round_, shard, change):
                # The later one of a key takes the earlier one's place: what is brought in together has each key once.
                pack[key_text(change.key)] = change.key, change.new
                done.changes, done.last = done.changes + 1, max(filter(None, (done.last, change.at)))
        if len(pack) >= PACK:
            _bring_in(client, table, pack)
    _bring_in(client, table, pack)
    return done


def items_in(vault: Vault, parts: Iterable[Part]) -> Iterator[Item]:
    """Give the items of a base's parts. Raises Damaged, NoSuchKey, VaultDown."""
    for piece in read_parts(vault, parts):
        yield from items_of(piece.splitlines())


def _bring_in(client: Any, table: str, pack: dict[str, tuple[Key, Item | None]]) -> None:
    write_batches(client, table, (Delete(table, key) if new is None else Put(table, new) for key, new in pack.values()))
    pack.clear()
    failpoint("documents.replayed")
