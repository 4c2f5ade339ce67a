"""Prices by name: the dated table of a region in include/prices, and a person's own in include/estate/prices.yaml over it.

A month is priced by the newest table that is not younger than it, so last year's report stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from sluice.errors import Terminal
from sluice.estate.amounts import Between, exactly
from sluice.estate.checks import validated
from sluice.estate.costs import OwnPrice, PriceFile, PriceName
from sluice.estate.document import Document, open_document
from sluice.estate.fields import Part, Region, Words, matching
from sluice.estate.mistakes import EstateErrors, Mistake, choice
from sluice.estate.read import PRICES as OWN
from sluice.estate.showing import shown

TABLES = Path("include/prices")
OLD_DAYS = 183
"""Days after which a table is called old."""
FileOfPrices = TypeVar("FileOfPrices", bound=Part)


class NoPrices(Terminal):
    """There is no price table for a region."""


class UnknownPrice(Terminal):
    """Something names a price that no file has."""


class PriceTable(Part):
    """The list prices of one region at one time."""

    region: Region
    """The region."""
    dated: Annotated[str, matching(r"20\d\d-\d\d-\d\d", "the day at which the prices stood, such as 2026-09-11")]
    """The day at which they stood."""
    sources: tuple[Words, ...] = Field(min_length=1, max_length=50)
    """Where they are from."""
    prices: dict[PriceName, OwnPrice] = Field(min_length=1, max_length=2000)
    """Each price, by name."""


@dataclass(frozen=True)
class Prices:
    """What one unit of anything costs, in dollars."""

    region: str
    dated: date
    sources: tuple[str, ...]
    factor: Between
    listed: Mapping[str, OwnPrice]
    own: Mapping[str, OwnPrice]

    def knows(self, name: str) -> bool:
        """Tell whether there is such a price."""
        return name in self.own or name in self.listed

    def usd(self, name: str) -> Between:
        """Give what is paid for one unit: a person's own price, else the list price times the factor. Raises UnknownPrice."""
        price = self._of(name)
        return price.usd if name in self.own else price.usd * self.factor

    def share(self, name: str) -> Between:
        """Give a price that is so many of each dollar: no discount touches it again. Raises UnknownPrice."""
        return self._of(name).usd

    def per(self, name: str) -> str:
        """Give the unit of a price. Raises UnknownPrice."""
        return self._of(name).per

    def is_old(self, month: date) -> bool:
        """Tell whether the table is half a year older than a month that it prices."""
        return (month - self.dated).days > OLD_DAYS

    @property
    def told(self) -> str:
        """Say whose prices these are, in a line."""
        said = f"list prices of {self.region} of {self.dated}"
        said += f", times {self.factor}" if self.factor != exactly(Decimal(1)) else ""
        return said + (f", {len(self.own)} of your own" if self.own else "")

    def _of(self, name: str) -> OwnPrice:
        price = self.own.get(name) or self.listed.get(name)
        if price is None:
            there = choice(name, (*self.listed, *self.own))
            raise UnknownPrice(
                f"No price is called {name!r}, neither in {TABLES} for {self.region} nor in {OWN}: write it into the latter,"
                f" or name one of {there}"
            )
        return price


def read_prices(root: Path, month: date) -> Prices:
    """Read the prices for a month, of the project at `root`. Raises EstateErrors, NoPrices."""
    own, told = _own(root)
    table = _read(_table_for(root, own.region, month), root, PriceTable)[0]
    wrong = list(_other_units(own, table, told))
    if wrong:
        raise EstateErrors(wrong)
    return Prices(
        table.region, date.fromisoformat(table.dated), table.sources, own.factor, dict(table.prices), dict(own.prices)
    )


def _own(root: Path) -> tuple[PriceFile, Document | None]:
    if not (root / OWN).exists():
        return PriceFile(), None
    return _read(root / OWN, root, PriceFile)


def _read(path: Path, root: Path, model: type[FileOfPrices]) -> tuple[FileOfPrices, Document]:
    document = open_document(path, path.relative_to(root).as_posix())
    read, mistakes = validated(document, model)
    if mistakes or read is None:
        raise EstateErrors(mistakes)
    return read, document


def _table_for(root: Path, region: str, month: date) -> Path:
    """Choose by the month in the file's name, which sorts as months do."""
    tables = sorted((root / TABLES).glob(f"aws-{region}-20[0-9][0-9]-[0-9][0-9].yaml"))
    if not tables:
        there = ", ".join(sorted(path.stem for path in (root / TABLES).glob("*.yaml"))) or "none"
        raise NoPrices(
            f"{TABLES} has no table for {region} (there are: {there}): copy one to aws-{region}-{month:%Y-%m}.yaml and put the"
            f" region's prices in, or name another region in {OWN}"
        )
    older = [path for path in tables if path.stem[-7:] <= f"{month:%Y-%m}"]
    return older[-1] if older else tables[0]


def _other_units(own: PriceFile, table: PriceTable, document: Document | None) -> list[Mistake]:
    """Find own prices for another unit than the table's: a price per hour in place of one per month would go unseen."""
    if document is None:
        return []
    return [
        document.mistake(
            ("prices", name, "per"), shown(price.per), f"{table.prices[name].per}, as the price table has it"
        )
        for name, price in own.prices.items()
        if name in table.prices and table.prices[name].per != price.per
    ]
