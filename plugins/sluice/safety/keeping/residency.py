"""Where a store's copies may lie: in the regions that the estate's file says (`sluice.estate.residency`).

Where a bucket lies is asked of S3; what somebody has written down may be of another one.
"""

from __future__ import annotations

from sluice.errors import Terminal
from sluice.estate.residency import GROUPS, Residency, may_hold
from sluice.stores.objects import Vault


class OutsideResidency(Terminal):
    """A bucket lies where this store's data may not be."""


class OtherRegion(Terminal):
    """A bucket lies in another region than the estate's file says."""


def region_of(vault: Vault) -> str:
    """Ask S3 in which region a bucket lies. Raises VaultDown, AccessDenied, VaultRefused. Read only."""
    with vault.translated("ask for the region of", ""):
        said = vault.client.get_bucket_location(Bucket=vault.bucket).get("LocationConstraint")
    # As S3 says it since its first days: nothing for the oldest region, EU for the second.
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(said, str(said))


def check_may_hold(vault: Vault, store: str, residency: Residency | None) -> None:
    """Raise OutsideResidency where this store's data may not lie in a bucket. Nothing is asked of S3 where it may be anywhere.

    Raises VaultDown, AccessDenied, VaultRefused.
    """
    if residency is None or GROUPS[residency.group] is None:
        return
    region = region_of(vault)
    if not may_hold(residency.group, region, residency.also):
        raise OutsideResidency(
            f"s3://{vault.bucket} lies in {region}, and {store} belongs to the region group {residency.group!r}"
            f" ({', '.join(sorted(GROUPS[residency.group] or ()))}). Nothing was copied: name another bucket, or allow {region}"
            " for this store in the estate's file (`residency: {also: …}`)."
        )


def check_lies_in(vault: Vault, region: str) -> None:
    """Raise OtherRegion where a bucket lies elsewhere than was written down. Raises VaultDown, AccessDenied, VaultRefused."""
    if (found := region_of(vault)) != region:
        raise OtherRegion(
            f"s3://{vault.bucket} lies in {found}, and include/estate/estate.yaml says {region}. Nothing was copied: write down"
            " where it lies, or name another bucket."
        )
