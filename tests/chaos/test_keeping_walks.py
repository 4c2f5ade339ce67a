"""Whatever is taken, verified, expired, broken off and harmed, in whatever order: what was promised can be restored.

`SLUICE_KEEPING_WALKS=200 pytest tests/chaos/test_keeping_walks.py` walks further, with 7:1 the seventh way alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sluice.failpoints import failpoint
from sluice.safety.backup import MANIFEST, folder_of
from sluice.safety.driver import Tell
from sluice.safety.keeping import dropping, expiring
from sluice.safety.keeping.dropping import Done
from sluice.safety.keeping.expiring import Holding, Needed
from sluice.stores.objects import Vault

from tests.chaos.keeping_walk import Lost, Verb, Walk
from tests.kept_backups import Shelf

WALKS = os.environ.get("SLUICE_KEEPING_WALKS", "")
STEPS, FURTHER = 14, 60
FIRST = datetime(2093, 3, 25, 2, tzinfo=UTC)
"""In a year to come: what S3 has stored today lies before every window then, as it would be years later."""
MUST_COME = ("ClockWrong", "Broken", "harm 2093", "be_broken_off", "2 gone, ")

Way = Callable[..., Walk]


@pytest.fixture
def way(vault) -> Way:
    """A function that walks one way, the same each time for a seed. Raises Lost."""
    vault.store.create_bucket("keeping-walked")
    client = vault.client()

    def walk(seed: int, steps: int = STEPS, verbs: tuple[Callable[[Walk], None], ...] = ()) -> Walk:
        made = Walk(Shelf(Vault(client, "keeping-walked"), f"walk_{uuid4().hex[:8]}"), FIRST, seed)
        made.take(steps, verbs)
        return made

    return walk


def seeds() -> range:
    """So many ways from the first, or from the one that is named."""
    first, _, count = (WALKS or "3").rpartition(":")
    return range(int(first), int(first) + int(count)) if first else range(1, int(count) + 1)


def test_what_was_promised_can_be_restored_after_each_step(way: Way) -> None:
    ways = [way(seed, FURTHER if WALKS else STEPS) for seed in seeds()]
    done = " ".join(step for one in ways for step in one.did)
    assert [word for word in MUST_COME if (not WALKS or len(ways) > 20) and word not in done] == [], done


def what_rests_on_it_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expiring, "chain", lambda backups, name: [name])


def log_goes_with_its_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Needed, "has", lambda self, name: self.first is None or name > "000000010000000000000006")


def unread_counts_as_verified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holding, "is_sound", lambda self, name: True)


def manifest_goes_last(patch: pytest.MonkeyPatch) -> None:
    def drop(vault: Vault, store: str, backup: str, why: str, now: datetime, done: Done, tell: Tell) -> bool:
        for key in sorted(vault.ever(f"{folder_of(store, backup)}/"), key=lambda key: key.endswith(MANIFEST)):
            vault.remove(key)
            failpoint("expiry.part_gone")
        done.gone.append(backup)
        return True

    patch.setattr(dropping, "_drop", drop)


@pytest.mark.parametrize(
    ("break_it", "meanwhile", "seed"),
    [
        (what_rests_on_it_is_forgotten, Walk.expire, 1),
        (log_goes_with_its_age, Walk.expire, 2),
        (unread_counts_as_verified, Walk.expire, 2),
        (manifest_goes_last, Walk.be_broken_off, 1),
    ],
)
def test_a_mistake_that_is_planted_is_found(
    way: Way,
    break_it: Callable[[pytest.MonkeyPatch], None],
    meanwhile: Verb,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Walks that never lose a thing prove nothing unless they lose one here: by this way, or by the next ones."""
    break_it(monkeypatch)
    with pytest.raises(Lost):
        for number in range(seed, seed + 30):
            way(number, 16, (Walk.night, Walk.back_up, meanwhile))
