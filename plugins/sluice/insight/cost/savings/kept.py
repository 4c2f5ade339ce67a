"""What is kept would save: what nobody asked to keep so long, and objects that could lie in a colder class."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.amounts import Between
from sluice.insight.cost.components import paid_backups
from sluice.insight.cost.known import Known, Stored, gigabytes
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.savings.saving import Saving

COLDER = {"s3.standard_ia": 30, "s3.glacier_ir": 90}
"""Classes that answer at once, and for how many days at least an object is paid there."""


def of_kept(known: Known, prices: Prices) -> Iterator[Saving]:
    """Give what each would save. Raises UnknownPrice."""
    for kept in known.kept:
        if kept.past_keep.high > 0:
            yield _past_keep(kept, known, prices)
        if kept.price == "s3.standard":
            yield from (_colder(kept, to, prices) for to, days in COLDER.items() if _stays(kept, days))


def _stays(kept: Stored, days: int) -> bool:
    return kept.stays_days is None or kept.stays_days >= days


def _past_keep(kept: Stored, known: Known, prices: Prices) -> Saving:
    held = gigabytes(kept.past_keep)
    if kept.price == "rds.backup":  # some of it was free
        now, then = paid_backups(known, kept.store), paid_backups(known, kept.store, kept.past_keep)
        held = Between(now.low - then.low, now.high - then.high)
    return Saving(
        kept.store,
        f"let go of what is past its time in {kept.what}",
        held * prices.usd(kept.price),
        f"{gigabytes(kept.past_keep).high:.0f} GB of it are older than `keep` asks for",
        "what is gone cannot be brought back; what is locked stays until its day",
        f"{kept.what}, past its time",
    )


def _colder(kept: Stored, to: str, prices: Prices) -> Saving:
    stays = gigabytes(Between(kept.size.low - kept.past_keep.high, kept.size.high - kept.past_keep.low)).at_least(0)
    now, then, back = prices.usd(kept.price), prices.usd(to), prices.usd(f"{to}.retrieval")
    read = gigabytes(kept.read)
    low = stays.low * (now.low - then.low) - read.high * back.high
    high = stays.high * (now.high - then.high) - read.low * back.low
    name = to.removeprefix("s3.").upper()
    return Saving(
        kept.store,
        f"move {kept.what} to {name}, by a line of the vault's `lifecycle`",
        Between(low, high),
        f"{stays.high:.0f} GB in the class Standard, of which {read.high:.1f} GB are read in a month",
        f"each GB that is read costs ${back.high:f}; what goes before {COLDER[to]} days is paid until then",
        f"{kept.what}, class",
    )
