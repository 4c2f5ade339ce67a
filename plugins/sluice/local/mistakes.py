"""What is wrong in the estate's files, for people at a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sluice.local import venvs


def tell_mistakes() -> bool:
    """Print what is wrong in the estate's files; tell whether anything is."""
    from sluice.estate import EstateErrors, read_estate
    from sluice.insight.cost.prices import NoPrices, UnknownPrice

    wrong: list[object] = []
    for read in (read_estate, _read_rules, _find_prices):
        try:
            read(venvs.ROOT)
        except EstateErrors as found:
            wrong += [mistake for mistake in found.mistakes if mistake not in wrong]
        except (NoPrices, UnknownPrice) as lacking:
            wrong.append(lacking)
    if wrong:
        print(
            "\nMistakes in the estate's files (a broken one stands still until it is mended; of two for one table none begins):"
        )
        print("\n".join(f"  {mistake}" for mistake in wrong))
    return bool(wrong)


def _read_rules(root: Path) -> object:
    from sluice.estate import read_stores
    from sluice.insight.health.rules import read_rules

    return read_rules(root, read_stores(root).stores)


def _find_prices(root: Path) -> None:
    """Look for the price of each line of costs: one that is missing would leave a report without any."""
    from sluice.estate import read_stores
    from sluice.insight.cost.prices import read_prices

    estate = read_stores(root)
    lines = [*estate.costs, *(line for store in estate.stores.values() for line in store.costs)]
    if named := [line.price for line in lines if line.price]:
        prices = read_prices(root, datetime.now(UTC).date())
        for name in named:
            prices.usd(name)
