"""Bring wishes to the other side: transactions under a guard, each refusal understood, a page's mark written last.

All that one source item asks for is in one transaction. Conditions make a repetition harmless, so transactions of one page
may run beside each other, and a page whose mark was not written is simply written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Any

from sluice.errors import Transient
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Fenced
from sluice.migration.kinds.single_table.claims import Fate, Verdict
from sluice.migration.kinds.single_table.ours import GONE, TOKEN
from sluice.migration.kinds.single_table.wishes import Mishap, Wish
from sluice.stores.dynamodb.capacity import AdaptiveRate, Units
from sluice.stores.dynamodb.client import DynamoRefused
from sluice.stores.dynamodb.values import Item, size_of
from sluice.stores.dynamodb.writes import (
    MOST_ACTIONS,
    Action,
    Cancelled,
    Check,
    Condition,
    Delete,
    Put,
    Unwritable,
    Update,
    write_one,
    write_together,
)

MOST_BYTES = 3_500_000
"""Of one transaction, which may have 4 MB with names and conditions."""

Guard = Callable[[], Sequence[Check]]
"""Gives the checks that refuse a worker whose time is over: the fence first, then its place, if that matters."""
Judge = Callable[[Wish, Item], Verdict]
"""Says what becomes of a wish in whose way something stands."""


class Overtaken(Transient):
    """Another worker has moved on the same segment or shard: what it does not do, a next try does."""


@dataclass
class Written:
    """What became of wishes. `older`: something newer stood there already, so the live path had won."""

    written: int = 0
    older: int = 0
    mishaps: list[Mishap] = field(default_factory=list)

    def add(self, other: Written) -> None:
        """Count what another thread did."""
        self.written += other.written
        self.older += other.older
        self.mishaps += other.mishaps


@dataclass(frozen=True)
class Writer:
    """Writes wishes as `put` makes them, under `guard`; `threads` of them at once."""

    client: Any
    put: Callable[[Wish], Put | Update]
    guard: Guard
    judge: Judge
    threads: int = 1
    units: Units | None = None
    """Counts what it costs."""
    rate: AdaptiveRate | None = None
    """Write units a second, where there is a limit."""

    def write(self, wishes: Iterable[Wish]) -> Written:
        """Write all of them. Raises Fenced, Overtaken, Throttled, DynamoDown: some may be written then."""
        done, packs = Written(), packed(wishes, MOST_ACTIONS - len(self.guard()))
        first = list(islice(packs, 2))
        if self.threads == 1 or len(first) < 2:
            for pack in chain(first, packs):
                done.add(self._write_pack(pack))
            return done
        with ThreadPoolExecutor(self.threads) as pool:
            for one in pool.map(self._write_pack, chain(first, packs)):  # packed while the first are written
                done.add(one)
        return done

    def _write_pack(self, wishes: Sequence[Wish]) -> Written:
        """Write one transaction, without those that newer ones stand before."""
        done, left = Written(), list(wishes)
        while left:
            checks = self.guard()
            try:
                write_together(self.client, [*checks, *map(self.put, left)], self.units, self.rate)
            except Cancelled as cancelled:
                left = self._without_refused(cancelled, len(checks), left, done)
            except (Unwritable, DynamoRefused) as why:
                done.add(self._apart(left, why))
                return done
            else:
                failpoint("records.written")
                done.written += len(left)
                return done
        return done

    def _without_refused(self, cancelled: Cancelled, checks: int, left: list[Wish], done: Written) -> list[Wish]:
        _require_conditions(cancelled)
        refused = {one.index - checks: one for one in cancelled.refused}
        if -checks in refused:
            raise Fenced("the migration has gone on without this worker: it is over.") from cancelled
        if min(refused) < 0:
            raise Overtaken("another worker has done this page meanwhile.") from cancelled
        again: list[Wish] = []
        for index, wish in enumerate(left):
            if index not in refused:
                again.append(wish)
            elif (stands := refused[index].item) is None and wish.over is None:
                raise cancelled  # nothing can have been in its way
            elif stands is None:
                again.append(wish.instead_of(None))  # it was to take the place of what is gone by now
            elif (verdict := self.judge(wish, stands)).fate is Fate.FREE:
                again.append(wish.instead_of(stands))
            elif verdict.fate is Fate.OLDER:
                done.older += 1
            else:
                done.mishaps.append(_mishap(wish, f"{wish.table} {wish.place[1]} is taken: {verdict.stands}"))
        return again

    def _apart(self, wishes: Sequence[Wish], why: Exception) -> Written:
        """Write each source item by itself, so that only the one that cannot be written is set aside."""
        groups = list(by_origin(wishes))
        if len(groups) == 1:
            return Written(mishaps=[_mishap(wishes[0], str(why))])
        done = Written()
        for group in groups:
            done.add(self._write_pack(group))
        return done


def packed(wishes: Iterable[Wish], most: int) -> Iterator[list[Wish]]:
    """Give the wishes in packs that fit into one transaction each; what one source item asks for stays together.

    Only a change that asks for more than a transaction holds is cut: what shall stand comes before what shall go.
    """
    pack: list[Wish] = []
    size = 0
    for group in _fitting(by_origin(wishes), most):
        larger = sum(size_of(wish.item or wish.key) for wish in group)
        if pack and (len(pack) + len(group) > most or size + larger > MOST_BYTES):
            yield pack
            pack, size = [], 0
        pack, size = [*pack, *group], size + larger
    if pack:
        yield pack


def _fitting(groups: Iterable[list[Wish]], most: int) -> Iterator[list[Wish]]:
    for group in groups:
        ordered = sorted(group, key=lambda wish: wish.item is None)
        yield from (ordered[start : start + most] for start in range(0, len(ordered), most))


def by_origin(wishes: Iterable[Wish]) -> Iterator[list[Wish]]:
    """Give the wishes of each source item."""
    ordered = sorted(wishes, key=lambda wish: wish.came_from)
    for _, group in groupby(ordered, key=lambda wish: wish.came_from):
        yield list(group)


def clear_tombstones(client: Any, wishes: Iterable[Wish]) -> None:
    """Delete what stands as a tombstone of these very wishes, where the application must not meet it."""
    for wish in wishes:
        if wish.item is None:
            ours = Condition(
                "attribute_exists(#gone) AND #token = :token",
                {"#gone": GONE, "#token": TOKEN},
                {":token": {"S": wish.token}},
            )
            try:
                write_one(client, Delete(wish.table, wish.key, ours))
            except Cancelled:
                continue  # it is gone already, or something newer stands there


def finish(client: Any, guard: Guard, actions: Sequence[Action]) -> None:
    """Write a page's mark, and what was quarantined, after all else. Raises Fenced, Overtaken."""
    checks = guard()
    try:
        write_together(client, [*checks, *actions])
    except Cancelled as cancelled:
        _require_conditions(cancelled)
        if min(one.index for one in cancelled.refused) < len(checks):
            raise Fenced("the migration has gone on without this worker: it is over.") from cancelled
        raise Overtaken("another worker has done this page meanwhile.") from cancelled


def _require_conditions(cancelled: Cancelled) -> None:
    """Raise what was cancelled for anything but a condition: somebody was at the same items, and nobody has said no."""
    if any(one.code != "condition" for one in cancelled.refused):
        raise cancelled


def _mishap(wish: Wish, reason: str) -> Mishap:
    return Mishap(wish.came_from.partition("/")[2], wish.token, reason)
