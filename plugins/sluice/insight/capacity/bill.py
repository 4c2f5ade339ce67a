"""What the estate costs, as a report shows it: sums from low to high in money, each with what it is made of. Frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BillLine:
    """A part of the bill, a month, low to high."""

    name: str
    now: tuple[float, float]
    how: str = ""
    """The quantity and the name of its price; empty of a sum that a person wrote."""


@dataclass(frozen=True)
class Reservation:
    """Something that is reserved, and how much of it is used, in percent from low to high."""

    what: str
    percent: tuple[float, float]
    enough: bool
    """Whether that is the 85 % that it should be."""


@dataclass(frozen=True)
class Advice:
    """What would cost less."""

    what: str
    monthly: tuple[float, float]
    why: str
    risk: str


@dataclass(frozen=True)
class Bill:
    """What the estate costs a month, low to high, now and in 90 days."""

    currency: str
    priced: str
    """Of which day the prices are, and whose."""
    now: tuple[float, float]
    later: tuple[float, float]
    components: tuple[BillLine, ...]
    """The dearest first."""
    reserved: tuple[Reservation, ...]
    savings: tuple[Advice, ...]
    """The three largest."""
    notes: tuple[str, ...] = ()
    """What a reader should know before a sum is quoted."""
