"""Lifecycle rules, ours and other people's: which objects they reach, and after how many days they take them away. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.estate.models import Lifecycle
from sluice.stores.bucket import Rule

OURS = "sluice:"
"""How the names of our rules begin. All others are somebody else's, and stay to the letter."""
EXPIRE = "expire"
OLDER_VERSIONS_STAY = 1
"""Days for which a version that has expired can still be had: S3 knows no fewer."""


def is_ours(rule: Rule) -> bool:
    """Whether a rule was made here."""
    return str(rule.get("ID", "")).startswith(OURS)


def name_of(wanted: Lifecycle) -> str:
    """Name the rule of a line of the file."""
    return f"{OURS}{wanted.prefix} {wanted.then}"


def rule_of(wanted: Lifecycle) -> Rule:
    """Write a line of the file as S3 has it."""
    days = wanted.after.days
    does: Mapping[str, Any] = (
        {"Expiration": {"Days": days}, "NoncurrentVersionExpiration": {"NoncurrentDays": OLDER_VERSIONS_STAY}}
        if wanted.then == EXPIRE
        else {"Transitions": [{"Days": days, "StorageClass": wanted.then}]}
    )
    return {"ID": name_of(wanted), "Filter": {"Prefix": wanted.prefix}, "Status": "Enabled", **does}


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
