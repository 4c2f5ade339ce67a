"""Was anything lost, and are both sides the same? Every item of both, and the application's own list of promises.

It reads the tables themselves and maps by `shape`: neither the migration's mapping nor the access library is asked.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.oracle import SAMPLES, OracleReport, Sample
from sluice.local.certify.shape import Image, Key
from sluice.local.tyler.shape import (
    LEGACY,
    TARGET,
    Legacy,
    entity_in,
    entity_of,
    is_expired,
    key_of_whole,
    keys_of_lookups,
    text,
)
from sluice.local.tyler.sides import Side
from sluice.local.tyler.writer import item_in
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, canonical_text

Found = dict[Key, str]
"""What stands for a key: a digest of the entity and of where it lies."""


@dataclass
class Survey:
    """Everything of both sides: entities, and where the look-up records of each are."""

    old: Found = field(default_factory=dict)
    new: Found = field(default_factory=dict)
    lookups_wanted: set[tuple[str, str]] = field(default_factory=set)
    lookups_found: set[tuple[str, str]] = field(default_factory=set)
    records: int = 0

    @property
    def differing(self) -> list[str]:
        """Name what is not the same on both sides."""
        keys = [key for key in {**self.old, **self.new} if self.old.get(key) != self.new.get(key)]
        lookups = self.lookups_wanted ^ self.lookups_found
        return sorted([f"{key.table} {key.id}" for key in keys] + [" ".join(place) for place in lookups])

    def side(self, side: Side) -> Found:
        """What one side has."""
        return self.old if side == "old" else self.new


def survey(client: Any) -> Survey:
    """Read all of both sides, strongly consistent. What is gone, a canary or expired is not there."""
    found, now = Survey(), time.time()
    for legacy in LEGACY.values():
        for item in _items(client, legacy.table):
            if not is_expired(legacy, item, now):
                entity = entity_of(legacy, item)
                _add(found.old, legacy, entity, key_of_whole(legacy.kind, entity))
                found.lookups_wanted.update(keys_of_lookups(legacy.kind, entity))
    kinds = {legacy.kind.upper(): legacy for legacy in LEGACY.values()}
    for record in _items(client, TARGET):
        found.records += 1
        place = text(record["PK"]), text(record["SK"])
        if owner := kinds.get(record.get("entityType", {}).get("S", "")):
            _add(found.new, owner, entity_in(record), place)
        else:
            found.lookups_found.add(place)
    return found


def judge(acknowledged: Acknowledged, found: Found) -> OracleReport:
    """Compare every key that the application wrote with what one side has."""
    bad: list[Sample] = []
    unknown = 0
    for key, states in acknowledged.items():
        unknown += len(states) > 1
        wanted = [_digest_of(LEGACY[key.table], state) for state in states]
        there = found.get(key)
        if there not in wanted:
            verdict = "lost" if there is None else "resurrected" if wanted == [None] else "wrong"
            bad.append(Sample(key.table, key.id, verdict, str(states[-1])[:400], there or "nothing"))
    counts = Counter(sample.verdict for sample in bad)
    told = (counts["lost"], counts["wrong"], counts["resurrected"])
    return OracleReport(len(acknowledged), *told, unknown, tuple(bad[:SAMPLES]))


def _items(client: Any, table: str) -> Iterator[Item]:
    after = None
    with ThreadPoolExecutor(1) as ahead:
        page = ahead.submit(scan_page, client, table)
        while True:
            done = page.result()
            after = done.next_key
            if after:
                page = ahead.submit(scan_page, client, table, after=after)
            yield from (item for item in done.items if "_gone" not in item and "_canary" not in item)
            if not after:
                return


def _add(found: Found, legacy: Legacy, entity: Item, place: tuple[str, str]) -> None:
    key = Key(legacy.table, text(entity["key" if legacy.kind == "config" else "id"]))
    # Two of one name are one too many, and equal to nothing.
    found[key] = found[key] + _digest(entity, place) if key in found else _digest(entity, place)


def _digest_of(legacy: Legacy, state: Image | None) -> str | None:
    if state is None:
        return None
    entity = entity_of(legacy, item_in(state))
    return _digest(entity, key_of_whole(legacy.kind, entity))


def _digest(entity: Item, place: tuple[str, str]) -> str:
    return blake2b(f"{place} {canonical_text(entity)}".encode(), digest_size=12).hexdigest()
