"""What is kept of a store and why, for a person: one line a backup, oldest first. Read only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.safety.keeping.expiring import ClockWrong, Holding, Keeping, plan_expiry
from sluice.safety.keeping.looking import K, Sort, look_at
from sluice.safety.keeping.notes import read_note
from sluice.safety.keeping.services import AtService
from sluice.safety.keeping.tiers import Tier, assign, chain
from sluice.stores.objects import Vault


@dataclass(frozen=True)
class Line:
    """One backup that is kept."""

    id: str
    whole_at: datetime
    after: str | None
    """What it is an increment of."""
    bytes: int
    """As it is stored."""
    tiers: tuple[str, ...]
    why: str
    """Why it stays, or that it goes."""
    expires_at: datetime
    """When nothing holds it any more, but that a newer one must have been verified by then."""
    verified_at: datetime | None
    locked_until: datetime | None
    elsewhere: tuple[str, ...]
    """The buckets that have a copy of it, which was verified."""


def describe(
    sort: Sort[K], vault: Vault, store: str, keeping: Keeping, now: datetime, elsewhere: Sequence[Vault] = ()
) -> list[Line]:
    """Tell what is kept of one sort of backups. Raises VaultDown, AccessDenied."""
    seen = look_at(sort, vault, store, locks=True)
    others = {other.bucket: look_at(sort, other, store) for other in elsewhere}
    held = seen.holding
    tiers = assign([one for one in held.backups.values() if held.is_sound(one.id)], keeping.tiers)
    whys, until = _whys(held, keeping, now), expires(held, keeping, tiers)
    lines = []
    for name, backup in seen.backups.items():
        note = read_note(vault, backup) if name in held.verified else None
        made = Line(
            id=name,
            whole_at=held.backups[name].whole_at,
            after=held.backups[name].after,
            bytes=backup.stored,
            tiers=tuple(tier.name for tier in tiers.get(name, ())),
            why=whys[name],
            expires_at=until[name],
            verified_at=datetime.fromisoformat(note.at) if note else None,
            locked_until=held.locked.get(name),
            elsewhere=tuple(bucket for bucket, other in others.items() if name in other.holding.verified),
        )
        lines.append(made)
    return sorted(lines, key=lambda line: (line.whole_at, line.id))


def describe_at(seen: AtService, keeping: Keeping, now: datetime) -> list[Line]:
    """Tell what a service keeps of a store, of what Sluice had it take. Pure."""
    held = seen.holding
    tiers = assign(held.backups.values(), keeping.tiers)
    whys, until = _whys(held, keeping, now), expires(held, keeping, tiers)
    lines = [
        Line(
            id=name,
            whole_at=one.whole_at,
            after=None,
            bytes=seen.bytes[name],
            tiers=tuple(tier.name for tier in tiers.get(name, ())),
            why=whys[name],
            expires_at=until[name],
            verified_at=None,
            locked_until=None,
            elsewhere=(),
        )
        for name, one in held.backups.items()
    ]
    return sorted(lines, key=lambda line: (line.whole_at, line.id))


def expires(held: Holding, keeping: Keeping, tiers: Mapping[str, Sequence[Tier]]) -> Mapping[str, datetime]:
    """Tell when each backup's time is over, by its tiers and the window, and of all that rest on it. Pure."""
    found: dict[str, datetime] = {}
    for name, one in held.backups.items():
        ends = max([one.whole_at + keeping.window, *(one.whole_at + tier.keep for tier in tiers.get(name, ()))])
        for link in chain(held.backups, name) or [name]:
            found[link] = max(found.get(link, ends), ends)
    return found


def _whys(held: Holding, keeping: Keeping, now: datetime) -> Mapping[str, str]:
    try:
        plan = plan_expiry(held, keeping, now)
    except ClockWrong as error:
        return dict.fromkeys(held.backups, f"nothing goes: {error}")
    return {**plan.keep, **{name: f"goes: {why}" for name, why in plan.drop.items()}}
