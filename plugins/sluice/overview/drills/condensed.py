"""Certificates in few words: all that their exposure and their trend go by, so that a look reads each from the vault once. Pure.

A certificate never changes, so what was read of it stays true. What is left out is what an auditor wants of a single one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from sluice.safety.drill.certificate import NEVER, Certificate, Compared, Goals
from sluice.safety.drill.trend import failures_of, is_whole
from sluice.safety.replicas.certificate import FailoverCertificate

MOST_TOLD = 3
"""So many lines of what was wrong with one are kept: the others are in the certificate itself."""


def condensed(one: Certificate) -> dict[str, Any]:
    """Write a drill's certificate in few words."""
    found = [line for line in failures_of(one) if line != NEVER]  # which the phases say by themselves
    return {
        "name": one.name,
        "target": one.target,
        "asked_at": one.asked_at,
        "backups": list(one.backups),
        "reached": one.reached,
        "phases": dict(one.phases),
        "goals": [_finite(one.goals.back_within), _finite(one.goals.losing_at_most)],
        "lost": list(one.lost) if one.lost else None,
        "wrong": [line[:300] for line in found[:MOST_TOLD]],
        "unmeasured": one.unmeasured,
    }


def restored(store: str, told: Mapping[str, Any]) -> Certificate:
    """Give the certificate again: it is as whole, as late and as wrong as the one that was condensed."""
    back, losing = (inf if one is None else one for one in told["goals"])
    return Certificate(
        store=store,
        name=told["name"],
        target=told["target"],
        asked_at=told["asked_at"],
        backups=tuple(told["backups"]),
        reached=told["reached"],
        position=None,
        phases=told["phases"],
        goals=Goals(back, losing),
        lost=tuple(told["lost"]) if told["lost"] else None,
        holds_sha256="",
        compared=Compared("", 1, 1, tuple(told["wrong"])),
        damaged=(),
        unmeasured=told["unmeasured"],
    )


def condensed_failover(one: FailoverCertificate) -> dict[str, Any]:
    """Write a failover drill's certificate in few words."""
    return {
        "name": one.name,
        "asked_at": one.asked_at,
        "within": one.within,
        "longest": one.longest,
        "rounds": len(one.rounds),
        "lost": sum(each["lost"] for each in one.rounds),
        "wrong": [line[:300] for line in one.wrong[:MOST_TOLD]],
    }


def that_matter(found: Sequence[Certificate]) -> list[Certificate]:
    """Keep those by which an exposure goes, in their order: it says the same of these as of all of them."""
    drills = [one for one in found if not one.is_full_recovery]
    kept = {id(one) for one in _newest(drills, lambda one: not one.wrong)}
    kept |= {id(one) for one in _newest(drills, is_whole)}
    passed = max((one.asked_at for one in drills if not one.wrong), default="")
    kept |= {id(one) for one in drills if one.wrong and one.asked_at > passed}
    kept |= {id(one) for one in {one.target.split(" ")[0]: one for one in found if one.is_full_recovery}.values()}
    return [one for one in found if id(one) in kept]


def _newest(found: Sequence[Certificate], good: Any) -> Iterator[Certificate]:
    yield from [one for one in found if good(one)][-1:]


def _finite(seconds: float) -> float | None:
    """JSON has no infinity."""
    return None if seconds == inf else seconds
