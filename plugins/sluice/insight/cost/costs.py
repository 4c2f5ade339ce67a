"""What the estate costs in a month and in 90 days, what of its reservations is used, and the three largest savings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from sluice.estate.amounts import Between
from sluice.estate.read import PRICES
from sluice.insight.capacity.words import listed
from sluice.insight.cost.components import Component, components, is_priced, sum_of
from sluice.insight.cost.forecast import AheadOf, later, not_forecast, outgrown
from sluice.insight.cost.known import Known, Server
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import Use, uses
from sluice.insight.cost.savings import Saving, candidates, largest

ESTATE = "the estate"


@dataclass(frozen=True)
class Costs:
    """A month of an estate, in dollars."""

    month: date
    """Its first day."""
    prices: str
    """Whose prices these are."""
    components: tuple[Component, ...]
    now: Between
    later: Between
    """In 90 days."""
    reserved: tuple[Use, ...]
    savings: tuple[Saving, ...]
    """The three largest."""
    notes: tuple[str, ...] = ()
    """What a reader should know before a sum is quoted."""


def costs_of(month: date, all_known: Known, prices: Prices, ahead: AheadOf) -> Costs:
    """Reckon it. `ahead` holds each series' forecast of the day 90 days on. Raises UnknownPrice for a price that a line names.

    A server that no price is known of is left out, and said to be.
    """
    unpriced = tuple(one for one in all_known.instances if not is_priced(one, prices))
    known = replace(all_known, instances=tuple(one for one in all_known.instances if one not in unpriced))
    now, then = components(known, prices), components(later(known, ahead), prices)
    return Costs(
        month.replace(day=1),
        prices.told,
        tuple(now),
        sum_of(now),
        sum_of(then),
        tuple(uses(known, prices)),
        largest(candidates(known, prices)),
        (*_left_out(unpriced), *_notes(month, all_known, prices, ahead)),
    )


def _left_out(instances: Iterable[Server]) -> Iterator[str]:
    for one in instances:
        told = f"{one.store} {one.name}, {one.kind} on {one.storage}"
        yield f"not counted, as no price is known of it: {told}; write it into {PRICES}"


def _notes(month: date, known: Known, prices: Prices, ahead: AheadOf) -> Iterator[str]:
    if prices.is_old(month):
        yield f"the prices are of {prices.dated}: look whether they still stand"
    asked = [table for table in known.tables if table.unmeasured and table.reads.provisioned is None]
    if blind := [f"{table.store} {table.name}" for table in asked]:
        yield f"what indexes are read is not measured, nor in the sums; writes go to none of them up to all: {listed(blind)}"
    if missing := not_forecast(known, ahead):
        yield f"not forecast, so in 90 days as today: {listed(missing)}"
    if more := outgrown(known, ahead):
        yield f"provisioned by hand, and more is forecast to be used in 90 days, which the sum does not have: {listed(more)}"
    if not (known.instances or known.tables):
        yield "nothing was measured: all sums are what a person wrote"


def how(one: Component) -> str:
    """Say what a sum is made of, as a person checks it against a bill; nothing of one that a person wrote."""
    if one.quantity is None or not one.per:
        return ""
    ends = [f"{end:,.0f}" if end >= 10 else f"{end:,.2f}" for end in (one.quantity.low, one.quantity.high)]
    return f"{' to '.join(dict.fromkeys(ends))} × {one.price}, per {one.per}"
