"""How a bucket is set: its versions, its locks, and the rules for what grows old in it. Mechanism only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sluice.stores.aws import code_of
from sluice.stores.locks import Lock
from sluice.stores.objects import Vault

Rule: TypeAlias = Mapping[str, Any]
"""A lifecycle rule as S3 has it."""


@dataclass(frozen=True)
class Settings:
    """How a bucket is set."""

    keeps_versions: bool
    knows_locks: bool
    default_lock: Lock | None
    """What it locks by itself."""
    rules: tuple[Rule, ...]
    least_size: str | None = None
    """From which size on objects move to another class: S3's own word, given back as it came."""


def read_settings(vault: Vault) -> Settings:
    """Ask S3. Raises VaultDown, AccessDenied, VaultRefused. Read only."""
    with vault.translated("read the settings of", ""):
        versions = vault.client.get_bucket_versioning(Bucket=vault.bucket).get("Status") == "Enabled"
        lifecycle = _lifecycle(vault)
    rules = tuple(lifecycle.get("Rules", ()))
    return Settings(versions, *vault.default_lock(), rules, lifecycle.get("TransitionDefaultMinimumObjectSize"))


def read_rules(vault: Vault) -> tuple[Rule, ...]:
    """Ask S3 for the rules alone. Raises VaultDown, AccessDenied, VaultRefused. Read only."""
    with vault.translated("read the lifecycle of", ""):
        return tuple(_lifecycle(vault).get("Rules", ()))


def keep_versions(vault: Vault) -> None:
    """Have every version kept from now on. Safe to repeat."""
    with vault.translated("keep versions in", ""):
        vault.client.put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})


def allow_locks(vault: Vault) -> None:
    """Let objects be locked, none by itself. It cannot be taken back. Of a bucket that has no locks yet."""
    with vault.translated("allow locks in", ""):
        vault.client.put_object_lock_configuration(
            Bucket=vault.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )


def set_rules(vault: Vault, rules: Sequence[Rule], least_size: str | None) -> None:
    """Put these rules in the place of all that there are: S3 knows no other way. Safe to repeat."""
    size = {"TransitionDefaultMinimumObjectSize": least_size} if least_size else {}
    with vault.translated("set the lifecycle of", ""):
        if not rules:
            vault.client.delete_bucket_lifecycle(Bucket=vault.bucket)
            return
        vault.client.put_bucket_lifecycle_configuration(
            Bucket=vault.bucket, LifecycleConfiguration={"Rules": [dict(rule) for rule in rules]}, **size
        )


def _lifecycle(vault: Vault) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = vault.client.get_bucket_lifecycle_configuration(Bucket=vault.bucket)
        return found
    except Exception as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            raise
        return {}
