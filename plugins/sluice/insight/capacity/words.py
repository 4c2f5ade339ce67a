"""Numbers and days in the words of a report: 412 GB, 72 %, 12 March. One place, so that a page and its text never differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

STEPS = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
ENDINGS = {"percent": " %", "rate": " /s", "count": "", "days": " days", "seconds": " s"}
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip


def amount(value: float | None, unit: str) -> str:
    """Write a number of a unit with three digits; a dash where there is none."""
    if value is None:
        return "–"
    return in_bytes(value) if unit == "bytes" else f"{_digits(value)}{ENDINGS.get(unit, ' ' + unit)}"


def change(value: float | None, unit: str) -> str:
    """Write by how much something has changed, with its sign."""
    if value is None:
        return "–"
    told = amount(abs(value), unit)
    return told if told == amount(0, unit) else f"{'+' if value > 0 else '−'}{told}"


def in_bytes(value: float) -> str:
    """Write bytes in the units of disks: a thousand make the next."""
    sign, size = "−" if value < 0 else "", abs(value)
    for step, name in STEPS:
        if size >= step * 0.9995:
            return f"{sign}{_digits(size / step)} {name}"
    return f"{sign}{size:.0f} B"


def day(value: date | None, beside: date) -> str:
    """Write a day, with its year where that is not the year `beside` it; a dash where there is none."""
    if value is None:
        return "–"
    year = f" {value.year}" if value.year != beside.year else ""
    return f"{value.day} {MONTHS[value.month - 1]}{year}"


def dated(value: date) -> str:
    """Write a day with its year."""
    return day(value, date.min)


def money(bounds: tuple[float, float], currency: str) -> str:
    """Write a sum from low to high: below ten with cents."""
    low, high = (f"{one:,.0f}" if abs(one) >= 10 or not one else f"{one:,.2f}" for one in bounds)
    return f"{currency}{low}" if low == high else f"{currency}{low} to {high}"


def reach(bounds: tuple[float, float]) -> str:
    """Write percent from low to high."""
    return " to ".join(dict.fromkeys(f"{one:.0f}" for one in bounds)) + " %"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Write names one after the other, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def many(count: int, one: str, more: str = "") -> str:
    """Write how many there are of something."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    told = f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
    return told.rstrip("0").rstrip(".") if "." in told else told
