"""Our own lifecycle rules: how the estate's file says them, and S3. Pure."""

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
