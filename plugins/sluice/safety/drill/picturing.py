"""The drills of a store as a picture: a column a day, its phases one upon the other, what was promised as a line. It is SVG.

It has no colour of paper and only middle tones, so that it can be read on white and on black. What failed, and what is missing,
has a form of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from html import escape

from sluice.safety.drill.trend import AVAILABLE, Drilled, Trend
from sluice.safety.drill.trend_told import full_recovery_told, when_breached
from sluice.safety.words import lasts
from sluice.stores.objects import Vault

COLUMN, GAP, LEFT, TOP = 9, 2, 62, 64
STEP = COLUMN + GAP
TALL, LOW = 200, 60
"""How high the columns of times are, and those of what would be lost."""
AHEAD = 60
"""Days to come that are drawn."""
COLOURS = ("#7d9cc0", "#8e6bbf", "#4f9d8b", "#c07da6", "#9aa05a", "#6f7fd0")
FAILED, LATE = "#d0473a", "#d9822b"
STYLE = "text { font: 10px ui-monospace, monospace; fill: #7a8694 } .name { font-size: 12px; font-weight: 600 }"


def picture(trend: Trend) -> str:
    """Draw it."""
    ahead = _ahead(trend)
    columns = len(trend.days) + ahead
    width, height = max(LEFT + STEP * columns + 20, 640), TOP + TALL + LOW + 84
    parts = [*_heads(trend), *_times(trend, columns), *_losses(trend, columns), *_dates(trend, ahead)]
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(f'Drills of {trend.store}: {when_breached(trend)}')}</title>",
        f"<style>{STYLE}</style>",
        *parts,
        "</svg>\n",
    ))  # fmt: skip


def keep_picture(vault: Vault, trend: Trend, place: str) -> str:
    """Put the picture below `docs/`, where the console shows it; give its key. Named by content: safe to repeat."""
    body = picture(trend).encode()
    digest = hashlib.sha256(body).hexdigest()[:12]
    return vault.put_once(f"docs/{place}/{digest}/drills.svg", body, "image/svg+xml").key


def _heads(trend: Trend) -> Iterator[str]:
    yield _text(10, 18, f"{trend.store}: how long it takes to come back, day by day", "name")
    yield _text(10, 34, when_breached(trend))
    at = LEFT
    for name in _phases(trend):
        yield f'<rect x="{at}" y="44" width="9" height="9" fill="{_colour(trend, name)}"/>{_text(at + 13, 52, name)}'
        at += 24 + 7 * len(name)
    yield f"{_cross(at + 4, 48)}{_text(at + 14, 52, 'failed')}"
    if trend.recoveries:
        yield f"{_diamond(at + 74, 48)}{_text(at + 84, 52, 'full recovery')}"


def _times(trend: Trend, columns: int) -> Iterator[str]:
    came_back = [*trend.slowest.values(), *trend.recoveries]
    most = max([trend.goals.back_within * 1.15, *(one.available for one in came_back)])
    scale, foot = TALL / most, TOP + TALL
    for number, (day, drills) in enumerate(trend.days):
        if one := trend.slowest.get(day):
            yield from _column(trend, one, LEFT + STEP * number, foot, scale)
        if failed := [drill for drill in drills if drill.failed]:
            said = escape(f"{day}: failed: {'; '.join(failed[0].failed)[:200]}")
            yield f"<g><title>{said}</title>{_cross(LEFT + STEP * number + 4, foot + 8)}</g>"
        elif not drills:
            place = f'cx="{LEFT + STEP * number + 4}" cy="{foot + 8}"'
            yield f'<circle {place} r="1" fill="#8a94a0"><title>{day}: no drill</title></circle>'
    for one in trend.recoveries:
        middle = LEFT + STEP * max(0, (one.at.date() - trend.days[0][0]).days) + 4
        mark = _cross(middle, foot + 8) if one.failed else _diamond(middle, foot - one.available * scale)
        yield f"<g><title>{escape(full_recovery_told(one))}</title>{mark}</g>"
    yield from _goal(foot - trend.goals.back_within * scale, columns, f"RTO {lasts(trend.goals.back_within)}")
    yield from _breach(trend, foot)


def _column(trend: Trend, one: Drilled, left: int, foot: float, scale: float) -> Iterator[str]:
    top = foot
    for name, seconds in one.phases.items():
        top -= seconds * scale
        said = escape(f"{one.at:%Y-%m-%d %H:%M}: {name} {lasts(seconds)} of {lasts(one.available)}")
        edge = f' stroke="{LATE}"' if one.late else ""
        yield (
            f'<rect x="{left}" y="{top:.1f}" width="{COLUMN}" height="{seconds * scale:.1f}" fill="{_colour(trend, name)}"{edge}>'
            f"<title>{said}</title></rect>"
        )


def _losses(trend: Trend, columns: int) -> Iterator[str]:
    measured = {one.at.date(): one.lost for one in trend.drills if one.lost and not one.failed}
    most = max([trend.goals.losing_at_most * 1.15, 1.0, *(lost[1] for lost in measured.values())])
    scale, foot = LOW / most, TOP + TALL + 34 + LOW
    for number, (day, _) in enumerate(trend.days):
        if lost := measured.get(day):
            said = f"{day}: {lasts(lost[0])} to {lasts(lost[1])} of writes would be lost"
            high = max(1.0, (lost[1] - lost[0]) * scale)
            left = LEFT + STEP * number
            yield (
                f'<rect x="{left}" y="{foot - lost[1] * scale:.1f}" width="{COLUMN}" height="{high:.1f}" fill="#7d9cc0">'
                f"<title>{said}</title></rect>"
            )
    yield from _goal(foot - trend.goals.losing_at_most * scale, columns, f"RPO {lasts(trend.goals.losing_at_most)}")


def _goal(y: float, columns: int, said: str) -> Iterator[str]:
    right = LEFT + STEP * columns
    yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{FAILED}" stroke-dasharray="4 3" fill="none"/>'
    yield _text(4, round(y) + 3, said)


def _breach(trend: Trend, foot: float) -> Iterator[str]:
    """Mark the day on which the promise is passed, where it is near enough to be drawn."""
    first = trend.days[0][0]
    if trend.breach and (place := (trend.breach.likely - first).days) < len(trend.days) + AHEAD:
        left = LEFT + STEP * place + 4
        yield f'<path d="M{left} {TOP}V{foot}" stroke="{LATE}" stroke-dasharray="2 2" fill="none"/>'
        yield _text(left + 3, TOP + 9, f"{trend.breach.likely}")


def _dates(trend: Trend, ahead: int) -> Iterator[str]:
    first, foot = trend.days[0][0], TOP + TALL + 34 + LOW + 14
    for number in range(len(trend.days) + ahead):
        day: date = first + timedelta(days=number)
        if number == 0 or day.day == 1:
            yield _text(LEFT + STEP * number, foot, f"{day:%Y-%m-%d}" if number == 0 else f"{day:%m-%d}")
    yield _text(10, foot + 18, "Columns: the slowest drill of a day that came back whole. Dots: days without a drill.")


def _ahead(trend: Trend) -> int:
    found = trend.breach
    last = trend.days[-1][0]
    return min(AHEAD, max(0, (found.likely - last).days + 8)) if found and (found.likely - last).days < AHEAD else 0


def _phases(trend: Trend) -> Sequence[str]:
    names = dict.fromkeys(name for one in trend.drills for name in one.phases)
    return [name for name in names if name != AVAILABLE] + [AVAILABLE] * (AVAILABLE in names)


def _colour(trend: Trend, phase: str) -> str:
    return COLOURS[_phases(trend).index(phase) % len(COLOURS)]


def _cross(x: int, y: float) -> str:
    return f'<path d="M{x - 3} {y - 3}l6 6m0 -6l-6 6" stroke="{FAILED}" stroke-width="1.6" fill="none"/>'


def _diamond(x: int, y: float) -> str:
    return f'<path d="M{x} {y - 4:.1f}l4 4l-4 4l-4 -4z" fill="#7a8694"/>'


def _text(x: int, y: int, said: str, named: str = "") -> str:
    how = f' class="{named}"' if named else ""
    return f'<text x="{x}" y="{y}"{how}>{escape(said)}</text>'
