"""A disk of an instance in RDS, and what RDS must be told besides when it grows. Pure.

By the service's own rules for PostgreSQL: a disk with provisioned I/O grows only with its `Iops` named. A gp3 of under 400 GiB
has 3,000 of them and takes no number at all; from 400 GiB on it has four volumes, and 12,000 at least. io1 and io2 want one for
two GiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Settings: TypeAlias = tuple[tuple[str, int], ...]
"""What RDS is told, by its own names."""
STRIPED_FROM = 400
"""GiB from which on a disk has four volumes."""
STRIPED_IOPS, STRIPED_THROUGHPUT = 12_000, 500
"""What a gp3 has then at least, in operations and in MiB a second."""
LEAST_IOPS = 50
"""Operations a second that 100 GiB of io1 or io2 want at least."""
LEAST_BOUND, ADVISED_BOUND = 110, 126
"""Percent of a disk to which its own growth must be allowed at least, and should be."""


@dataclass(frozen=True)
class Disk:
    """What stands."""

    size: int
    """GiB."""
    kind: str
    iops: int | None = None
    throughput: int | None = None
    """MiB a second, of gp3."""
    extends_itself_to: int | None = None
    """GiB: RDS's own storage autoscaling, where it is on."""

    def grown_by(self, percent: int) -> int:
        """Give its size with so many percent more, in whole GiB."""
        return share(self.size, 100 + percent)

    def besides(self, wanted: int, most: int) -> Settings:
        """Say what RDS is told besides, for `wanted` GiB where `most` are allowed."""
        return (*self._performance(wanted), *self._bound(wanted, most))

    def _performance(self, wanted: int) -> Iterator[tuple[str, int]]:
        if self.kind in ("io1", "io2"):
            yield "Iops", max(self.iops or 0, share(wanted, LEAST_IOPS))
        elif self.kind == "gp3" and wanted >= STRIPED_FROM:
            yield "Iops", max(self.iops or 0, STRIPED_IOPS)
            if (self.throughput or 0) < STRIPED_THROUGHPUT:
                yield "StorageThroughput", STRIPED_THROUGHPUT

    def _bound(self, wanted: int, most: int) -> Iterator[tuple[str, int]]:
        """Move the bound of its own growth where RDS would have it: with no room for that below `most`, to its end."""
        bound, least = self.extends_itself_to, share(wanted, LEAST_BOUND)
        if bound and bound < least:
            yield "MaxAllocatedStorage", min(share(wanted, ADVISED_BOUND), most) if least <= most else wanted


def disk_of(found: Mapping[str, Any]) -> Disk:
    """Read it from what RDS says of an instance."""
    return Disk(
        int(found["AllocatedStorage"]),
        str(found.get("StorageType", "")),
        found.get("Iops"),
        found.get("StorageThroughput"),
        found.get("MaxAllocatedStorage"),
    )


def share(size: int, percent: int) -> int:
    """Give so many percent of a size, rounded up."""
    return -(-size * percent // 100)
