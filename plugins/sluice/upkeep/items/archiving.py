"""Archive the months of an entity in DynamoDB: those that are old are stored, read back, and cool; later they are deleted.

`old → stored → verified (it cools) → deleted`. Each step is a note in the vault, and may be taken again by whoever comes after
one that died. At every instant each record is in the table, or in an object that was read back: nothing but its own line out of
the vault deletes a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sluice.errors import Terminal
from sluice.estate.items import ItemRetention, Items
from sluice.failpoints import failpoint
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.objects import Vault
from sluice.stores.rules import Kept
from sluice.upkeep.archive.choosing import cutoff, holding, is_old
from sluice.upkeep.items.bringing_back import bring_back
from sluice.upkeep.items.deleting import delete_month
from sluice.upkeep.items.place import Place
from sluice.upkeep.items.reading_back import SHOWN, WrittenMeanwhile, compare
from sluice.upkeep.items.rounds import Round, rounds_of
from sluice.upkeep.items.storing import sha256, store_month
from sluice.upkeep.partitions.spans import Span, span_at, spans
from sluice.upkeep.refusals import NoRetention, NoSuchMonth, NotBroughtBack
from sluice.upkeep.vault.staying import check_stays

Tell: TypeAlias = Callable[[str], None]
Facts: TypeAlias = Mapping[str, int | str]


class NotDeleted(Terminal):
    """A month may not be deleted."""


@dataclass(frozen=True)
class ItemMonth:
    """One month of an entity, and the round that it is in."""

    entity: str
    span: Span
    round: Round
    held: str | None
    cools_until: datetime | None
    now: datetime
    """The store's clock when this was looked at."""

    def __str__(self) -> str:
        return f"{self.entity}, {self.round.month}"

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.round.is_verified:
            return "cooling" if self.cools_until else "verified"
        return "stored" if self.round.is_stored else "old"

    @property
    def standing(self) -> str:
        """Where it stands, in words."""
        ends = f" until {self.cools_until:%Y-%m-%d %H:%M} UTC" if self.cools_until else ""
        return f"{self.state}{ends}{f', held: {self.held}' if self.held else ''}"

    @property
    def has_cooled(self) -> bool:
        """Whether it was read back long enough ago, and nobody holds it."""
        return self.cools_until is not None and self.cools_until <= self.now and not self.held


