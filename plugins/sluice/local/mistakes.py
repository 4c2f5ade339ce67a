"""What is wrong in the estate's files, for people at a terminal."""

from __future__ import annotations

from pathlib import Path

from sluice.local import venvs


def tell_mistakes() -> bool:
    """Print what is wrong in the estate's files; tell whether anything is."""
    from sluice.estate import EstateErrors, read_estate

    wrong: list[object] = []
    for read in (read_estate, _read_rules):
        try:
            read(venvs.ROOT)
        except EstateErrors as found:
            wrong += [mistake for mistake in found.mistakes if mistake not in wrong]
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
