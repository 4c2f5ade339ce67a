"""What is foreseen, as a picture: a row for the partitions of each month, a column for each month to come. It is SVG.

It has no colour of paper and only middle tones, so that it can be read on white and on black. Each state has a form of its own as
well, for whoever sees no colours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from sluice.stores.objects import Vault
from sluice.upkeep.archive.foreseeing import Foresight
from sluice.upkeep.archive.simulating import Foreseen
from sluice.upkeep.partitions.spans import BEGIN, Span

CELL, GAP, LEFT, TOP = 15, 3, 78, 72
STEP = CELL + GAP
MOST_ROWS = 72
"""Months of partitions; where there are more, a row is a year."""
MOST_TABLES = 12
BOX = (
    '<rect width="15" height="15" rx="3" fill="{}" fill-opacity="{}"/>'
    '<path d="{}" stroke="#fff" stroke-width="1.4" fill="none"/>'
)
SHAPES: Mapping[str, str] = {
    "stays": BOX.format("#7d9cc0", ".45", ""),
    "held": BOX.format("#8e6bbf", "1", "M3 12 12 3M3 7 7 3M8 12 12 8"),
    "goes": BOX.format("#d9822b", "1", "M7.5 3v7M4.5 7.5l3 3.5 3-3.5"),
    "gone": '<circle cx="7.5" cy="7.5" r="1.2" fill="#8a94a0" fill-opacity=".5"/>',
}
"""What each state looks like."""
LEGEND: Mapping[str, str] = {"stays": "stays", "held": "is held", "goes": "goes", "gone": "is gone"}
RANK = ("goes", "held", "stays", "gone")
"""Where a row stands for several partitions, the first of these that one of them is in."""


def picture(foreseen: Sequence[Foresight]) -> str:
    """Draw tables one below the other; so many of them, and the rest is told."""
    parts, height = list[str](), 0
    width = LEFT + STEP * max((len(one.months) for one in foreseen), default=0) + 20
    for one in foreseen[:MOST_TABLES]:
        drawn, tall = _table(one)
        parts.append(f'<g transform="translate(0 {height})">{drawn}</g>')
        height += tall
    if more := len(foreseen) - MOST_TABLES:
        parts += [_text(10, height + 14, f"and {more} tables more")] if more > 0 else []
        height += 24 if more > 0 else 0
    title = escape("; ".join(one.title for one in foreseen[:MOST_TABLES]))
    shapes = "".join(f'<g id="{name}">{shape}</g>' for name, shape in SHAPES.items())
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{title}</title>",
        "<style>text { font: 10px ui-monospace, monospace; fill: #7a8694 } .name { font-size: 12px; font-weight: 600 }</style>",
        f"<defs>{shapes}</defs>",
        *parts,
        "</svg>\n",
    ))  # fmt: skip


def keep_picture(vault: Vault, foreseen: Sequence[Foresight], place: str) -> str:
    """Put the picture below `docs/`, where the console shows it; give its key. Named by content: safe to repeat."""
    body = picture(foreseen).encode()
    digest = hashlib.sha256(body).hexdigest()[:12]
    return vault.put_once(f"docs/{place}/{digest}/foreseen.svg", body, "image/svg+xml").key


def _table(one: Foresight) -> tuple[str, int]:
    rows = _rows(_fates(one.months))
    body = [_text(10, 18, one.title, "name"), *_legend(), *_heads(one.months)]
    for number, (label, states) in enumerate(rows):
        top = TOP + STEP * number
        body.append(_text(10, top + 11, label))
        for column, (month, state) in enumerate(zip(one.months, states, strict=True)):
            if state:
                said = f"<title>{label} in {month.month.lower:%Y-%m}: {LEGEND[state]}</title>"
                body.append(f'<use href="#{state}" x="{LEFT + STEP * column}" y="{top}">{said}</use>')
    foot = TOP + STEP * len(rows) + 11
    body.append(_text(10, foot, "stay"))
    body += [_text(LEFT + STEP * n + 7, foot, str(month.stays), middle=True) for n, month in enumerate(one.months)]
    return "\n".join(body), foot + 21


def _fates(months: Sequence[Foreseen]) -> dict[Span, list[str]]:
    """Say of each partition what it is in each month; nothing before it is made."""
    fates = dict[Span, list[str]]()
    for column, month in enumerate(months):
        held = {span for span, _ in month.held}
        for span in month.left:
            fates.setdefault(span, [""] * len(months))[column] = "held" if span in held else "stays"
        for span in month.goes:
            fates.setdefault(span, [""] * len(months))[column:] = ["goes", *["gone"] * (len(months) - column - 1)]
    return fates


def _rows(fates: Mapping[Span, list[str]]) -> list[tuple[str, list[str]]]:
    """Put the partitions of a month together, those of a year where that makes too many rows; the oldest first."""
    by_month = _grouped(fates, len("2024-01"))
    found = by_month if len(by_month) <= MOST_ROWS else _grouped(fates, len("2024"))
    return [(label, [_first(states) for states in zip(*together, strict=True)]) for label, together in found]


def _grouped(fates: Mapping[Span, list[str]], letters: int) -> list[tuple[str, list[list[str]]]]:
    grouped = groupby(sorted(fates), lambda span: _label(span)[:letters])
    return [(label, [fates[span] for span in spans]) for label, spans in grouped]


def _first(states: Sequence[str]) -> str:
    return next((state for state in RANK if state in states), "")


def _label(span: Span) -> str:
    return "ever" if span.lower == BEGIN else f"{span.lower:%Y-%m}"


def _legend() -> Iterator[str]:
    for number, (name, said) in enumerate(LEGEND.items()):
        yield f'<use href="#{name}" x="{LEFT + 92 * number}" y="26"/>{_text(LEFT + 92 * number + 20, 37, said)}'


def _heads(months: Sequence[Foreseen]) -> Iterator[str]:
    for number, month in enumerate(months):
        first = month.month.lower
        place = LEFT + STEP * number + 7
        yield _text(place, TOP - 5, f"{first:%m}", middle=True)
        if number == 0 or first.month == 1:
            yield _text(LEFT + STEP * number, TOP - 16, f"{first:%Y}")


def _text(x: int, y: int, said: str, named: str = "", middle: bool = False) -> str:
    how = (f' class="{named}"' if named else "") + (' text-anchor="middle"' if middle else "")
    return f'<text x="{x}" y="{y}"{how}>{escape(said)}</text>'
