"""What a report says in words: its headline, a line for each limit, what people are told. Page, text and alerts use these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sluice.estate.severity import Severity
from sluice.insight.capacity.compared import Changed, TrackRecord
from sluice.insight.capacity.measure import Outlook, Reached
from sluice.insight.capacity.report import Report, StoreReport
from sluice.insight.capacity.standing import SmallTrouble
from sluice.insight.capacity.words import amount, dated, day, listed, many


@dataclass(frozen=True)
class Urgent:
    """What people are told beside the report, since two reports say it."""

    severity: Severity
    subject: str
    text: str


NO_TROUBLES = "Known of the last days alone, and this window is of long ago."
NO_PROPOSALS = "No store of the file is to be scaled, or this window is of long ago."


def period_told(report: Report) -> str:
    """Say of which days it is, the last one included: `23 February to 1 March 2026`."""
    last = report.until - timedelta(days=1)
    return f"{day(report.since, last)} to {dated(last)}"


def headline(report: Report) -> str:
    """Say the one thing that is to be known."""
    if not any(store.measures or store.tables for store in report.stores):
        return "Nothing has been measured yet."
    coming = [(one, at) for one, at in report.arrivals if at.earliest]
    if coming:
        return arrival_told(*coming[0], report.until)
    if not report.arrivals:
        return "Nothing says yet when anything will be full."
    return "Nothing comes to its limit within a year."


def arrival_told(outlook: Outlook, at: Reached, until: date) -> str:
    """Say when a limit is reached: `certify is 85 % full between 12 March and 4 May, most likely on 2 April.`"""
    what = f"{f'{outlook.subject} of ' if outlook.subject else ''}{outlook.store} {at.limit.told}"
    return f"{what}{_when(outlook, at, until)}"


def first_told(store: StoreReport, until: date) -> str:
    """Say which limit a store reaches first, and when, or why nobody says it; a dash where nothing is measured."""
    if not store.measures:
        return "–"
    if not store.arrivals:
        return "not foreseen yet" if any(one.limits for one in store.measures) else "no limit is known"
    outlook, at = store.arrivals[0]
    if at.earliest is None:
        return "none within a year"
    return f"{f'{outlook.subject} ' if outlook.subject else ''}{at.limit.told}{_when(outlook, at, until)}"


def _when(outlook: Outlook, at: Reached, until: date) -> str:
    if at.earliest is None:
        return ": not within a year."
    if at.days is not None and at.days <= 0 and outlook.now is not None and outlook.now >= at.limit.value:
        return " already."
    first, likely, latest = (day(one, until) for one in (at.earliest, at.likely, at.latest))
    if at.likely is None:
        return f" from {first} at the earliest, and more likely not within a year."
    if at.latest is None:
        return f" from {first} on, most likely on {likely}, and perhaps not within a year."
    return f" between {first} and {latest}, most likely on {likely}."


def grown_told(outlook: Outlook) -> str:
    """Say what a measure is, and what it will be in 90 days."""
    told = f"{amount(outlook.now, outlook.unit)} now" + (", on the busiest day of a week" if outlook.is_busy else "")
    if ahead := outlook.in_90_days:
        low, likely, high = (amount(one, outlook.unit) for one in ahead)
        doubtful = f" Doubtful: {outlook.reason}" if outlook.reason else ""
        return f"{told}; in 90 days most likely {likely}, with 80 % between {low} and {high}.{doubtful}"
    return f"{told}. {outlook.reason}".strip()


def score_told(score: TrackRecord) -> str:
    """Say how good forecasts were."""
    return (
        f"{score.ahead} days ahead, our 80 % intervals held {100 * score.held:.0f} % of {many(score.count, 'forecast')}"
        f" (with 95 % between {100 * score.low:.0f} and {100 * score.high:.0f} %)."
    )


def changed_told(changed: Changed, until: date) -> Iterator[str]:
    """Say what is other than in the report before, a line each."""
    for one in changed.moved:
        was, now = (day(at, until) if at else "not within a year" for at in (one.before, one.after))
        yield f"{one.store} {one.limit}: it was {was}, it is {now}."
    if changed.new:
        yield f"New: {listed(changed.new)}."
    if changed.gone:
        yield f"Gone: {listed(changed.gone)}."
    for fast in changed.fastest:
        percent = f", {fast.percent:.1f} %" if fast.percent is not None else ""
        yield f"{fast.store}: {fast.table} grew by {amount(fast.bytes, 'bytes')}{percent}."


def trouble_told(trouble: SmallTrouble, until: date) -> str:
    """Say what is wrong and wakes nobody."""
    return f"{trouble.store or 'the estate'}, since {day(trouble.since, until)}: {trouble.text}"


def urgent(report: Report) -> list[Urgent]:
    """Say what people are told at once: what this report and the one before are worried about, the worst first."""
    return sorted(
        (
            Urgent(at.severity, one.store, f"{at.severity}: {arrival_told(one, at, report.until)}")
            for one, at in report.arrivals
            if at.severity
        ),
        key=lambda one: (one.severity, one.subject),
    )


def summary(report: Report) -> str:
    """Say the whole in a few lines, for a log and for people."""
    lines = [f"Capacity of {report.estate}, {period_told(report)}: {headline(report)}"]
    for store in report.stores:
        for one in store.measures[:1]:
            lines.append(f"{store.name}: {grown_told(one)}")
    lines += [score_told(score) for score in report.scores]
    return "\n".join(lines)
