"""DynamoDB → PostgreSQL: items of a table become rows of one that is partitioned by time, has a tenant and row-level security.

The stream is read from before the copy on. Each page of it and the place in its shard commit in one transaction under the
shared fence, so a change counts exactly once; the copy fills holes only, and the live path always wins, by a token on each row.
"""

from __future__ import annotations

from sluice.migration.kinds.into_postgres.kind import IntoPostgres

__all__ = ["IntoPostgres"]
