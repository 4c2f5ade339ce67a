"""Certificates of drills as they would be in the vault, for tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.safety.drill.certificate import Certificate, Compared, Goals

GOALS = Goals(back_within=300, losing_at_most=30)
FIRST = datetime(2026, 1, 1, 4, tzinfo=UTC)
FULL = "20260101T020000000Z-full"
WHOLE = Compared("backups/stores/shop/census/x.json.zst", 3, 100, ())


def certificate(day: float, available: float, **changed: Any) -> Certificate:
    """Give the drill of a day, which was available after so many seconds: two thirds of these were for fetching."""
    at = FIRST + timedelta(days=day)
    phases = {
        "fetched": available * 2 / 3,
        "available": available,
        "first query": available + 1,
        "verified": available * 3,
    }
    told: dict[str, Any] = {
        "store": "shop", "name": f"sluice-scratch-shop-{at:%Y%m%dt%H%M%S}z-abcdef", "target": "the latest moment",
        "asked_at": at.isoformat(), "backups": (FULL,), "reached": at.isoformat(), "position": None, "phases": phases,
        "goals": GOALS, "lost": (2.0, 12.0), "holds_sha256": "0", "compared": WHOLE, "damaged": (),
    }  # fmt: skip
    return Certificate(**{**told, **changed})
