"""The full recovery of each month: the oldest backup that is kept, and the oldest copy elsewhere, are brought back as well.

What lies for years is read by nobody; a drill of the latest moment touches the newest backups alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sluice.safety.backup import Backup
from sluice.safety.drill.certificate import Certificate
from sluice.safety.drill.trend import is_whole
from sluice.safety.keeping.looking import Seen
from sluice.safety.keeping.tiers import begins, chain


def is_due(certificates: Sequence[Certificate], kind: str, now: datetime) -> bool:
    """Whether none of this month, of UTC, came back whole: it is done again the next day then. One that was late counts. Pure."""
    month = begins(now, "month")
    alike = (one for one in certificates if one.target.startswith(f"{kind} "))
    return not any(is_whole(one) and datetime.fromisoformat(one.asked_at) >= month for one in alike)


def oldest(seen: Seen, counted: Sequence[datetime]) -> Backup | None:
    """Give the oldest backup of which counts of the living store say what it must hold; None where there is none yet. Pure.

    One that has lost something, or was seen damaged, is none, nor is what rests on it: `backups_kept` is red for it.
    """
    harmed = {one.split(":")[0] for one in seen.lost}
    for one in sorted(seen.backups.values(), key=lambda one: (one.ended, one.id)):
        links = chain(seen.holding.backups, one.id)
        if links and harmed.isdisjoint(links) and counted and counted[0] <= one.began and one.ended < counted[-1]:
            return one
    return None
