"""DynamoDB → single table: items of a legacy table become records of a single-table design, under live writes.

The source's stream is read from before the copy on; the copy fills holes, and the live path always wins, by a token that every
write of ours carries. Applications go by a route that they poll, so the switch is one transaction; from then on the records'
stream is brought back to the old table in the same way.
"""

from __future__ import annotations

from sluice.migration.kinds.single_table.kind import SingleTable

__all__ = ["SingleTable"]