@dataclass(frozen=True)
class ItemArchive:
    """One entity, and the vault. `prefix` stands before the table's name."""

    items: Items
    client: Any
    vault: Vault
    prefix: str = ""
    again: Callable[[], Items] | None = None
    """Reads the file anew: a hold that is written while a month is being deleted is heard. Without it, the file is as it was."""
    alone: Callable[[str], AbstractContextManager[Callable[[], None]]] = lambda _: nullcontext(lambda: None)
    """Keeps others of us away from a month, and gives what looks whether it still does. Without it, there are none."""

    @property
    def place(self) -> Place:
        """Where the records lie."""
        return Place(self.client, self.items, self.prefix)

    @property
    def retention(self) -> ItemRetention:
        """What the file says. Raises NoRetention."""
        if self.items.file.archive is None:
            named = f"include/estate/items/{self.items.file.name}.yaml"
            raise NoRetention(f"{self.items.file.entity}: {named} has no `archive`. Nothing was changed.")
        return self.items.file.archive

    @property
    def folder(self) -> str:
        """Where the entity's months lie in the vault."""
        return f"archive/{self.items.design.store}/{self.place.table}/{self.items.file.entity}"

    def list_due(self) -> list[ItemMonth]:
        """List the months with something to do, a deletion included, the oldest first. Read-only."""
        now = self._now()
        first = span_at(_first_of(self.retention.since), "month").lower
        old = (span for span in spans(first, cutoff(self.retention.keep, now), "month") if self._is_old(span, now))
        return [month for span in old if self._is_due(month := self._look(span, now))]

    def find(self, named: str) -> ItemMonth:
        """Look where a month stands, such as 2024-01. Read-only. Raises NoSuchMonth."""
        now, span = self._now(), span_at(_first_of(named), "month")
        if not self._is_old(span, now):
            raise NoSuchMonth(
                f"{self.items.file.entity}, {named} is not older than {self.retention.keep}. Nothing was done."
            )
        return self._look(span, now)

    def advance(self, named: str, tell: Tell) -> Facts:
        """Bring a month as far as it goes without a deletion, and read all of it back. Safe to repeat.

        Gives what was found, for the gate. Raises NoSuchMonth, WrittenMeanwhile, Damaged, NoSuchKey, VaultDown, Throttled.
        """
        month = self.find(named)
        if not month.round.is_stored:
            if month.held:
                raise NoSuchMonth(f"{month} is held: {month.held}. Nothing was done.")
            if not self.place.is_any(month.span):
                raise NoSuchMonth(f"{month} has no record in {self.place.table}. Nothing was done.")
            store_month(self.place, month.round, month.span)
            month = self.find(named)
            tell(f"{month} is stored: {month.round.folder}")
        return self._proven(month, tell)

    def may_delete(self, month: ItemMonth) -> bool:
        """Whether a month has cooled, nobody holds it, and the file says that it goes."""
        return self.retention.then == "delete" and month.has_cooled and not month.round.is_done

    def delete(self, named: str, tell: Tell, shown: Mapping[str, str] | None = None) -> Facts:
        """Delete what a month's round has stored, as far as it still is that; only the round that was `shown`, where one was.

        Safe to repeat. Raises NotDeleted, EndsEarly, Damaged.
        """
        month = self.find(named)
        if not self.may_delete(month):
            raise NotDeleted(f"{month} is {month.standing}. Nothing was deleted.")
        if shown and month.round.named != shown:
            raise NotDeleted(f"{month} was stored anew since its gate was green. Nothing was deleted: run it again.")
        self.check_stays()
        with self.alone(named) as look:
            done = delete_month(self.place, month.round, lambda: self._check_on(month, look)).read("done")
        failpoint("items.noted")
        tell(f"{month}: {done}")
        return done

    def check_stays(self) -> None:
        """Raise EndsEarly where the vault's own rules would take months of these records away. Read-only."""
        check_stays(self.vault, [Kept(f"{self.folder}/", None)], f"include/estate/items/{self.items.file.name}.yaml")

    def bring_back(self, named: str, tell: Tell) -> Facts:
        """Put the records of a month back into the table. Safe to repeat.

        Raises NotBroughtBack, TakenAway, Damaged, LockBusy, VaultDown.
        """
        month = self.find(named)
        if not month.held:
            raise NotBroughtBack(
                f"{month}: hold it first, or it is archived again as soon as it is back: {named} under `holds` in"
                f" include/estate/items/{self.items.file.name}.yaml. Nothing was done."
            )
        verified = [one for one in rounds_of(self.vault, self.folder, month.span) if one.is_verified]
        if not verified:
            raise NotBroughtBack(f"{month}: the vault has nothing of it that was read back. Nothing was done.")
        with self.alone(named):
            counted = bring_back(self.place, self.vault, verified)
        tell(f"{month}: {counted}")
        return counted

    # ---- within ----

    def _check_on(self, month: ItemMonth, look: Callable[[], None]) -> None:
        """Raise NotDeleted where a month is held by now, or its file says no more that it goes."""
        look()
        retention = (self.again() if self.again else self.items).file.archive
        held = holding(month.span, retention.holds) if retention else None
        if held or retention is None or retention.then != "delete":
            why = f"is held by now: {held}" if held else "goes no more, as its file says by now"
            raise NotDeleted(
                f"{month} {why}. Its deletion has stopped: what was deleted is in the vault, and restore_items brings it back"
                " while the month is held."
            )

    def _proven(self, month: ItemMonth, tell: Tell) -> Facts:
        manifest = month.round.manifest
        found = compare(self.place, self.vault, manifest)
        if not month.round.is_verified:
            if found.changed:
                month.round.note("done", {"deleted": 0, "gone": 0, "changed": len(found.changed)})
                raise WrittenMeanwhile(
                    f"{month}: {len(found.changed)} records were changed after they were stored"
                    f" ({'; '.join(found.changed[:SHOWN])}). Nothing was deleted; it is stored anew when this is tried again."
                    " If it stays, find who writes to a month that is over."
                )
            failpoint("items.read_back")
            told = {"items": found.tally.items, "hash": found.tally.text, "manifest": sha256(manifest.body())}
            month = replace(month, round=month.round.note("verified", {"at": self._now().isoformat(), **told}))
            tell(f"{month} is verified")
        there = self.place.count(month.span)
        return {
            "items_stored": manifest.items,
            "items_read": found.tally.items,
            "hash_differs": int(found.tally.text != manifest.hash),
            "items_compared": found.same + found.gone + len(found.changed),
            "items_same": found.same,
            "items_gone": found.gone,
            "items_changed": len(found.changed),
            "items_changed_told": "; ".join(found.changed[:SHOWN]),
            "items_late": max(0, there - found.same - len(found.changed)),
            "files": len(manifest.parts),
            "bytes": sum(part.bytes for part in manifest.parts),
            "folder": month.round.folder,
            **month.round.named,
        }

    def _look(self, span: Span, now: datetime) -> ItemMonth:
        round_ = rounds_of(self.vault, self.folder, span)[-1]
        deletes = round_.is_verified and self.retention.then == "delete"
        until = round_.verified_at + self.retention.cooling if deletes else None
        held = holding(span, self.retention.holds)
        return ItemMonth(self.items.file.entity, span, round_, held, until, now)

    def _is_due(self, month: ItemMonth) -> bool:
        if month.round.is_verified:
            return self.may_delete(month)
        return not month.held and (month.round.is_stored or self.place.is_any(month.span))

    def _is_old(self, span: Span, now: datetime) -> bool:
        return _first_of(self.retention.since) <= span.lower and is_old(span, self.retention.keep, now)

    def _now(self) -> datetime:
        return store_clock(self.client, self.place.table)


def _first_of(month: str) -> datetime:
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
