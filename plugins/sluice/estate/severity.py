"""How urgent something is, and how soon somebody must be at it: one scale for rules, incidents and alerts of every room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["P1", "P2", "P3", "P4"]
SEVERITIES: tuple[Severity, ...] = ("P1", "P2", "P3", "P4")
"""The most urgent first. Ruling 20."""
RESPONSE: Mapping[Severity, str] = {
    "P1": "at once",
    "P2": "within 15 minutes",
    "P3": "within an hour",
    "P4": "with the next report",
}


def is_as_urgent(severity: Severity, floor: Severity) -> bool:
    """Tell whether something is at least as urgent as `floor`."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(floor)


def most_urgent(severities: Iterable[Severity]) -> Severity:
    """Give the most urgent of some; the least urgent there is where there are none."""
    return min(severities, key=SEVERITIES.index, default="P4")
