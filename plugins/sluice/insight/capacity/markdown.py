"""The report as Markdown: the page's words and numbers without its charts, for a terminal, a chat or a repository. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sluice.insight.capacity.bill import Bill
from sluice.insight.capacity.report import CHARTED, Report, StoreReport
from sluice.insight.capacity.telling import (
    NO_PROPOSALS,
    NO_TROUBLES,
    arrival_told,
    changed_told,
    grown_told,
    headline,
    period_told,
    score_told,
    trouble_told,
)
from sluice.insight.capacity.words import amount, change, day, many, money, reach

NOTHING = "not measured"


def markdown(report: Report) -> str:
    """Write it."""
    period = "month" if report.monthly else "week"
    parts = [
        f"# Capacity of {_plain(report.estate)}",
        f"The {period} of {period_told(report)}. Days are UTC's.",
        f"**{_plain(headline(report))}**",
        *(part for store in report.stores for part in _store(store, report)),
        "## Cost",
        *(_cost(report.cost) if report.cost else [_plain(f"Not known: {report.cost_reason}")]),
        "## What has changed",
        *_changes(report),
        "## How good the forecasts were",
        _bullets([score_told(one) for one in report.scores]) or "No day that was forecast has come yet.",
        "## What is wrong and wakes nobody",
        _troubles(report),
        "## What scaling would do",
        _proposals(report),
    ]
    return "\n\n".join(parts) + "\n"


def _store(store: StoreReport, report: Report) -> Iterator[str]:
    yield f"## {_plain(store.name)}"
    for one in store.measures:
        lines = [grown_told(one), *(arrival_told(one, at, report.until) for at in one.arrivals), *one.notes]
        yield f"### {_plain(one.title)}"
        yield _bullets(lines)
    if store.tables:
        yield "### Tables that grow most"
        yield _tables(store)
    yield _bullets(_standing(store, report)) if store.is_known else "Nothing of it has been measured."


def _tables(store: StoreReport) -> str:
    rows = [
        (
            one.name,
            amount(one.now, "bytes"),
            change(one.a_month, "bytes"),
            " – ".join(amount(at, "bytes") for at in one.in_90_days[::2]) if one.in_90_days else one.reason,
        )
        for one in store.shown
    ]
    told = _table(("table", "now", "a month", "in 90 days, 80 % between"), rows)
    return told + (
        f"\n\nThese are {CHARTED} of {many(len(store.tables), 'table')}." if len(store.tables) > CHARTED else ""
    )


def _standing(store: StoreReport, report: Report) -> Iterator[str]:
    if (backup := store.backup) is None:
        yield f"Backup: {NOTHING}"
    else:
        proven = f"proven on {day(backup.drilled, report.until)}" if backup.drilled else "not proven by a drill yet"
        yield f"Backup: {backup.lose} of writes would be lost, back in {backup.back_in}; {proven}"
        yield from backup.warnings
    if store.engine != "postgres":
        return
    shortest = [f"{one.table} {amount(one.days, 'days')}" for one in (store.headroom or ())[:5]]
    yield f"Partitions ahead: {'; '.join(shortest) or NOTHING}"
    late = [f"{one.replica} {amount(1000 * one.mean, 'ms')} in the mean, {100 * one.within:.0f} % of hours within"
            f" {amount(1000 * one.target, 'ms')}" for one in store.lag or ()]  # fmt: skip
    yield f"Replicas: {'; '.join(late) or NOTHING}"
    yield f"Cache hits: {amount(store.cache_hit, 'percent') if store.cache_hit is not None else NOTHING}"


def _cost(cost: Bill) -> Iterator[str]:
    now, later = (money(bounds, cost.currency) for bounds in (cost.now, cost.later))
    yield f"{now} a month now, {later} in 90 days. {_plain(cost.priced)}"
    if cost.notes:
        yield _bullets(cost.notes)
    if cost.reserved:
        yield _bullets(f"Reserved {one.what}: {reach(one.percent)} used; it should be 85 %." for one in cost.reserved)
    rows = [(one.name, money(one.now, cost.currency), one.how) for one in cost.components]
    yield _table(("component", "a month", "that is"), rows)
    if cost.savings:
        yield _bullets(
            f"{one.what}: {money(one.monthly, cost.currency)} a month; {one.why}. Mind: {one.risk}."
            for one in cost.savings
        )


def _changes(report: Report) -> Iterator[str]:
    if report.changed is None:
        yield _plain(report.changed_reason)
    else:
        yield _bullets(changed_told(report.changed, report.until)) or "Nothing worth a line."


def _proposals(report: Report) -> str:
    if report.proposals is None:
        return NO_PROPOSALS
    return _bullets(f"{one.store}: {one.what}. {one.why}" for one in report.proposals) or "Nothing."


def _troubles(report: Report) -> str:
    if report.troubles is None:
        return NO_TROUBLES
    return _bullets(trouble_told(one, report.until) for one in report.troubles) or "Nothing."


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    told = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in row) + " |" for row in told)


def _plain(text: str) -> str:
    """Keep a name from becoming a mark, a link or a tag."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;"))
