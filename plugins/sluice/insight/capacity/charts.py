"""Charts as SVG, by hand: what was, what will be with its 80 % interval, the limits, and what was dropped. No script, no address.

The drawing is stretched to whatever width there is, so its text stands beside it in HTML, placed by percentages. A chart bears
its own scale (`data-…`): who reads it back gets the numbers that the report has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape

from markupsafe import Markup

from sluice.insight.capacity.frame import HIGH, WIDE, Frame, frame_of, is_near, shown_curve, ticks
from sluice.insight.capacity.measure import Curve, Drop, Outlook, Reached
from sluice.insight.capacity.words import MONTHS, amount, dated
from sluice.insight.capacity.words import day as in_words

LABELS = 7
"""So many dates at most stand below a chart."""


def chart(outlook: Outlook) -> Markup:
    """Draw a measure. Raises ValueError where it has no value."""
    frame, seen = frame_of(outlook), shown_curve(outlook)
    drawn = (
        *_floor(frame, outlook.unit),
        *_limits(frame, outlook),
        *_band(frame, outlook, seen),
        _line(frame, "was", _ordinals(outlook.days), outlook.values),
        *_steps(frame, outlook.steps),
        *_hovers(frame, outlook),
    )
    beside = (
        *_heights(frame, outlook.unit),
        *_dates(frame),
        *_limit_names(frame, outlook),
        *_drops(frame, outlook),
        *_arrivals(frame, outlook.arrivals),
    )
    title = escape(f"{outlook.store}: {outlook.title}, {in_words(outlook.days[0], outlook.days[-1])} until today")
    return Markup(
        f'<div class="plot"><svg viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" {frame.data}>'
        f"<title>{title}</title>{''.join(drawn)}</svg>{''.join(beside)}</div>"
    )


def spark(days: Sequence[date], values: Sequence[float]) -> Markup:
    """Draw a small line, without scales."""
    if len(values) < 2:
        return Markup("")
    frame = Frame(days[0].toordinal(), days[-1].toordinal(), min(values), max(values))
    line = _line(frame, "was", _ordinals(days), values)
    return Markup(
        f'<svg class="spark" viewBox="0 -12 {WIDE} {HIGH + 24}" preserveAspectRatio="none" aria-hidden="true" {frame.data}>'
        f"{line}</svg>"
    )


def _floor(frame: Frame, unit: str) -> Iterator[str]:
    for value in ticks(frame.high):
        yield f'<path class="grid" d="M0 {frame.y(value):.2f}H{WIDE}"/>'


def _limits(frame: Frame, outlook: Outlook) -> Iterator[str]:
    for limit in outlook.limits:
        if is_near(outlook, limit):
            told = escape(f"{limit.told}: {amount(limit.value, outlook.unit)}")
            yield f'<path class="limit" d="M0 {frame.y(limit.value):.2f}H{WIDE}"><title>{told}</title></path>'


def _band(frame: Frame, outlook: Outlook, curve: Curve | None) -> Iterator[str]:
    if curve is None:
        return
    days, start = _ordinals(curve.days), (outlook.days[-1].toordinal(), outlook.values[-1])
    up = [start, *zip(days, curve.p90, strict=True)]
    down = [*zip(days, curve.p10, strict=True)][::-1]
    yield f'<path class="band" d="{_path(frame, [*up, *down])}Z"><title>80 % of what may come</title></path>'
    yield _line(frame, "will", [start[0], *days], [start[1], *curve.p50])


def _line(frame: Frame, named: str, days: Sequence[int], values: Sequence[float]) -> str:
    """Draw a line, broken where more than a week was not measured."""
    parts: list[list[tuple[int, float]]] = []
    for day, value in zip(days, values, strict=True):
        if not parts or day - parts[-1][-1][0] > 8:
            parts.append([])
        parts[-1].append((day, value))
    whole = "".join(_path(frame, part if len(part) > 1 else part * 2) for part in parts)
    return f'<path class="{named}" d="{whole}"/>'


def _steps(frame: Frame, steps: Sequence[date]) -> Iterator[str]:
    for step in steps:
        x = frame.x(step.toordinal())
        yield f'<path class="step" d="M{x:.2f} 0V{HIGH}"><title>{dated(step)}: a jump that nobody noted</title></path>'


def _hovers(frame: Frame, outlook: Outlook) -> Iterator[str]:
    """Lay a strip over each week that says its number to whoever points at it."""
    weekly = [*zip(outlook.days, outlook.values, strict=True)][::-7]
    curve = shown_curve(outlook)
    if curve:
        told = (f"{amount(low, outlook.unit)} to {amount(high, outlook.unit)}"
                for low, high in zip(curve.p10, curve.p90, strict=True))  # fmt: skip
        ahead = [*zip(curve.days, told, strict=True)][6::7]
    else:
        ahead = []
    for day, said in [*((day, amount(value, outlook.unit)) for day, value in weekly), *ahead]:
        left = frame.x(day.toordinal() - 3.5)
        yield (
            f'<rect class="hover" x="{left:.2f}" y="0" width="{frame.x(frame.first + 7):.2f}" height="{HIGH}">'
            f"<title>{dated(day)}: {escape(said)}</title></rect>"
        )


def _heights(frame: Frame, unit: str) -> Iterator[str]:
    for value in ticks(frame.high):
        yield f'<span class="y" style="top:{100 * frame.y(value) / HIGH:.2f}%">{escape(amount(value, unit))}</span>'


def _limit_names(frame: Frame, outlook: Outlook) -> Iterator[str]:
    for limit in outlook.limits:
        if is_near(outlook, limit):
            top = 100 * frame.y(limit.value) / HIGH
            yield f'<span class="name" style="top:{top:.2f}%">{escape(amount(limit.value, outlook.unit))}</span>'


def _dates(frame: Frame) -> Iterator[str]:
    months = [day for day in range(frame.first, frame.last + 1) if date.fromordinal(day).day == 1]
    every = max(1, -(-len(months) // LABELS))
    for number, ordinal in enumerate(months[::every]):
        day = date.fromordinal(ordinal)
        told = (
            f"{MONTHS[day.month - 1][:3]} {day.year}"
            if number == 0 or day.month <= every
            else MONTHS[day.month - 1][:3]
        )
        small = " minor" if number % 2 else ""
        if 2 < (left := frame.x(ordinal) / WIDE * 100) < 97:
            yield f'<span class="x{small}" style="left:{left:.2f}%">{told}</span>'


def _drops(frame: Frame, outlook: Outlook) -> Iterator[str]:
    for one in outlook.drops:
        if frame.first <= one.day.toordinal() <= frame.last:
            yield _mark(frame, "drop", one, outlook.unit)


def _mark(frame: Frame, named: str, one: Drop, unit: str) -> str:
    said = escape(f"{dated(one.day)}: {amount(one.bytes, unit)} archived and dropped")
    return f'<i class="{named}" style="left:{frame.x(one.day.toordinal()) / 10:.2f}%" title="{said}"></i>'


def _arrivals(frame: Frame, arrivals: Sequence[Reached]) -> Iterator[str]:
    """Mark when a limit is reached on the limit itself: a bar from P10 to P90, a point at P50."""
    for at in arrivals:
        if at.earliest is None or not frame.low < at.limit.value < frame.high or at.earliest.toordinal() > frame.last:
            continue
        top, left = 100 * frame.y(at.limit.value) / HIGH, frame.x(at.earliest.toordinal()) / 10
        end = frame.x(min(at.latest.toordinal() if at.latest else frame.last, frame.last)) / 10
        yield f'<i class="span" style="top:{top:.2f}%;left:{left:.2f}%;width:{end - left:.2f}%"></i>'
        if at.likely and at.likely.toordinal() <= frame.last:
            x = frame.x(at.likely.toordinal()) / 10
            yield f'<i class="likely" style="top:{top:.2f}%;left:{x:.2f}%" title="{dated(at.likely)}: most likely"></i>'


def _path(frame: Frame, points: Sequence[tuple[int, float]]) -> str:
    return "M" + "L".join(f"{frame.x(day):.2f} {frame.y(value):.2f}" for day, value in points)


def _ordinals(days: Sequence[date]) -> list[int]:
    return [day.toordinal() for day in days]
