"""How what is over goes: planned, done, looked at again, and told to the gate over what is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal

if TYPE_CHECKING:
    from sluice.safety.driver import Driver, Tell
    from sluice.safety.keeping.expiring import Keeping
    from sluice.safety.keeping.looking import K, Sort
    from sluice.safety.keeping.services import Service
    from sluice.stores.objects import Vault

NONE_ELSEWHERE = {"elsewhere_lacking": 0, "elsewhere_wrong": 0}
"""What a gate is told of a store that has no second copy."""


def read_the_unread(sort: Sort[K], driver: Driver, vault: Vault, tell: Tell) -> None:
    """Read back what nobody has read back: by it others would go, and it would stand for no week and no month.

    Each is noted at once: whoever is killed at it goes on where that was. Raises VaultDown, AccessDenied, and whatever passes.
    """
    from sluice.safety.keeping.looking import look_at, unread

    for name in unread(look_at(sort, vault, driver.store)):
        try:
            driver.verify(name, tell)
        except Terminal as why:  # then it counts for nothing
            tell(f"{driver.store}: {name} cannot be read back: {why}")


def let_go(
    sort: Sort[K], vault: Vault, store: str, keeping: Keeping, now: datetime, agreed: bool, tell: Tell
) -> dict[str, Any]:
    """Let go what is over in one bucket, sweep halves, and give what a gate judges of it.

    Raises MustAsk, BeingRead, Changed, NotGone, ClockWrong, VaultDown, AccessDenied.
    """
    from sluice.safety.keeping.dropping import apply_expiry, verify_expiry
    from sluice.safety.keeping.encrypting import lacking_encryption, wrongly_encrypted
    from sluice.safety.keeping.expiring import plan_expiry
    from sluice.safety.keeping.looking import look_at
    from sluice.safety.keeping.staying import wrong_rules
    from sluice.safety.keeping.sweeping import sweep

    seen = look_at(sort, vault, store, locks=True)
    planned = plan_expiry(seen.holding, keeping, now)
    if sort.plan_log:
        planned = replace(planned, log=tuple(sort.plan_log(vault, seen, planned)))
    tell(f"s3://{vault.bucket}:\n{planned}")
    done = apply_expiry(vault, store, planned, now, tell, agreed, sort.note_gap)
    newest = [name for name in seen.backups if seen.holding.is_sound(name)][-1:]
    keyed = [*lacking_encryption(vault), *wrongly_encrypted(vault, seen, newest)] if vault.kms_key else []
    return {
        **verify_expiry(vault, store, planned, done),
        "halves_swept": len((swept := sweep(vault, store, now, tell)).gone),
        **_counted("hidden", swept.hidden),
        **_counted("lost", seen.lost),
        **_counted("rules_wrong", wrong_rules(vault, store, keeping)),
        **_counted("wrongly_encrypted", keyed),
    }


def let_go_elsewhere(
    vault: Vault, there: Vault, store: str, keeping: Keeping, now: datetime, agreed: bool, tell: Tell
) -> dict[str, Any]:
    """Let go what is over there, by its own rule, and give what a gate judges: what stands, what lacks. Raises as `let_go`."""
    from sluice.safety.keeping.elsewhere import keeping_elsewhere, lacking_copies
    from sluice.safety.keeping.looking import SERVERS, look

    facts = let_go(SERVERS, there, store, keeping_elsewhere(keeping), now, agreed, tell)
    seen = look(there, store)
    ages = [(now - one.whole_at).total_seconds() for one in seen.holding.backups.values()]
    told = (facts[f"{name}_told"] for name in ("lost", "hidden", "rules_wrong", "wrongly_encrypted"))
    return {
        "elsewhere_kept": facts["kept"],
        "elsewhere_gone": facts["gone"],
        **({"elsewhere_age_seconds": min(ages)} if ages else {}),
        **_counted("elsewhere_lacking", lacking_copies(look(vault, store), seen, keeping, now)),
        **_counted("elsewhere_wrong", filter(None, told)),
    }


def let_go_at(
    service: Service, store: str, keeping: Keeping, now: datetime, agreed: bool, tell: Tell
) -> dict[str, Any]:
    """Let go what is over at a service, and give what a gate judges: what is asked of a bucket is nothing here.

    Raises MustAsk, Changed, NotGone, ClockWrong, and what the service raises.
    """
    from sluice.safety.keeping.services import let_go as let_go_there

    of_a_bucket = {"hidden": 0, "rules_wrong": 0, "wrongly_encrypted": 0}
    return {**let_go_there(service, store, keeping, now, agreed, tell), **of_a_bucket, **NONE_ELSEWHERE}


def _counted(name: str, found: Iterable[str]) -> dict[str, Any]:
    listed = list(found)
    return {name: len(listed), f"{name}_told": "; ".join(listed)}
