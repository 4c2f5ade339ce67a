"""Whether the bucket's own rules let backups be for as long as they are promised, and where they can be read at once."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.safety.backup import place_of
from sluice.safety.keeping.expiring import Keeping
from sluice.stores.bucket import read_rules
from sluice.stores.objects import Vault
from sluice.stores.rules import Kept, ended_early, forgotten_early, put_to_sleep


def wrong_rules(vault: Vault, store: str, keeping: Keeping) -> Iterator[str]:
    """Name each rule, whosever, that takes backups away before their time, or puts them where nothing is read at once.

    A rule knows no tiers: what it does to one folder it does to what is kept longest there. Raises VaultDown, AccessDenied.
    Read only.
    """
    longest = max([keeping.window, *(tier.keep for tier in keeping.tiers)]).days
    kept, rules = [Kept(f"{place_of(store)}/", longest)], read_rules(vault)
    yield from ended_early(rules, kept)
    yield from forgotten_early(rules, kept)
    yield from put_to_sleep(rules, f"{place_of(store)}/")
