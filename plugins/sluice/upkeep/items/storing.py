"""Store the records of one month in the vault: a bounded file at a time, the manifest last.

A file's name holds the sum over its records. A run that died is taken up by reading the table again: what is the same is stored
already, and what nobody's manifest names is no part of the month.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.dynamodb.export_lines import BITS, Tally, line_of
from sluice.stores.dynamodb.values import Item, Key
from sluice.upkeep.items.place import Place
from sluice.upkeep.items.rounds import Manifest, Part, Round
from sluice.upkeep.partitions.spans import Span

THREADS = 4
FILE_BYTES = 8_000_000
"""Bytes of lines after which a file ends: whoever reads one has all of its records in memory, some ten times as much."""
GZIP = "application/gzip"
MOST_ATTRIBUTES = 140
"""What the condition of one delete can name: the service takes 300 operators and 4 KB."""


class TooWide(Terminal):
    """A record has more attributes than a deletion could make sure of."""


def store_month(place: Place, round_: Round, month: Span) -> Round:
    """Store all that a month has now. Safe to repeat. Raises VaultDown, Throttled, DynamoDown."""
    partitions = place.partitions(month)
    with ThreadPoolExecutor(THREADS) as pool:
        stored = pool.map(lambda one: _store_partition(place, round_, *one), enumerate(partitions))
        parts = tuple(part for some in stored for part in some)
    failpoint("items.files_stored")
    whole = sum(int(part.hash, 16) for part in parts) % 2**BITS
    manifest = Manifest(
        place.items.design.store,
        place.table,
        place.items.file.entity,
        round_.month,
        place.key_names,
        sum(part.items for part in parts),
        f"{whole:032x}",
        parts,
    )
    round_ = round_.note("manifest", manifest.body())
    failpoint("items.stored")
    return round_


def _store_partition(place: Place, round_: Round, number: int, partition: Key) -> list[Part]:
    items, parts = place.read(partition), list[Part]()
    while (filled := _filled(items)) is not None:
        body, tally = filled
        key = f"{round_.folder}/data/{number:04}-{len(parts):05}-{tally.text}.json.gz"
        stored = round_.vault.put_once(key, body, GZIP)
        parts.append(Part(key, tally.items, len(body), stored.sha256, tally.text, stored.version_id))
        failpoint("items.file_stored")
    return parts


def _filled(items: Iterator[Item]) -> tuple[bytes, Tally] | None:
    """Give one file's content: records until it is full or there are no more; None where there was none."""
    body, tally = io.BytesIO(), Tally()
    with gzip.GzipFile(fileobj=body, mode="wb", mtime=0) as file:  # no time in it: the same records, the same bytes
        for item in items:
            _check_width(item)
            file.write(line_of(item))
            tally.add(item, lambda _: False)
            if file.tell() >= FILE_BYTES:
                break
    return (body.getvalue(), tally) if tally.items else None


def _check_width(item: Item) -> None:
    if len(item) > MOST_ATTRIBUTES:
        raise TooWide(
            f"A record has {len(item)} attributes ({', '.join(list(item)[:5])}, …), and a deletion can look at {MOST_ATTRIBUTES}."
            " Its month stays in the table: leave out such an entity, or give the record fewer attributes."
        )


def sha256(body: bytes) -> str:
    """Give the checksum by which a stored object is known."""
    return hashlib.sha256(body).hexdigest()
