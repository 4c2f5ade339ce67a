"""PostgreSQL → PostgreSQL within one database: a plain table becomes monthly partitions, under live writes.

Capture is a trigger, atomic with the write; the backfill copies ranges of pages under row locks; the swap is one short
transaction that turns capture round. Ranges of pages are exact only because capture is on (a row that moves to another page
was updated, so the trigger has it) and only while the table is not rewritten: every chunk looks at its file's number.
"""

from __future__ import annotations

from sluice.migration.kinds.same_cluster.kind import SameCluster

__all__ = ["SameCluster"]
