"""What a person writes of costs: amounts from low to high, lines, reservations, and what is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sluice.estate import EstateErrors, read_stores
from sluice.estate.amounts import Between, exactly, ranging, read_amount, total

ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: sluice-vault}
ledger: {connection: sluice_ledger}
costs:
  - {what: Support, monthly: 100}
reserved:
  - {what: db.r6g.large, count: 2}
stores:
  shop:
    engine: postgres
    connection: pg_shop
    rto: 1h
    rpo: 5m
    costs:
      - {what: CloudWatch, monthly: 30 to 50}
      - {what: Transfer, quantity: 1000 to 2000, price: transfer.regions, grows_with: load}
"""


def read(root: Path, text: str = ESTATE):
    (root / "include/estate").mkdir(parents=True)
    (root / "include/estate/estate.yaml").write_text(text)
    return read_stores(root)


def test_lines_and_reservations_are_read(tmp_path: Path):
    estate = read(tmp_path)
    (support,), (watching, moved) = estate.costs, estate.stores["shop"].costs
    assert (support.what, support.monthly) == ("Support", exactly(100))
    assert watching.monthly == Between(Decimal(30), Decimal(50))
    assert (moved.quantity, moved.price, moved.grows_with) == (ranging(1000, 2000), "transfer.regions", "load")
    assert [(line.what, line.count, line.monthly) for line in estate.reserved] == [("db.r6g.large", 2, None)]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("40", "40", "40"),
        (40, "40", "40"),
        (0.00013, "0.00013", "0.00013"),
        ("0.1 to 12.50", "0.1", "12.50"),
        (0, "0", "0"),
    ],
)
def test_an_amount_is_read_as_it_is_written(text: object, low: str, high: str):
    assert read_amount(text) == Between(Decimal(low), Decimal(high))


@pytest.mark.parametrize("text", ["", "-1", -1, "50 to 30", "1e9", "$40", "30-50", "30 to", True, None, "1,000", "٣"])
def test_what_is_no_amount_is_refused(text: object):
    with pytest.raises(ValueError, match="allowed: a number, or the lowest and the highest"):
        read_amount(text)


WRONG = {
    "a sum and a quantity": ("monthly: 30 to 50", "monthly: 30, quantity: 2", "stores.shop.costs[0]", "either monthly"),
    "neither": (
        "monthly: 30 to 50",
        "grows_with: size",
        "stores.shop.costs[0]",
        "either monthly, or quantity and price",
    ),
    "a quantity without a price": (", price: transfer.regions", "", "stores.shop.costs[1]", "either monthly"),
    "of the estate too": ("monthly: 100", "quantity: 1", "costs[0]", "either monthly, or quantity and price"),
    "the highest first": (
        "30 to 50",
        "50 to 30",
        "stores.shop.costs[0].monthly",
        "a number, or the lowest and the highest",
    ),
    "a class that is none": ("db.r6g.large", "r6g.large", "reserved[0].what", "a class of RDS, such as db.r6g.large"),
    "none reserved": ("count: 2", "count: 0", "reserved[0].count", "a whole number from 1 to 1000000"),
}


@pytest.mark.parametrize(("old", "new", "field", "allowed"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_field(tmp_path: Path, old: str, new: str, field: str, allowed: str):
    assert old in ESTATE
    with pytest.raises(EstateErrors) as caught:
        read(tmp_path, ESTATE.replace(old, new))
    (mistake,) = caught.value.mistakes
    assert mistake.field == field
    assert mistake.allowed.startswith(allowed)


@pytest.mark.parametrize("stores", ["5", "[shop]", "shop", "{shop: 5}", "{shop: {costs: 5}}", "{shop: {costs: [5]}}"])
def test_stores_of_another_shape_are_mistakes_and_no_error(tmp_path: Path, stores: str):
    with pytest.raises(EstateErrors):
        read(tmp_path, f"{ESTATE.partition('stores:')[0]}stores: {stores}\n")


def test_sums_are_exact():
    assert total([exactly(0.1)] * 3) == exactly(Decimal("0.3"))
    assert ranging(1, 2) + ranging(10, 20) == ranging(11, 22)
    assert ranging(2, 3) * ranging(10, 20) == ranging(20, 60)
