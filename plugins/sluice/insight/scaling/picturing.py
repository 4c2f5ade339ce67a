"""A simulation as a picture: the capacity that would have been there, what was used of it, and each change. It is SVG.

It has no colour of paper and only middle tones, so that it can be read on white and on black.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise

from sluice.insight.scaling.evaluating import GAP
from sluice.insight.scaling.simulating import Moment, Simulated
from sluice.stores.objects import Vault

LEFT, TOP, WIDE, TALL, BETWEEN = 62, 48, 860, 130, 44
MOST_POINTS = 1200
"""A longer load is drawn by its highest moments: a peak must not be lost between two pixels."""
MOST_SHOWN = 250.0
"""Percent: what is used over that is cut off, or one moment would flatten all others."""
USED, THERE, STATIC, WRONG = "#4f9d8b", "#7d9cc0", "#9aa05a", "#d0473a"
STYLE = "text { font: 10px ui-monospace, monospace; fill: #7a8694 } .name { font-size: 12px; font-weight: 600 }"


def picture(store: str, made: Sequence[Simulated]) -> str:
    """Draw them, one below the other."""
    each = 2 * (TALL + BETWEEN)
    width, height = LEFT + WIDE + 20, TOP + each * len(made) + 10
    parts = [line for number, one in enumerate(made) for line in _one(one, TOP + each * number)]
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(f'{store}: what its rules would have done')}</title>",
        f"<style>{STYLE}</style>",
        _text(10, 18, f"{store}: what its rules would have done with the load that was recorded", "name"),
        *parts,
        "</svg>\n",
    ))  # fmt: skip


def keep_picture(vault: Vault, store: str, made: Sequence[Simulated], place: str) -> str:
    """Put the picture below `docs/`, where the console shows it; give its key. Named by content: safe to repeat."""
    body = picture(store, made).encode()
    digest = hashlib.sha256(body).hexdigest()[:12]
    return vault.put_once(f"docs/{place}/{digest}/scaling.svg", body, "image/svg+xml").key


def _one(made: Simulated, top: int) -> Iterator[str]:
    shown = _thinned(made.moments)
    begins, ends = shown[0].at, shown[-1].at
    yield _text(
        10,
        top - 12,
        f"{made.name}: {len(made.events)} changes, over {made.target:g} % for {made.over(made.target)}",
        "name",
    )
    yield from _used(made, shown, begins, ends, top)
    yield from _there(made, shown, begins, ends, top + TALL + BETWEEN)
    yield from _dates(begins, ends, top + 2 * TALL + BETWEEN + 14)


def _used(made: Simulated, shown: Sequence[Moment], begins: datetime, ends: datetime, top: int) -> Iterator[str]:
    most = min(MOST_SHOWN, max(110.0, *(one.used for one in shown)))
    points = [(_x(one.at, begins, ends), top + TALL - min(one.used, most) * TALL / most, one.at) for one in shown]
    yield from _lines(points, USED)
    for percent, said in ((made.target, f"{made.target:g} %"), (100.0, "100 %")):
        y = top + TALL - percent * TALL / most
        yield f'<path d="M{LEFT} {y:.1f}H{LEFT + WIDE}" stroke="{WRONG}" stroke-dasharray="4 3" fill="none"/>'
        yield _text(4, round(y) + 3, said)


def _there(made: Simulated, shown: Sequence[Moment], begins: datetime, ends: datetime, top: int) -> Iterator[str]:
    most = max(made.static, *(one.capacity for one in shown)) * 1.1
    points = [(_x(one.at, begins, ends), top + TALL - one.capacity * TALL / most, one.at) for one in shown]
    yield from _lines(points, THERE)
    y = top + TALL - made.static * TALL / most
    yield f'<path d="M{LEFT} {y:.1f}H{LEFT + WIDE}" stroke="{STATIC}" stroke-dasharray="2 2" fill="none"/>'
    yield _text(4, round(y) + 3, f"{made.static:g}")
    for event in made.events:
        x, colour = _x(event.at, begins, ends), USED if event.way == "up" else THERE
        sharp = "-5l4 7h-8z" if event.way == "up" else "5l4 -7h-8z"
        yield (f'<g><title>{escape(str(event))}</title><path d="M{x:.1f} {top + TALL}m0 {sharp}" fill="{colour}"/></g>')
    less = f"{made.hours:,.0f} {made.unit} by the hour; dashed: {made.static_hours:,.0f}"
    demand = "" if made.on_demand_hours is None else f"; used, as on demand bills: {made.on_demand_hours:,.0f}"
    yield _text(LEFT, top - 4, f"{less}{demand}")


def _lines(points: Sequence[tuple[float, float, datetime]], colour: str) -> Iterator[str]:
    """Draw the line, broken where nothing was measured."""
    if not points:
        return
    widest = max(GAP, 3 * (points[-1][2] - points[0][2]) / max(1, len(points)))
    told = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (_, _, before), (x, y, at) in pairwise(points):
        told += f"{'L' if at - before <= widest else 'M'}{x:.1f} {y:.1f}"
    yield f'<path d="{told}" stroke="{colour}" stroke-width="1.4" fill="none"/>'


def _dates(begins: datetime, ends: datetime, y: int) -> Iterator[str]:
    form = "%Y-%m-%d %H:%M" if ends - begins < timedelta(days=4) else "%Y-%m-%d"
    for part in range(5):
        at = begins + (ends - begins) * part / 5
        yield _text(round(_x(at, begins, ends)), y, f"{at:{form}}")


def _thinned(moments: Sequence[Moment]) -> Sequence[Moment]:
    each = -(-len(moments) // MOST_POINTS)
    groups = (moments[at : at + each] for at in range(0, len(moments), each))
    return [max(group, key=lambda one: one.used) for group in groups]


def _x(at: datetime, begins: datetime, ends: datetime) -> float:
    whole = (ends - begins).total_seconds() or 1.0
    return LEFT + WIDE * (at - begins).total_seconds() / whole


def _text(x: int, y: int, said: str, named: str = "") -> str:
    how = f' class="{named}"' if named else ""
    return f'<text x="{x}" y="{y}"{how}>{escape(said)}</text>'
