"""Spans of time in the words that people read in a hurry."""

from __future__ import annotations


def lasts(seconds: float) -> str:
    """Write a span as people say it: 0.4 s, 38 s, 4 min, 1 h 20 min, 3 d 4 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
