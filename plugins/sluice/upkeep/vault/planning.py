"""What is to be done to a bucket so that it is as the estate's file says: planned without a question to S3. Pure.

Nothing is ever made weaker. Versions and locks are switched on and never off; what others lock and what rules they made stays.
A rule of ours that would take objects away sooner than somebody else's, or than a table's own file allows, is refused and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sluice.estate.models import Lifecycle, Vault
from sluice.stores.bucket import Rule, Settings
from sluice.stores.rules import Kept, expires_after, in_the_new_form, reaches, told, what_of
from sluice.upkeep.vault.rules import EXPIRE, is_ours, name_of, rule_of


@dataclass(frozen=True)
class KeepVersions:
    """Every version is kept from now on."""

    def __str__(self) -> str:
        return "keep every version of what is stored"


@dataclass(frozen=True)
class AllowLocks:
    """The bucket may lock."""

    def __str__(self) -> str:
        return "let objects be locked: this bucket can never be without locks and versions again"


@dataclass(frozen=True)
class SetRules:
    """All rules that shall be there: S3 takes them together."""

    rules: tuple[Rule, ...]
    changes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.changes)


Action: TypeAlias = KeepVersions | AllowLocks | SetRules


@dataclass(frozen=True)
class Plan:
    """What is to be done, in order, and what of the file is not done, with the reason."""

    actions: tuple[Action, ...]
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(
            [*map(str, self.actions), *(f"refused: {one}" for one in self.refused)] or ["all is as the file says"]
        )


def plan(there: Settings, wanted: Vault, kept: Sequence[Kept]) -> Plan:
    """Compare how a bucket is set with what the estate's file wants."""
    actions = list[Action]()
    if wanted.versioning and not there.keeps_versions:
        actions.append(KeepVersions())
    if wanted.lock and not there.knows_locks:
        actions.append(AllowLocks())
    refused = {name_of(line): why for line in wanted.lifecycle if (why := _why_not(line, there.rules, kept))}
    rules = _rules(there.rules, wanted.lifecycle, refused, kept)
    if changes := tuple(_changes(there.rules, rules)):
        actions.append(SetRules(rules, changes))
    return Plan(tuple(actions), tuple(refused.values()))


def _why_not(line: Lifecycle, rules: Sequence[Rule], kept: Sequence[Kept]) -> str | None:
    if line.then != EXPIRE:
        return None
    rule = rule_of(line)
    what = f"{line.prefix} expires after {line.after}"
    if early := [str(one) for one in kept if one.is_ended_early_by(rule)]:
        return f"{what}: {early[0]}, as its table's file says (`in_vault`). Take the rule away, or mend that file"
    for other in rules:
        days = expires_after(other)
        if not is_ours(other) and days is not None and days > line.after.days and reaches(other, line.prefix):
            return f"{what}: it would be sooner than {told(other)}. Say {days} days or more, or take that rule away"
    return None


def _rules(
    there: Sequence[Rule], lines: Sequence[Lifecycle], refused: dict[str, str], kept: Sequence[Kept]
) -> tuple[Rule, ...]:
    """Others' rules, then ours as the file has them.

    Of one that is refused, what is there stays; unless it takes months away too soon itself, since a table's file was changed.
    """
    mine = [rule for rule in there if is_ours(rule)]
    before = {rule.get("ID"): rule for rule in mine if not any(one.is_ended_early_by(rule) for one in kept)}
    ours = [before.get(name_of(line)) if name_of(line) in refused else rule_of(line) for line in lines]
    return (*(in_the_new_form(rule) for rule in there if not is_ours(rule)), *(rule for rule in ours if rule))


def _changes(there: Sequence[Rule], becomes: Sequence[Rule]) -> Iterator[str]:
    before, after = ({rule["ID"]: rule for rule in rules if is_ours(rule)} for rules in (there, becomes))
    for name, rule in after.items():
        if name not in before:
            yield f"new {told(rule)}"
        elif before[name] != rule:
            yield f"change {told(before[name])}: {what_of(rule)}"
    yield from (f"take away {told(rule)}" for name, rule in before.items() if name not in after)
