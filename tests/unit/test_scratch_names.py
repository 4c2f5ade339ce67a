"""Names of scratches: any service takes them, they tell when they were made, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sluice.safety.driver import NotScratch, is_of_store, made_at, name_scratch


@pytest.mark.parametrize(
    "store", ["shop", "certify_documents", "Ä--b", "a_store_with_a_name_of_far_more_than_thirty_letters", "x_"]
)
def test_the_name_of_a_scratch_fits_every_service_and_tells_when_it_was_made(store: str) -> None:
    now = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    name = name_scratch(store, now, "seed")
    assert len(name) <= 63
    assert "--" not in name
    assert name[-1] != "-"
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made_at(name) == now
    assert name != name_scratch(f"{store}2", now, "seed"), "two stores whose names begin alike"
    assert made_at(name_scratch(store, now + timedelta(seconds=1), "seed")) > now


@pytest.mark.parametrize(
    ("one", "other"),
    [("shop", "shop_eu"), ("shop_eu", "shop-eu"), ("orders_of_all_production_eu", "orders_of_all_production_us")],
)
def test_no_store_takes_a_scratch_of_another_for_its_own(one: str, other: str) -> None:
    names = {store: name_scratch(store, datetime(2026, 11, 23, tzinfo=UTC), "seed") for store in (one, other)}
    assert {store: [name for name in names.values() if is_of_store(name, store)] for store in names} == {
        store: [name] for store, name in names.items()
    }


@pytest.mark.parametrize(
    "name",
    [
        "shop",
        "sluice-scratch-shop",
        "sluice-scratch--20261123t010203z-abcdef",
        "prod-sluice-scratch-shop-20261123t010203z-abcdef",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(NotScratch):
        made_at(name)
    assert made_at("sluice-scratch-certify_documents-20261123t010203z-abcdef"), "made before names fitted RDS"
