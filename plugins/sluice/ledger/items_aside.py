"""Items that a person has to see to: those that could not be brought over, and those that were written past the route."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from sluice.ledger.marks_table import MarksTable
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import Cancelled, Check, Condition, Delete, Put, write_together


@dataclass(frozen=True)
class Poison:
    """A source key that could not be brought over: why, since when, and which records of it may be stale."""

    key: str
    reason: str
    token: str
    healed: bool = False
    stale: tuple[tuple[str, str], ...] = ()
    """Where records of its last good image stand still: table and key."""


class ItemsAside(MarksTable):
    """What is noted of them."""

    def quarantine(self, poison: Poison) -> Put:
        """The write that notes a poisoned (or healed) key; an older note never replaces a newer one."""
        return self._put(
            f"QUARANTINE#{poison.key}",
            {
                "token": {"S": poison.token},
                "reason": {"S": poison.reason[:1000]},
                "healed": {"BOOL": poison.healed},
                "stale": {"L": [{"L": [{"S": table}, {"S": key}]} for table, key in poison.stale]},
            },
            Condition(
                "attribute_not_exists(PK) OR #token < :token", {"#token": "token"}, {":token": {"S": poison.token}}
            ),
        )

    def poison(self, key: str) -> Poison | None:
        """Read what is noted of a source key, or None. Read-only."""
        item = self._get(f"QUARANTINE#{key}")
        return None if item is None else _poison(item)

    def quarantined(self) -> list[Poison]:
        """Every key that waits in quarantine, in order. Read-only."""
        return [poison for poison in map(_poison, self._list("QUARANTINE#")) if not poison.healed]

    def forget_quarantine(self, fence: Check) -> None:
        """Delete what was noted of every key, as long as the fence holds: a late one takes nothing of the next capture."""
        for gone in self._deletes("QUARANTINE#"):
            try:
                write_together(self.client, [fence, gone])
            except Cancelled as cancelled:
                if not cancelled.only_conditions:
                    raise
                return  # somebody has begun anew

    def stray(self, key: str, when: str) -> Put:
        """The write that notes the last write to an item that came past the route; a key may be longer than a sort key."""
        name = blake2b(key.encode(), digest_size=16).hexdigest()
        return self._put(f"STRAY#{name}", {"key": {"S": key}, "when": {"S": when}})

    def strays(self) -> list[str]:
        """Name the items that were written past the route, and when. Read-only."""
        return sorted(f"{item['key']['S']} at {item['when']['S']}" for item in self._list("STRAY#"))

    def forgetting_strays(self) -> list[Delete]:
        """The writes that forget them."""
        return self._deletes("STRAY#")


def _poison(item: Item) -> Poison:
    stale = tuple((place["L"][0]["S"], place["L"][1]["S"]) for place in item["stale"]["L"])
    return Poison(
        item["SK"]["S"].removeprefix("QUARANTINE#"),
        item["reason"]["S"],
        item["token"]["S"],
        item["healed"]["BOOL"],
        stale,
    )
