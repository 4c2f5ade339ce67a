"""Backups that a service keeps for us: planned as any others, and deleted by its own call.

Nobody can read a byte of them: that one is whole is the service's word. So it counts as verified by that word alone, and the
newest that a drill has brought back whole stays besides, whatever its age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sluice.failpoints import failpoint
from sluice.safety.driver import Tell
from sluice.safety.keeping.dropping import SHOWN, Changed, Done, Facts, NotGone, check_agreed
from sluice.safety.keeping.expiring import Holding, Keeping, plan_expiry


@dataclass(frozen=True)
class AtService:
    """What a service keeps of a store that Sluice has had it take. All of it is whole, by its word."""

    holding: Holding
    bytes: Mapping[str, int]
    """Of each, by its word."""
    halves: Sequence[str] = ()
    """What was never whole, and is older than a day."""
    lost: Sequence[str] = ()
    """What the service cannot bring back any more, each with its reason."""


class Service(Protocol):
    """What keeps backups, and deletes them."""

    def look(self, now: datetime) -> AtService:
        """Tell what there is, of those that Sluice has had it take. Read only."""

    def remove(self, backup: str) -> str | None:
        """Have one deleted, wherever it lies; gives why it stays, where it does. Safe to repeat, and to kill."""


def let_go(service: Service, store: str, keeping: Keeping, now: datetime, agreed: bool, tell: Tell) -> Facts:
    """Let go what is over, and give what a gate judges of it. Safe to repeat, and to kill.

    Raises MustAsk, Changed, NotGone, ClockWrong, and what the service raises.
    """
    seen = service.look(now)
    planned = plan_expiry(seen.holding, keeping, now)
    tell(f"{store}:\n{planned}")
    check_agreed(store, planned, agreed)
    done, swept = Done(), 0
    for backup, why in planned.drop.items():
        if stays := service.remove(backup):
            done.stayed.append(f"{backup}: {stays}")
            tell(f"{store}: {backup} stays: {stays}")
            continue
        failpoint("expiry.service_backup_gone")
        done.gone.append(backup)
        tell(f"{store}: {backup} is gone: {why}")
    for half in seen.halves:
        if stays := service.remove(half):
            tell(f"{store}: {half}, which never was whole, stays: {stays}")
            continue
        swept += 1
        tell(f"{store}: {half} never was whole: it is gone")
    left = service.look(now).holding.backups
    if gone := [backup for backup in planned.keep if backup not in left]:
        raise Changed(
            f"{store}: {', '.join(gone[:SHOWN])} was to stay, and is not there. See who deletes at the service, and plan anew."
        )
    if there := [backup for backup in done.gone if backup in left]:
        raise NotGone(f"{store}: {', '.join(there[:SHOWN])} should be gone. It is tried again by itself.")
    return {
        "kept": len(planned.keep),
        "gone": len(done.gone),
        "stayed": len(done.stayed),
        "stayed_told": "; ".join(done.stayed[:SHOWN]),
        "halves_swept": swept,
        "lost": len(seen.lost),
        "lost_told": "; ".join(seen.lost),
    }
