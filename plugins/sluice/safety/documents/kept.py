"""Bases as their keeping sees them, and what goes of the log of the streams.

Within the window, all of the log stays behind the base with which the window begins. An older base that is kept for its week or
its month is one moment: of the log it needs what makes it consistent, from where it was begun until it was whole. All of that was
in the vault when the base was noted to be read back; what was stored behind that note it does not need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sluice.safety.backup import place_of
from sluice.safety.documents.base import Base, read_base
from sluice.safety.documents.log import Run, TableLog
from sluice.safety.keeping.expiring import Expiry, LogDrop
from sluice.safety.keeping.looking import SeenOf, Sort
from sluice.safety.keeping.notes import noted_whole
from sluice.safety.keeping.tiers import One
from sluice.stores.objects import Vault


@dataclass(frozen=True)
class Stored:
    """One round of a log in the vault."""

    table: str
    run: str
    number: int
    key: str
    stored_at: datetime


@dataclass(frozen=True)
class Stretch:
    """What a base needs of a run: from a round on, what was stored by a moment; None where nobody knows by which."""

    begins: int
    by: datetime | None

    def has(self, one: Stored) -> bool:
        """Whether a round of that run is needed."""
        return one.number >= self.begins and (self.by is None or one.stored_at <= self.by)


def one_of(base: Base) -> One:
    """Give a base as its keeping sees it. Pure."""
    return One(base.id, base.whole)


def plan_log(vault: Vault, seen: SeenOf[Base], expiry: Expiry) -> list[LogDrop]:
    """Say what goes of the log, once what is over has gone. Raises VaultDown, AccessDenied. Read only."""
    if not seen.backups:
        return []
    store = next(iter(seen.backups.values())).store
    noted = noted_whole(seen.backups.values(), vault.dated(f"{place_of(store)}/base/"))
    return [*plan_rounds(seen.backups, expiry, list_rounds(vault, store), noted)]


def list_rounds(vault: Vault, store: str) -> list[Stored]:
    """Name every round that there is, of whatever table. Raises VaultDown, AccessDenied."""
    folder = f"{place_of(store)}/log/"
    found = []
    for key, at in vault.dated(folder).items():
        table, run, *rest = key.removeprefix(folder).split("/")
        if len(rest) == 2:  # what lies beside the rounds stays
            found.append(Stored(table, run, int(rest[1].removesuffix(".zst")), key, at))
    return found


def plan_rounds(
    bases: Mapping[str, Base], expiry: Expiry, rounds: Sequence[Stored], noted: Mapping[str, datetime]
) -> Iterator[LogDrop]:
    """Give what of the log no base that is kept needs, by neighbours. `noted`: when each base was noted to be read back. Pure."""
    if expiry.anchor is None or expiry.since is None:
        return
    since, kept = expiry.since, sorted((bases[name] for name in expiry.keep), key=lambda one: one.whole)
    window = _window(kept, bases[expiry.anchor])
    needs, last = defaultdict[tuple[str, str], list[Stretch]](list), dict[tuple[str, str], int]()
    for base in kept:
        for one in base.tables:
            needs[one.table, one.run.id].append(Stretch(one.begins, noted.get(base.id)))
    for stored in rounds:
        last[stored.table, stored.run] = max(stored.number, last.get((stored.table, stored.run), 0))

    def goes(one: Stored) -> bool:
        # Within the window all stays, needed or not; and the last round, which says where the shipping goes on.
        if one.stored_at >= since or one.number == last[one.table, one.run]:
            return False
        if one.table in window and (one.run, one.number) >= window[one.table]:
            return False
        return not any(stretch.has(one) for stretch in needs[one.table, one.run])

    ordered = sorted(rounds, key=lambda one: (one.table, one.run, one.number))
    for (table, run, going), group in groupby(ordered, lambda one: (one.table, one.run, goes(one))):
        if going:
            files = {f"{one.number:09}": one.key for one in group}
            yield LogDrop(f"{table}/{run}", min(files), max(files), files, "no base that is kept needs it")


def _window(kept: Sequence[Base], anchor: Base) -> Mapping[str, tuple[str, int]]:
    """Give from where on the window needs the log of each table: run, and round. A younger one begins with its own first base."""
    found: dict[str, tuple[str, int]] = {}
    for base in kept:
        for one in base.tables if base.whole >= anchor.whole else ():
            found.setdefault(one.table, (one.run.id, one.begins))
    return found


def note_gap(vault: Vault, store: str, going: LogDrop) -> None:
    """Note of a stretch that it goes: no window reaches from before it. Safe to repeat. Raises VaultDown, AccessDenied."""
    table, run = going.system.split("/")
    TableLog(vault, store, table, Run(run, "", both=False)).note_unbroken(int(going.last) + 1)


BASES = Sort("base", read_base, one_of, plan_log=plan_log, note_gap=note_gap)
