"""Bring the records of a month back into their table, out of the vault. What is there by now is left as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sluice.errors import Transient
from sluice.failpoints import failpoint
from sluice.stores.dynamodb.capacity import AdaptiveRate
from sluice.stores.dynamodb.values import Item, key_of, key_text, same
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_one
from sluice.stores.objects import Vault
from sluice.upkeep.items.place import Place
from sluice.upkeep.items.reading_back import SHOWN, beside_the_table, read_part
from sluice.upkeep.items.rounds import Round

THREADS, AT_ONCE = 8, 200


class TakenAway(Transient):
    """Records that were brought back are gone again."""


def bring_back(place: Place, vault: Vault, rounds: list[Round]) -> dict[str, int]:
    """Put back every record of rounds that are over, the newest round first; count them, and look at the end what is there.

    `brought_back` were missing, `there` are the same already, `kept` are another by now. Safe to repeat. Raises TakenAway.
    """
    counted = {"brought_back": 0, "there": 0, "kept": 0}
    rate = AdaptiveRate()
    with ThreadPoolExecutor(THREADS) as pool:
        for round_ in reversed(rounds):
            for part in round_.manifest.parts:
                items = read_part(vault, part)
                for first in range(0, len(items), AT_ONCE):
                    for what in pool.map(lambda item: _put(place, item, rate), items[first : first + AT_ONCE]):
                        counted[what] += 1
                    failpoint("items.brought_back")
    _check_there(place, vault, rounds)
    return counted


def _check_there(place: Place, vault: Vault, rounds: list[Round]) -> None:
    """Raise TakenAway unless the table has every record by now: what was there when it was looked at may have gone since."""
    gone: set[str] = set()
    for round_ in rounds:
        for part in round_.manifest.parts:
            pairs = beside_the_table(place, read_part(vault, part))
            gone |= {key_text(key_of(stored, *place.key_names)) for stored, now in pairs if now is None}
    if gone:
        raise TakenAway(
            f"{len(gone):,} records of {rounds[0].month} are gone again from {place.table} ({'; '.join(sorted(gone)[:SHOWN])}):"
            " find who deletes them, or whether they expire (TTL). It is tried again by itself."
        )


def _put(place: Place, item: Item, rate: AdaptiveRate) -> str:
    absent = Condition("attribute_not_exists(#key)", {"#key": place.key_names[0]})
    try:
        write_one(place.client, Put(place.table, item, absent), rate=rate)
    except Cancelled as cancelled:
        if not cancelled.only_conditions:
            raise
        return "there" if same(cancelled.refused[0].item, item) else "kept"
    return "brought_back"
