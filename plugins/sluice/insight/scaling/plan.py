"""A plan of scaling: steps that a person may agree to, and what is held back, each with its reason. Frozen, and printable.

It has a seal over its steps, without the numbers that they rest on: an answer counts for the plan with that seal, and no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sluice.errors import Terminal
from sluice.insight.scaling.disk import Settings
from sluice.insight.scaling.evaluating import RuleName, Way

Action: TypeAlias = Literal["extend_storage", "add_replica", "drop_replica", "change_class", "register_units"]


@dataclass(frozen=True)
class Kind:
    """What is to be known of an action before it is taken; how it is taken is `applying.py`'s, or `units.py`'s."""

    said: str
    restarts: bool = False
    """Whether the instance is restarted."""


KINDS: Mapping[Action, Kind] = {
    "extend_storage": Kind("extend the disk"),
    "add_replica": Kind("add a replica"),
    "drop_replica": Kind("take a replica away"),
    "change_class": Kind("change the class", restarts=True),
    "register_units": Kind("have the service scale the units"),
}


class NoPlan(Terminal):
    """What is kept as a plan is none."""


@dataclass(frozen=True)
class Step:
    """One change."""

    rule: RuleName
    way: Way
    action: Action
    subject: str
    """The instance, the replica or the table that changes."""
    before: str
    after: str
    why: str
    """The numbers that it rests on."""
    disturbs: str
    """What users notice."""
    costs: str
    """What it adds to the bill, or takes off it."""
    at_once: bool = True
    """Else RDS does it in the instance's own maintenance window."""
    settings: Settings = ()
    """What RDS is told besides, in the same request: what it asks for with a larger disk, and how far that grows by itself."""

    def __str__(self) -> str:
        when = "at once" if self.at_once else "in the instance's own maintenance window"
        return (
            f"{self.what}: {self.before} → {self.after}{self.besides}, {when}\n"
            f"    why: {self.why}\n    disturbs: {self.disturbs}\n    costs: {self.costs}"
        )

    @property
    def what(self) -> str:
        """Name it: `extend the disk of shop`. A plan has each once."""
        return f"{KINDS[self.action].said} of {self.subject}"

    @property
    def besides(self) -> str:
        """Write what RDS is told besides: `, with Iops 12000`; nothing where there is nothing."""
        return f", with {', '.join(f'{name} {value}' for name, value in self.settings)}" if self.settings else ""

    @property
    def sealed(self) -> tuple[str, ...]:
        """What an answer is about: not the numbers, which change every minute."""
        return (self.rule, self.way, self.action, self.subject, self.before, self.after, str(self.at_once),
                *(f"{name} {value}" for name, value in self.settings))  # fmt: skip


@dataclass(frozen=True)
class Held:
    """Something that a rule asks for and that is not proposed, and why; or a rule that nobody could judge."""

    rule: RuleName
    why: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.why}"


@dataclass(frozen=True)
class Line:
    """One line for a report."""

    store: str
    what: str
    why: str
    held: bool


@dataclass(frozen=True)
class Plan:
    """What is proposed for a store."""

    store: str
    steps: tuple[Step, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def seal(self) -> str:
        """Name just these steps of this store."""
        told = json.dumps([self.store, *(step.sealed for step in self.steps)], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()

    def __str__(self) -> str:
        told = [f"  {number}. {step}" for number, step in enumerate(self.steps, 1)]
        told += [f"  held: {one}" for one in self.held]
        return "\n".join([f"{self.store}: {len(self.steps) or 'nothing'} to be scaled", *told])

    def told(self) -> dict[str, Any]:
        """Give it as plain data, to be kept."""
        return {"seal": self.seal, **asdict(self)}


def replicas(number: int) -> str:
    """Write so many replicas."""
    return f"{number} replica{'s' if number != 1 else ''}"


def read_plan(told: Mapping[str, Any]) -> Plan:
    """Make a plan of what was kept. Raises NoPlan where it is none, or not as it was sealed."""
    try:
        plan = Plan(
            told["store"],
            tuple(_read_step(step) for step in told["steps"]),
            tuple(Held(**held) for held in told["held"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NoPlan(f"What is kept as a plan cannot be read ({error}). Nothing was done. Run it again.") from error
    if plan.seal != told.get("seal"):
        raise NoPlan(f"{plan.store}: the plan that is kept is not as it was sealed. Nothing was done. Run it again.")
    return plan


def _read_step(told: Mapping[str, Any]) -> Step:
    if told["action"] not in KINDS:
        raise ValueError(f"{told['action']} is no action")
    return Step(**{**told, "settings": tuple((name, value) for name, value in told.get("settings", ()))})


def proposals(plan: Plan) -> tuple[Line, ...]:
    """Give a plan's lines for a report: what is proposed, then what is held back."""
    steps = (
        Line(
            plan.store,
            f"{step.what}: {step.before} → {step.after}{step.besides}",
            step.why,
            False,
        )
        for step in plan.steps
    )
    return (*steps, *(Line(plan.store, held.rule, held.why, True) for held in plan.held))


def kept_proposals(kept: Mapping[str, tuple[datetime, Mapping[str, Any]]], since: datetime) -> tuple[Line, ...]:
    """Give the lines of the last plan of each store, of those made since a moment. Raises NoPlan."""
    return tuple(line for at, told in kept.values() if at >= since for line in proposals(read_plan(told)))
