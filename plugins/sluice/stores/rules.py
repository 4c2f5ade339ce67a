"""Lifecycle rules of a bucket, whosever: which objects they reach, and after how many days they take them away. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice.stores.bucket import Rule


@dataclass(frozen=True)
class Kept:
    """How long what lies in a folder is to stay there, as somebody's file says; `days` None is for good."""

    folder: str
    days: int | None

    def is_ended_early_by(self, rule: Rule) -> bool:
        """Whether a rule would take some of it away before."""
        return reaches(rule, self.folder) and self._outlasts(expires_after(rule))

    def is_forgotten_early_by(self, rule: Rule) -> bool:
        """Whether a rule would take away before what somebody's DELETE has hidden, and could be had back until then."""
        return reaches(rule, self.folder) and self._outlasts(forgets_after(rule))

    def _outlasts(self, days: int | None) -> bool:
        return days is not None and (self.days is None or days < self.days)

    def __str__(self) -> str:
        return f"{self.folder} stays {'for good' if self.days is None else f'{self.days} days'}"


def ended_early(rules: Sequence[Rule], kept: Sequence[Kept]) -> Iterator[str]:
    """Name each rule that takes something away before its file says so."""
    for rule in rules:
        for one in kept:
            if one.is_ended_early_by(rule):
                yield f"{told(rule)}, and {one}"


def forgotten_early(rules: Sequence[Rule], kept: Sequence[Kept]) -> Iterator[str]:
    """Name each rule that takes away what a DELETE has hidden, before its file lets it go."""
    for rule in rules:
        for one in kept:
            if one.is_forgotten_early_by(rule):
                yield f"{told_of_hidden(rule)}, and {one}"


def put_to_sleep(rules: Sequence[Rule], folder: str) -> Iterator[str]:
    """Name each rule that moves what lies in a folder to where it has to be woken first: nothing can be brought back at once."""
    for rule in rules:
        classes = {one.get("StorageClass") for one in rule.get("Transitions", ())}
        if reaches(rule, folder) and classes & {"GLACIER", "DEEP_ARCHIVE"}:
            yield told(rule)


def in_the_new_form(rule: Rule) -> Rule:
    """Give a rule with its prefix in a filter, where it stood in older times: S3 takes no mixture, and it means the same."""
    if "Prefix" not in rule:
        return rule
    return {**{key: value for key, value in rule.items() if key != "Prefix"}, "Filter": {"Prefix": rule["Prefix"]}}


def prefix_of(rule: Rule) -> str:
    """Give what the keys that a rule reaches begin with: nothing, where it reaches all."""
    found = in_the_new_form(rule).get("Filter") or {}
    return str(found.get("Prefix") or found.get("And", {}).get("Prefix") or "")


def reaches(rule: Rule, folder: str) -> bool:
    """Whether a rule reaches something below a folder. One for tags reaches nothing of ours: our objects have none."""
    found = in_the_new_form(rule).get("Filter") or {}
    tags = found.get("Tag") or found.get("And", {}).get("Tags")
    prefix = prefix_of(rule)
    return rule.get("Status") == "Enabled" and not tags and (prefix.startswith(folder) or folder.startswith(prefix))


def expires_after(rule: Rule) -> int | None:
    """Give the days after which a rule takes objects away; 0 for one that does so on a date, None for one that does not."""
    ends = rule.get("Expiration") or {}
    if "Date" in ends:
        return 0
    return int(ends["Days"]) if "Days" in ends else None


def forgets_after(rule: Rule) -> int | None:
    """Give the days after which a rule takes away what a DELETE without a version has hidden, None for one that does not.

    One that leaves newer versions alone does not reach what is archived: that is stored once, and is its own newest.
    """
    ends = rule.get("NoncurrentVersionExpiration") or {}
    return int(ends["NoncurrentDays"]) if "NoncurrentDays" in ends and not ends.get("NewerNoncurrentVersions") else None


def told(rule: Rule) -> str:
    """Name a rule and say what it does, for a person."""
    return f"{_named(rule)}: {what_of(rule)}"


def told_of_hidden(rule: Rule) -> str:
    """Name a rule and say what it does to what was hidden, for a person."""
    where = f" below {prefix_of(rule)}" if prefix_of(rule) else ""
    return f"{_named(rule)}: everything{where} that a DELETE hides is gone after {forgets_after(rule)} days"


def what_of(rule: Rule) -> str:
    """Say what a rule does, for a person."""
    what, days = prefix_of(rule) or "everything", expires_after(rule)
    if days is not None:
        return f"{what} expires after {days} days" if days else f"{what} expires on a date"
    moves = ", ".join(f"{one['StorageClass']} after {one.get('Days', 0)} days" for one in rule.get("Transitions", ()))
    return f"{what} moves to {moves}" if moves else f"{what}: something else"


def _named(rule: Rule) -> str:
    return f"rule {rule.get('ID') or 'without a name'}"
