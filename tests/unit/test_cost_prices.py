"""Prices: which table counts for a month, what a person's own change, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sluice.estate import EstateErrors, read_estate
from sluice.estate.amounts import exactly, ranging
from sluice.estate.instance_sizes import SIZES
from sluice.insight.cost.prices import NoPrices, Prices, UnknownPrice, read_prices

from tests.priced import LISTED, ROOT
from tests.samples import copy_estate

TABLE = """region: us-east-1
dated: "{dated}"
sources: [somebody]
prices:
  s3.standard: {{usd: {usd}, per: GB-month}}
  rds.reserved: {{usd: 0.67 to 0.71, per: dollar of the list price}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/prices").mkdir()
    for month, usd in (("2026-03", "0.025"), ("2026-09", "0.023")):
        text = TABLE.format(dated=f"{month}-10", usd=usd)
        (tmp_path / f"include/prices/aws-us-east-1-{month}.yaml").write_text(text)
    return tmp_path


def own(root: Path, text: str) -> Prices:
    (root / "include/estate/prices.yaml").write_text(text)
    return read_prices(root, date(2026, 10, 1))


@pytest.mark.parametrize(
    ("month", "usd"),
    [
        ((2026, 10), 0.023),
        ((2026, 9), 0.023),
        ((2026, 8), 0.025),
        ((2026, 3), 0.025),
        ((2025, 1), 0.025),
        ((2030, 1), 0.023),
    ],
)
def test_a_month_has_the_newest_prices_that_are_not_younger(root: Path, month: tuple[int, int], usd: float):
    assert read_prices(root, date(*month, 1)).usd("s3.standard") == exactly(usd)


def test_prices_of_half_a_year_ago_are_called_old(root: Path):
    prices = read_prices(root, date(2026, 10, 1))
    assert not prices.is_old(date(2027, 3, 1))
    assert prices.is_old(date(2027, 4, 1))


def test_a_discount_counts_for_list_prices_alone(root: Path):
    prices = own(root, "factor: 0.9\nprices:\n  s3.glacier: {usd: 0.004, per: GB-month}\n")
    assert prices.usd("s3.standard") == exactly(Decimal("0.0207"))
    assert prices.usd("s3.glacier") == exactly(0.004)
    assert prices.share("rds.reserved") == ranging(0.67, 0.71), "a share of a discounted price is not discounted again"
    assert prices.told == "list prices of us-east-1 of 2026-09-10, times 0.9, 1 of your own"


def test_a_price_of_your_own_takes_the_place_of_the_tables(root: Path):
    assert own(root, "prices:\n  s3.standard: {usd: 0.02, per: GB-month}\n").usd("s3.standard") == exactly(0.02)


def test_another_unit_than_the_tables_is_refused(root: Path):
    with pytest.raises(EstateErrors) as caught:
        own(root, "prices:\n  s3.standard: {usd: 0.02, per: TB-month}\n")
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line) == ("include/estate/prices.yaml", 2)
    assert mistake.allowed == "GB-month, as the price table has it"


def test_a_broken_file_is_told_with_its_line(root: Path):
    with pytest.raises(EstateErrors, match=r"include/estate/prices\.yaml:1: factor: found .*, allowed: a number"):
        own(root, "factor: cheap\n")


def test_the_whole_estate_is_not_read_past_broken_prices(tmp_path: Path):
    copy_estate(tmp_path)
    prices = tmp_path / "include/estate/prices.yaml"
    prices.write_text("factor: 0.9\n")
    assert read_estate(tmp_path).stores
    prices.write_text("factors: 0.9\n")
    with pytest.raises(EstateErrors, match=r"include/estate/prices\.yaml:1: factors: found an unknown key"):
        read_estate(tmp_path)


def test_a_region_without_a_table_says_what_to_write(root: Path):
    with pytest.raises(
        NoPrices, match=r"no table for eu-central-1 .*aws-us-east-1-2026-03.*aws-eu-central-1-2026-10\.yaml"
    ):
        own(root, "region: eu-central-1\n")


def test_a_price_that_nobody_knows_is_told_with_its_neighbour(root: Path):
    with pytest.raises(UnknownPrice, match=r"'s3\.standart'.*include/estate/prices\.yaml.*did you mean s3\.standard\?"):
        own(root, "factor: 1\n").usd("s3.standart")


def test_the_table_that_is_shipped_has_every_name_that_is_asked_for():
    classes = [name for name in LISTED.listed if name.startswith("rds.db.")]
    assert len(classes) >= 30
    assert {name.rpartition(".")[2] for name in classes} <= set(SIZES)
    asked = [
        *(f"dynamodb.{kind}{name}" for kind in ("", "ia.") for name in ("storage", "reads", "writes")),
        *(f"dynamodb.{kind}{name}_units" for kind in ("", "ia.") for name in ("read", "write")),
        *("dynamodb.reserved", "dynamodb.continuous_backup", "dynamodb.backup", "rds.reserved", "rds.backup"),
        *("rds.storage.gp2", "rds.storage.gp3", "rds.storage.io1", "rds.operations.gp3", "rds.operations.io1"),
        *("s3.standard", "s3.standard_ia", "s3.glacier_ir", "s3.standard_ia.retrieval", "s3.glacier_ir.retrieval"),
    ]
    assert [name for name in asked if not LISTED.knows(name)] == []


def test_each_shipped_table_is_named_after_its_day():
    for path in (ROOT / "include/prices").glob("*.yaml"):
        _, _, _, year, month = path.stem.replace("us-east-1", "us_east_1").replace("aws-", "aws-x-").rsplit("-", 4)
        prices = read_prices(ROOT, date(int(year), int(month), 1))
        assert (prices.dated.year, prices.dated.month) == (int(year), int(month))
        assert prices.sources
