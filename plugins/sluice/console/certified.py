"""A certificate as the lines of a page: what it says, in the order in which one asks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from sluice.safety.drill.certificate import Certificate
from sluice.safety.drill.trend import AVAILABLE, phases_of
from sluice.safety.replicas.certificate import FailoverCertificate
from sluice.safety.words import lasts

Rows: TypeAlias = Sequence[tuple[str, str | Sequence[str]]]
"""What is told, and the line or lines of it."""
Part: TypeAlias = tuple[str, Rows]


def drill_parts(one: Certificate) -> Iterator[Part]:
    """Give a drill's."""
    available = one.phases.get(AVAILABLE)
    lost = f"{lasts(one.lost[0])} to {lasts(one.lost[1])}" if one.lost else one.unmeasured or "not asked of this moment"
    yield (
        "What it says",
        (
            ("Brought back to", one.target),
            ("Available after", f"{_after(available)}; promised: {lasts(one.goals.back_within)}"),
            ("Writes lost", f"{lost}; promised: {lasts(one.goals.losing_at_most)}"),
            ("Compared", _compared(one)),
            ("Damaged", one.damaged),
        ),
    )
    whole = [(name, lasts(seconds)) for name, seconds in phases_of(one).items()]
    after = [(f"{name}, from the start on", lasts(at)) for name, at in one.phases.items() if at > (available or 0)]
    yield "How long each phase took", [*whole, *after]
    yield (
        "Of what",
        (
            ("Backups", one.backups),
            ("Last commit it has", one.reached or "none"),
            ("Position in the log", one.position or "none"),
            ("Held against", one.compared.census if one.compared else one.uncompared),
            ("Hash of all it holds", one.holds_sha256),
            ("KMS key", one.kms_key or "not asked"),
        ),
    )
    yield (
        "Beside it",
        (
            ("Indexes held against their rows", "yes" if one.looked_through else "no: the service has no amcheck"),
            ("Settings that differ", one.unlike),
            ("Encrypted by another key", one.wrongly_encrypted),
            ("Suites of yours", [line for each in one.checked for line in (*each.wrong, *each.warned)]),
            ("Came back and were not counted", one.uncounted),
            ("Put back by the drill", one.put_back),
            ("Not put back, not proven", one.left),
        ),
    )


def failover_parts(one: FailoverCertificate) -> Iterator[Part]:
    """Give a failover drill's."""
    told = (("Writes again after", f"{lasts(one.longest)} at most"), ("Promised", lasts(one.within)))
    yield "What it says", (*told, ("Brought back from", one.backups))
    for number, each in enumerate(one.rounds, 1):
        phases = [f"{name}: {lasts(float(seconds))}" for name, seconds in each["phases"].items()]
        how = "synchronous commit" if each["synchronous"] else "without synchronous commit"
        yield (
            f"Round {number}, {how}",
            (("Acknowledged", str(each["acknowledged"])), ("Lost of these", str(each["lost"])), ("After", phases)),
        )


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else lasts(seconds)


def _compared(one: Certificate) -> str:
    if one.compared is None:
        return f"nothing: {one.uncompared}"
    found = one.compared
    return f"{found.rows:,} rows of {found.tables} tables, {found.share:g} % of the copy; {len(found.differences)} differences"
