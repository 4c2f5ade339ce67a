"""Count a store's tables as they were at one moment, while they are written to; and carry such a count to another moment.

The live tables are read, by no way that a backup goes. A read of minutes sees each item at a moment of its own, so what the
stream tells of the time since it began is taken in: an item that was not changed counts as it was read, one that was as the
stream says it was at the end. And what was read of such an item must be one of the versions that the stream tells: else that has
left something out, and is no proof of anything.

So a count proves of everything that was not written during it that it is in the table, by the table's own word; and of the rest
that the stream told its whole story. A copy that was made of another read and of the log is held against it, to the last item.

Carried to another moment, by what the items were and became, it tells what a copy of that moment must hold. The count that comes
*after* the moment is the one to take: it has seen what came of every write before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import IO, Any

from sluice.errors import Terminal
from sluice.safety.census import Census, Moment
from sluice.safety.counting import Content
from sluice.safety.documents.log import Stretch, TableLog
from sluice.safety.documents.putting_back import settings_lines
from sluice.safety.documents.replaying import Cut, rounds_until
from sluice.safety.documents.settings import Settings, read_settings
from sluice.safety.documents.shipping import TableShipper
from sluice.safety.documents.tables import YOUNGER, Tables
from sluice.safety.documents.taking import SEGMENTS, hash_of, scanned
from sluice.safety.driver import Tell
from sluice.stores.dynamodb.export_lines import BITS, digest
from sluice.stores.dynamodb.values import Item, key_of

WIDTH = BITS // 8
"""Bytes of one digest: a key's, or an item's."""


class StreamLied(Terminal):
    """The table holds what its stream has never told."""


@dataclass
class Touched:
    """What the stream tells of one key since a count began."""

    now: Item | None = None
    versions: set[int | None] = field(default_factory=set)
    """Of every version that it had, None for when it was not there."""
    seen: bool = False


def count_live(tables: Tables, shippers: Mapping[str, TableShipper], tell: Tell) -> Census:
    """Count every table of a store as of one moment, which is a few seconds from now. The log is shipped up to there.

    Raises StreamLied, LogLost, NoLog, LogLate, Throttled, DynamoDown, VaultDown.
    """
    begins = {table: shippers[table].next for table in tables.names}
    with tempfile.TemporaryDirectory() as folder:
        read = {table: _read(tables, table, f"{folder}/{number}") for number, table in enumerate(tables.names)}
        moment = tables.now() + YOUNGER
        content = {}
        for table in tables.names:
            shippers[table].reach(moment)
            touched = _touched(shippers[table].log, begins[table], moment)
            content[table] = _settle(table, read[table], touched, shippers[table].log.run.both)
            tell(
                f"{tables.store}: {table} counted, {content[table].rows:,} items, {len(touched):,} of these by its stream"
            )
    return _census(tables.store, moment, content, _set(tables))


def count_still(tables: Tables) -> Census:
    """Count every table of a store that has no log: exact where nobody writes, and what two of these agree in lay still."""
    return count_copy(tables, tables.now(), _set(tables), tables.names)


def _set(tables: Tables) -> dict[str, list[str]]:
    return told_by([read_settings(tables.clients, table) for table in tables.names], tables.names)


def count_copy(
    tables: Tables, as_of: datetime, surroundings: Mapping[str, Sequence[str]], names: Sequence[str]
) -> Census:
    """Count the tables of a copy, that nobody writes to, under the names of their originals."""
    content = {}
    for table, name in zip(tables.names, names, strict=True):
        with ThreadPoolExecutor(SEGMENTS) as pool:
            sums = list(pool.map(partial(_sum, tables.clients.dynamodb, table), range(SEGMENTS)))
        content[name] = Content(sum(rows for rows, _ in sums), hash_of(sum(total for _, total in sums)))
    return _census(tables.store, as_of, content, surroundings)


def carried(census: Census, logs: Mapping[str, Stretch], moment: datetime) -> Census:
    """Carry a count to another moment, by logs that hold all that was written between. Pure but for reading.

    Raises OneImage where a stream does not tell what items were, LogShort, Damaged.
    """
    was = datetime.fromisoformat(census.moment.at)
    if moment == was:
        return census
    content = {}
    for table, found in census.tables.items():
        if table not in logs:  # it is younger than the backup: the copy has none
            content[table] = found
            continue
        stretch = logs[table]
        if not stretch.log.run.both:
            raise OneImage(
                f"The stream of {table} does not tell what items were: only a moment that was counted is compared."
            )
        rows, total = _moved(stretch, was, moment)
        content[table] = Content(found.rows + rows, hash_of(int(found.hash, 16) + total))
    return replace(census, moment=Moment(None, moment.isoformat(), "", ()), tables=content)


class OneImage(Terminal):
    """A stream tells only what items became."""


def told_by(settings: Sequence[Settings], names: Sequence[str], *, drill: bool = True) -> dict[str, list[str]]:
    """Give settings as lines by kind, under the names of the originals. Pure."""
    lines: dict[str, list[str]] = {}
    for one, name in zip(settings, names, strict=True):
        for kind, text in settings_lines(one, drill=drill):
            lines.setdefault(kind, []).append(f"{name} {text}")
    return lines


def _census(store: str, moment: datetime, content: dict[str, Content], around: Mapping[str, Sequence[str]]) -> Census:
    return Census(store, Moment(None, moment.isoformat(), "", ()), content, around, {})


def _read(tables: Tables, table: str, path: str) -> list[str]:
    """Read a table into files of digests, key and item: which of them count is known at the end alone."""

    def segment(number: int) -> str:
        name = f"{path}-{number}"
        with open(name, "wb") as file:  # noqa: PTH123
            for item in scanned(tables.clients.dynamodb, table, number, SEGMENTS):
                file.write(_bytes(digest(key_of(item, *key))) + _bytes(digest(item)))
        return name

    key = tuple(part["AttributeName"] for part in tables.described(table)["KeySchema"])
    with ThreadPoolExecutor(SEGMENTS) as pool:
        return list(pool.map(segment, range(SEGMENTS)))


def _touched(log: TableLog, begins: int, moment: datetime) -> dict[int, Touched]:
    """Give what was changed since a round, up to a moment, by the digest of its key."""
    found: dict[int, Touched] = {}
    cut = Cut(moment)
    for round_ in rounds_until(log, begins, moment):
        for shard, change in round_.changes:
            if cut.takes(round_, shard, change):
                one = found.setdefault(digest(change.key), Touched())
                one.now = change.new
                one.versions |= {_digest(change.old), _digest(change.new)}
    return found


def _settle(table: str, files: Sequence[str], touched: dict[int, Touched], both: bool) -> Content:
    """Count what was read and not changed, and what was changed as it is at the end. Raises StreamLied."""
    rows = total = 0
    for key, item in _pairs(files):
        one = touched.get(key)
        if one is None:
            rows, total = rows + 1, total + item
        elif both and item not in one.versions:
            raise StreamLied(f"{table}: an item was read in a version of which its stream has never told. {_MEND}")
        else:
            one.seen = True
    for one in touched.values():
        if both and not one.seen and None not in one.versions:
            raise StreamLied(f"{table}: an item that was there all the time, by its stream, was not found. {_MEND}")
        if one.now is not None:
            rows, total = rows + 1, total + digest(one.now)
    return Content(rows, hash_of(total))


_MEND = "Its log cannot be trusted: keep it as evidence, and take a base now."


def _moved(stretch: Stretch, was: datetime, to: datetime) -> tuple[int, int]:
    """Give what the changes between two moments have added: items, and to the sum over them. Backwards, what they took."""
    earlier, later = min(was, to), max(was, to)
    rows = total = 0
    first, second = Cut(earlier), Cut(later)
    for round_ in rounds_until(stretch.log, stretch.begins, later):
        for shard, change in round_.changes:
            before = first.takes(round_, shard, change)
            if second.takes(round_, shard, change) and not before:
                rows += (change.new is not None) - (change.old is not None)
                total += (_digest(change.new) or 0) - (_digest(change.old) or 0)
    return (rows, total) if to > was else (-rows, -total)


def _sum(client: Any, table: str, segment: int) -> tuple[int, int]:
    rows = total = 0
    for item in scanned(client, table, segment, SEGMENTS):
        rows, total = rows + 1, total + digest(item)
    return rows, total


def _pairs(files: Sequence[str]) -> Iterator[tuple[int, int]]:
    for name in files:
        with open(name, "rb") as file:  # noqa: PTH123
            yield from _pairs_in(file)


def _pairs_in(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    while pair := file.read(2 * WIDTH):
        yield int.from_bytes(pair[:WIDTH], "big"), int.from_bytes(pair[WIDTH:], "big")


def _digest(item: Item | None) -> int | None:
    return None if item is None else digest(item)


def _bytes(number: int) -> bytes:
    return number.to_bytes(WIDTH, "big")
