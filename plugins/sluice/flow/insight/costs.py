"""What an estate costs, for its capacity report: from samples, from AWS where it answers, and from what a person wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sluice.errors import SluiceError
from sluice.estate.models import Estate
from sluice.flow.insight.described import Asking, servers_of, tables_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from sluice.estate.amounts import Between
    from sluice.insight.capacity.bill import Bill
    from sluice.insight.capacity.making import Foretold
    from sluice.insight.cost.costs import Costs
    from sluice.ledger.samples import Samples

LOOKS_BACK = timedelta(days=30)
STEADY = timedelta(days=91)
"""How far back it is looked whether a server ran: over the 90 days after which it may pay to reserve one."""
NOTHING = "nothing that costs was measured, and no line of the file says a sum."
MEASURED = (
    "items_bytes", "read_units_rate", "write_units_rate", "read_units_provisioned_rate", "write_units_provisioned_rate",
    "cpu_percent", "memory_used_percent",
)  # fmt: skip
"""What a bill is made of."""


def reckoning(
    samples: Samples, estate: Estate, until: date, recent: bool, log: Logger
) -> Callable[[Foretold], tuple[Bill | None, str]]:
    """Give what reckons the cost of a month up to a day, or says why nobody knows it.

    AWS is asked of a `recent` window alone: it says how things are now.
    """

    def reckon(ahead: Foretold) -> tuple[Bill | None, str]:
        try:
            found = _viewed(_costs(samples, estate, until, ahead, recent, log))
        except SluiceError as why:  # a report without it is better than none
            log.warning("What the estate costs is not known: %s", why)
            return None, str(why)
        return found, "" if found else NOTHING

    return reckon


def _costs(samples: Samples, estate: Estate, until: date, ahead: Foretold, recent: bool, log: Logger) -> Costs:
    from sluice.estate.amounts import ranging
    from sluice.insight.cost.costs import costs_of
    from sluice.insight.cost.forecast import Ahead
    from sluice.insight.cost.known import known_of
    from sluice.insight.cost.prices import read_prices

    end = datetime.combine(until, time(), UTC)
    hours, asking = samples.spans("hour", MEASURED, end - LOOKS_BACK, end), Asking(log)
    hours |= samples.spans("hour", ("up_count",), end - STEADY, end)
    servers = tuple(servers_of(estate, hours, asking)) if recent else ()
    known = known_of(estate, servers, tables_of(estate, hours, asking if recent else None))
    known = replace(known, all_servers=recent and not asking.no_servers)
    growing = {series: Ahead(Decimal(repr(now)), ranging(low, high)) for series, (now, low, high) in ahead.items()}
    found = costs_of(until - timedelta(days=1), known, read_prices(ROOT, until), growing)
    return replace(found, notes=(*_not_whole(asking.missing, recent), *found.notes))


def _not_whole(missing: Sequence[str], recent: bool) -> Iterator[str]:
    from sluice.insight.capacity.words import listed

    if not recent:
        yield (
            "without servers, tables' classes, units of their indexes and continuous backups: AWS says only how these are now,"
            " and this window is of long ago"
        )
    if missing:
        yield (
            f"not whole: AWS does not say here what these are, so they are missing, or in the sums as by default:"
            f" {listed([*dict.fromkeys(missing)])}. The log of make_report says why"
        )


def _viewed(costs: Costs) -> Bill | None:
    """Give what a report shows of it; None where nothing is known to cost anything."""
    from sluice.insight.capacity.bill import Advice, Bill, BillLine, Reservation
    from sluice.insight.cost.costs import ESTATE, how

    if not costs.components:
        return None
    dearest = sorted((one for one in costs.components if one.monthly.high), key=lambda one: -one.monthly.high)
    return Bill(
        currency="$",
        priced=f"{costs.prices[0].upper()}{costs.prices[1:]}.",
        now=_ends(costs.now),
        later=_ends(costs.later),
        components=tuple(
            BillLine(f"{one.store or ESTATE}: {one.what}", _ends(one.monthly), how(one)) for one in dearest
        ),
        reserved=tuple(Reservation(one.what, _ends(one.percent), one.enough) for one in costs.reserved),
        savings=tuple(
            Advice(f"{one.store or ESTATE}: {one.what}", _ends(one.monthly), one.why, one.risk) for one in costs.savings
        ),
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in costs.notes),
    )


def _ends(amount: Between) -> tuple[float, float]:
    return float(amount.low), float(amount.high)
