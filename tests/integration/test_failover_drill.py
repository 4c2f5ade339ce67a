"""A failover drill of a store's backups: certified, and nothing of it left; red, with its reason, where it proves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sluice.local.ports import free_port
from sluice.safety.physical.driver import Physical
from sluice.safety.replicas.certificate import FailoverCertificate, failovers_of
from sluice.safety.replicas.rehearsing import rehearse
from sluice.stores.objects import Vault

from tests.backed_up import STORE, opened_shop

NOW = datetime.now(UTC)


def test_a_drill_from_the_vault_is_certified_and_leaves_nothing(vault, tmp_path: Path) -> None:
    vault.store.create_bucket("failed-over")
    with opened_shop(tmp_path, free_port(), Vault(vault.client(), "failed-over")) as shop:
        driver = Physical(STORE, shop.cluster.dsn(), shop.vault, tmp_path / "drills")
        with shop.shipped():
            driver.take(shop.said.append)
        shop.cluster.stop()  # nothing of it needs the living store
        made = rehearse(driver, NOW, "seed", 60, shop.said.append)
        assert made.wrong == ()
        assert [one["synchronous"] for one in made.rounds] == [True, False]
        assert [one["promoted"] for one in made.rounds] == ["second", "first"]
        assert made.rounds[0]["lost"] == 0
        made.keep(shop.vault)
        assert failovers_of(shop.vault, STORE) == [made]
        assert driver.scratches() == []


ROUND = {
    "synchronous": True, "promoted": "b", "fence": "quorum: …", "proven_whole": True, "acknowledged": 200, "lost": 0,
    "lost_seconds": 0.0, "lost_seconds_bounds": None, "phases": {"first write": 2.0}, "rebuilt_by": "rewind",
}  # fmt: skip
GOOD = FailoverCertificate("shop", "x", NOW.isoformat(), ("b1",), 60.0, (ROUND,))
WITHOUT = {
    "synchronous": False,
    "proven_whole": False,
    "lost": 5,
    "lost_seconds": 3.0,
    "lost_seconds_bounds": [1.0, 4.0],
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"acknowledged": 0}, "nothing was proven"),
        ({"lost": 1}, "1 writes that were acknowledged with synchronous commit are lost"),
        ({"proven_whole": False}, "without proof"),
        ({"phases": {"first write": 61.0}}, "after 61 s; 60 s are promised"),
    ],
)
def test_a_round_that_is_not_right_is_red_with_its_reason(changed: dict[str, object], reason: str) -> None:
    (told,) = replace(GOOD, rounds=({**ROUND, **changed},)).wrong
    assert reason in told


def test_without_synchronous_commit_a_loss_is_right_within_its_bounds() -> None:
    rounds = (ROUND, {**ROUND, **WITHOUT})
    assert replace(GOOD, rounds=rounds).wrong == ()
    (told,) = replace(GOOD, rounds=(ROUND, {**ROUND, **WITHOUT, "lost_seconds": 9.0})).wrong
    assert "9.0 s of writes are lost, and the beats had said 1.0 to 4.0 s" in told
    assert replace(GOOD, rounds=rounds[1:]).wrong == ("no round had synchronous commit: nothing was proven",)
