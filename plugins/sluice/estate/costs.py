"""What the estate costs, as far as a person has to say it: `costs:` below a store or of the estate, and `reserved:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.amounts import Amount, exactly
from sluice.estate.document import Document, Steps
from sluice.estate.fields import Part, Region, Words, matching
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown

PriceName: TypeAlias = Annotated[
    str, matching("[a-z0-9][a-z0-9_.-]{1,60}", "the name of a price, such as dynamodb.storage or rds.db.r6g.large")
]


class CostLine(Part):
    """Something that costs money every month and that nothing measures: a sum, or a quantity and its price."""

    what: Words
    """What it is, as reports name it."""
    monthly: Amount | None = None
    """What it costs a month, in dollars."""
    quantity: Amount | None = None
    """How much of it there is in a month, in the unit of its price."""
    price: PriceName | None = None
    """The name of its price, from the price table or from `include/estate/prices.yaml`."""
    grows_with: Literal["size", "load"] | None = None
    """What it grows with until the day that is forecast: what the store holds, or what it is asked; without it, it stays."""


class Reserved(Part):
    """Something that is reserved for a year or three, and paid for whether it is used or not."""

    what: Annotated[
        str,
        matching(
            r"db\.[a-z0-9-]+\.[a-z0-9-]+|dynamodb\.(read|write)_units",
            "a class of RDS, such as db.r6g.large, dynamodb.read_units or dynamodb.write_units",
        ),
    ]
    """A class of RDS, or units of DynamoDB."""
    count: int = Field(ge=1, le=1_000_000)
    """How many of it. One of RDS counts for one server: an instance with a standby uses two."""
    monthly: Amount | None = None
    """What all of it costs a month, with what was paid ahead spread over the term; without it, the price table says."""


class OwnPrice(Part):
    """What you pay for one unit."""

    usd: Amount
    """Dollars for one unit."""
    per: Words
    """The unit. One that the price table has too has the same."""


class PriceFile(Part):
    """Your own prices."""

    region: Region = "us-east-1"
    """The region whose price table counts."""
    factor: Amount = exactly(1)
    """What you pay of a list price: 0.93 with a discount of 7 %. It changes no price of your own."""
    prices: dict[PriceName, OwnPrice] = Field(default_factory=dict, max_length=1000)
    """Single prices, by name: they count in place of the table's, and may be new ones."""


def check_costs(document: Document) -> Iterator[Mistake]:
    """Find lines of costs that say both a sum and a quantity, or neither, or a quantity without its price."""
    stores = document.get("stores")
    names = stores if isinstance(stores, dict) else ()
    places: list[Steps] = [("costs",), *(("stores", name, "costs") for name in names)]
    for place in places:
        lines = document.get(*place)
        for number, line in enumerate(lines if isinstance(lines, tuple) else ()):
            if isinstance(line, dict) and not _is_whole(line):
                told = (
                    ", ".join(sorted(shown(key) for key in line if key in ("monthly", "quantity", "price"))) or "none"
                )
                yield document.mistake((*place, number), told, "either monthly, or quantity and price")


def _is_whole(line: dict[str, object]) -> bool:
    has = {key for key in ("monthly", "quantity", "price") if line.get(key) is not None}
    return has in ({"monthly"}, {"quantity", "price"})
