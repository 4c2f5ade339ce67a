"""Read a month out of the vault again, and hold each record against the table as it is now. Read only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from sluice.errors import Transient
from sluice.stores.dynamodb.export_lines import Tally, items_in
from sluice.stores.dynamodb.values import Item, key_of, key_text, same
from sluice.stores.objects import Damaged, Vault
from sluice.upkeep.items.place import Place
from sluice.upkeep.items.rounds import KEPT, Manifest, Part

THREADS, AT_ONCE = 4, 1000
"""Files side by side, and records of each that are held against the table at once."""
SHOWN = 10


class WrittenMeanwhile(Transient):
    """Records of a month that is over were changed between the reading and the reading back."""


@dataclass
class Found:
    """What was read back, and what the table has of it: the same, changed since, or gone."""

    tally: Tally = field(default_factory=Tally)
    same: int = 0
    gone: int = 0
    changed: list[str] = field(default_factory=list)

    def join(self, other: Found) -> Found:
        """Add what another file held."""
        self.tally.join(other.tally)
        self.same += other.same
        self.gone += other.gone
        self.changed += other.changed
        return self


def compare(place: Place, vault: Vault, manifest: Manifest) -> Found:
    """Read every file of a month, and each of its records in the table. Raises Damaged, NoSuchKey, VaultDown, Throttled."""
    whole = Found()
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda part: _compare_file(place, vault, part), manifest.parts):
            whole.join(found)
    if (whole.tally.items, whole.tally.text) != (manifest.items, manifest.hash):
        raise Damaged(f"The files of {manifest.month} do not hold what their manifest tells. {KEPT}")
    return whole


def read_part(vault: Vault, part: Part) -> list[Item]:
    """Read one file: checksum, number of records, and the sum over them. Raises Damaged, NoSuchKey, VaultDown."""
    body, tally = vault.get(part.key, part.version), Tally()
    if hashlib.sha256(body).hexdigest() != part.sha256:
        raise Damaged(f"{part.key} in the vault is not what was stored. {KEPT}")
    try:
        items = list(items_in(body))
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise Damaged(f"{part.key} in the vault cannot be read: {error}. {KEPT}") from error
    for item in items:
        tally.add(item, lambda _: False)
    if (tally.items, tally.text) != (part.items, part.hash):
        raise Damaged(f"{part.key} in the vault has {tally.items:,} records of {part.items:,}. {KEPT}")
    return items


def beside_the_table(place: Place, items: list[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Give each record that was stored, with what the table has under its key now."""
    left = iter(items)
    while some := list(islice(left, AT_ONCE)):
        keys = [key_of(item, *place.key_names) for item in some]
        now = place.now(keys)
        yield from zip(some, (now.get(key_text(key)) for key in keys), strict=True)


def _compare_file(place: Place, vault: Vault, part: Part) -> Found:
    found = Found()
    items = read_part(vault, part)
    for stored, now in beside_the_table(place, items):
        found.tally.add(stored, lambda _: False)
        if now is None:
            found.gone += 1
        elif same(stored, now):
            found.same += 1
        else:
            found.changed.append(key_text(key_of(stored, *place.key_names)))
    return found
