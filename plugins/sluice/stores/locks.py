"""Locks of objects, as S3 has them: until when a version cannot be deleted, and who may lift that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Mode = Literal["GOVERNANCE", "COMPLIANCE"]
"""Who may lift a lock: whoever has the right to; nobody."""
AGAIN = timedelta(days=1)
"""A lock that ends so much sooner than one of now is that of the first try: it is let be."""


@dataclass(frozen=True)
class Lock:
    """For how long a version of an object cannot be deleted, and by whom not."""

    mode: Mode
    days: int

    def and_at_least(self, other: Lock | None) -> Lock:
        """Give a lock that is no weaker than either."""
        return Lock(stricter(self.mode, other.mode), max(self.days, other.days)) if other else self

    def __str__(self) -> str:
        return f"{self.days} days, {self.mode.lower()}"


@dataclass(frozen=True)
class Locked:
    """How one version is locked."""

    mode: Mode
    until: datetime

    def and_at_least(self, other: Locked | None) -> Locked:
        """Give what is no weaker than either: the other itself, if that is as good as this."""
        if other is None:
            return self
        if other.until >= self.until - AGAIN and stricter(self.mode, other.mode) == other.mode:
            return other
        return Locked(stricter(self.mode, other.mode), max(self.until, other.until))


def stricter(one: Mode, other: Mode) -> Mode:
    """Give the mode that fewer people may lift."""
    return "COMPLIANCE" if "COMPLIANCE" in (one, other) else "GOVERNANCE"


def default_of(configuration: dict[str, Any]) -> Lock | None:
    """Read what a bucket locks by itself out of S3's configuration; a year counts as a leap year."""
    default = configuration.get("Rule", {}).get("DefaultRetention")
    return Lock(default["Mode"], default.get("Days") or default["Years"] * 366) if default else None
