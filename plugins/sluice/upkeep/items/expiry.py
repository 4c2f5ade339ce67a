"""Whether DynamoDB removes what has expired: is expiry on, and does each record say when it expires as the service reads it.

It reads a number at the top of the item, seconds since 1970, and leaves alone what lies more than five years back: that one would
stay for ever (docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html).
Part of a table is read each night, another one the next: what it costs is known before. Read only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from sluice.errors import Terminal
from sluice.estate.items import Expiry, Items, expiring_rules
from sluice.records.moments import MILLIS_FROM
from sluice.records.shape import compile_entity
from sluice.stores.dynamodb.capacity import AdaptiveRate
from sluice.stores.dynamodb.client import NoSuchTable
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.identity import identify
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.tables import describe
from sluice.stores.dynamodb.values import Item, key_of, key_text

UNIT = 4096
"""Bytes that one read unit pays for, read consistently."""
A_SECOND = 200.0
"""Read units that a look takes in a second, however many it may take in all."""
MOST_PARTS = 2**19
"""That a scan can be cut into, which is a million at most."""
NEVER_REMOVED = timedelta(days=5 * 365)
"""What has expired longer ago than this is left alone by the service."""
WRONG = ("missing", "no_number", "milliseconds", "too_late", "too_old", "overdue")
SHOWN = 10
Tell: TypeAlias = Callable[[str], None]
Facts: TypeAlias = Mapping[str, int | str]


class NoExpiry(Terminal):
    """The file says nothing of expiry."""


@dataclass
class Seen:
    """What was found in one part of a table: how many of each, and the first few of what is wrong, by their keys."""

    counted: Counter[str] = field(default_factory=Counter)
    told: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, key: str) -> None:
        """Count a record."""
        self.counted["records"] += 1
        self.counted[what] += 1
        if what in WRONG and len(self.told.setdefault(what, [])) < SHOWN:
            self.told[what].append(key)


@dataclass(frozen=True)
class Look:
    """One night's look at the tables of an entity's records that expire. `prefix` stands before the tables' names."""

    client: Any
    items: Items
    prefix: str = ""

    @property
    def wanted(self) -> Expiry:
        """What the file says. Raises NoExpiry."""
        if self.items.file.expires is None:
            named = f"include/estate/items/{self.items.file.name}.yaml"
            raise NoExpiry(f"{self.items.file.entity}: {named} has no `expires`. Nothing was looked at.")
        return self.items.file.expires

    def measure(self, tell: Tell) -> Facts:
        """Look at a part of each table, for the gate. Raises NoSuchTable, Throttled, DynamoDown."""
        seen, off = Seen(), list[str]()
        for table, attribute in self._tables():
            found = describe(self.client, self.prefix + table)
            if found is None:
                raise NoSuchTable(
                    f"There is no table {self.prefix + table}. Check the design and the store's connection."
                )
            if found.ttl != attribute:
                off.append(f"{found.name} expires {f'by {found.ttl}' if found.ttl else 'nothing'}, not by {attribute}")
            self._look(table, attribute, seen, tell)
        told = {f"{what}_told": "; ".join(seen.told.get(what, ())) for what in WRONG}
        counts = {what: seen.counted[what] for what in ("records", "alive", "waiting", *WRONG)}
        return {"expiry_off": len(off), "expiry_off_told": "; ".join(off), **counts, **told}

    # ---- within ----

    def _tables(self) -> Iterator[tuple[str, str]]:
        """Give each table that holds such records, with the attribute by which it removes them."""
        rules = expiring_rules(self.items.design, self.items.file.entity)
        for name in dict.fromkeys(rule.table for rule in rules):
            table = self.items.design.tables[name]
            assert table.ttl is not None, "the file was checked for it"
            yield table.name, table.ttl

    def _look(self, table: str, attribute: str, seen: Seen, tell: Tell) -> None:
        name = self.prefix + table
        now = store_clock(self.client, name)
        part, parts, cost = self._part(name, now)
        tell(f"{name}: part {part + 1} of {parts}, about {cost:,} read units, {A_SECOND:.0f} a second")
        rate, is_ours, keys = AdaptiveRate(start=A_SECOND, most=A_SECOND), self._ours(name), self._key_names(table)
        after = None
        while True:
            rate.take()
            page = scan_page(self.client, name, part, parts, after)
            rate.spent(max(0.0, page.units - 1))
            for item in page.items:
                if is_ours(item):
                    seen.add(judge(item.get(attribute), now, self.wanted), key_text(key_of(item, *keys)))
            if (after := page.next_key) is None:
                return

    def _part(self, name: str, now: datetime) -> tuple[int, int, int]:
        """Choose tonight's part: no larger than the units pay for, and each of them in its turn. Which, how many, its units."""
        found = identify(self.client, name)
        whole = -(-(found.size if found else 0) // UNIT)
        part, parts = turn(whole, self.wanted.read_units, now.toordinal())
        return part, parts, -(-whole // parts)

    def _ours(self, name: str) -> Callable[[Item], bool]:
        """Give what tells whether an item of a table is a record of the entity that expires."""
        shape = compile_entity(self.items.design, self.items.file.entity, prefix=self.prefix)
        expiring = {rule.record for rule in expiring_rules(self.items.design, self.items.file.entity)}

        def is_ours(item: Item) -> bool:
            rule = shape.rule_of(name, item)
            return rule is not None and rule.name in expiring

        return is_ours

    def _key_names(self, table: str) -> tuple[str, ...]:
        return next(one.key.names for one in self.items.design.tables.values() if one.name == table)


def turn(units: int, nightly: int, night: int) -> tuple[int, int]:
    """Say which part is read in a night, and of how many, so that one costs no more than `nightly` of the table's `units`. Pure.

    How many is a power of two: a table that grows is cut anew when it has doubled, and not every few nights. A part of so many is
    none of a few more, and some would never have their turn; so all is read within twice as many nights as there are parts.
    """
    parts = 1
    while parts * nightly < units and parts < MOST_PARTS:
        parts *= 2
    return night % parts, parts


def judge(value: dict[str, Any] | None, now: datetime, wanted: Expiry) -> str:
    """Say what is to be said of a record by the value of its expiry: `alive`, `waiting` to be removed, or one of WRONG."""
    if value is None:
        return "missing"
    if "N" not in value:
        return "no_number"
    seconds = Decimal(value["N"])
    if seconds >= MILLIS_FROM:
        return "milliseconds"
    left = seconds - int(now.timestamp())  # never a span of time: a number has 38 digits, and a span has fewer
    if left > wanted.within.total_seconds():
        return "too_late"
    if left < -NEVER_REMOVED.total_seconds():
        return "too_old"
    if left < -wanted.lag.total_seconds():
        return "overdue"
    return "waiting" if left <= 0 else "alive"
