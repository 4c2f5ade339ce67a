"""Whether somebody looks at what only stores and the vault know: else a page shows how things were, and not how they are."""

from __future__ import annotations

from datetime import datetime, timedelta

REFRESHES = "refresh_overview"
"""The DAG that looks, and notes by its name that it has looked."""
OFTEN = timedelta(minutes=15)
"""It looks at everything every five minutes: after so long it does not, or what it asks does not answer."""


def is_old(looked: datetime | None, now: datetime) -> bool:
    """Whether nobody has seen a thing of late."""
    return looked is None or now - looked > OFTEN
