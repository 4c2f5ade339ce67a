"""Where a store's copies may lie: within its region group, unless the estate says otherwise.

A group is a list of regions, not the beginning of their names: eu-west-2 is London and eu-central-2 is Zurich, and neither is in
the European Union. Where a bucket lies is asked of S3; what somebody has written down may be of another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sluice.errors import Terminal
from sluice.stores.objects import Vault

GROUPS: Mapping[str, frozenset[str] | None] = {
    "us": frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"}),
    "eu": frozenset({"eu-west-1", "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2"}),
    "apac": frozenset({
        "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
        "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "ap-east-1", "ap-east-2",
    }),
    "global": None,
}  # fmt: skip
"""The regions of each group. `global` is bound to none."""


class OutsideResidency(Terminal):
    """A bucket lies where this store's data may not be."""


def may_hold(group: str, region: str, allowed: Collection[str] = ()) -> bool:
    """Whether a bucket in `region` may hold data of a store of that group; `allowed`: regions that the estate adds. Pure.

    Raises OutsideResidency for a group that nobody knows.
    """
    if group not in GROUPS:
        raise OutsideResidency(f"{group!r} is no region group: write one of {', '.join(GROUPS)}.")
    regions = GROUPS[group]
    return regions is None or region in regions or region in allowed


def region_of(vault: Vault) -> str:
    """Ask S3 in which region a bucket lies. Raises VaultDown, AccessDenied, VaultRefused. Read only."""
    with vault.translated("ask for the region of", ""):
        said = vault.client.get_bucket_location(Bucket=vault.bucket).get("LocationConstraint")
    # As S3 says it since its first days: nothing for the oldest region, EU for the second.
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(said, str(said))


def check_may_hold(vault: Vault, store: str, group: str, allowed: Collection[str] = ()) -> str:
    """Give the region of a bucket. Raises OutsideResidency where this store's data may not lie there."""
    region = region_of(vault)
    if not may_hold(group, region, allowed):
        raise OutsideResidency(
            f"s3://{vault.bucket} lies in {region}, and {store} belongs to the region group {group!r}"
            f" ({', '.join(sorted(GROUPS[group] or ()))}). Nothing was copied: name another bucket, or allow {region} for this"
            " store in the estate's file."
        )
    return region
