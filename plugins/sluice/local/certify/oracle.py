"""Was anything lost? The client's list of acknowledged writes against the tables, to the last digit.

Run it when the workload rests. Every kind of loss that it claims to see is planted in its tests and found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.shape import COLUMNS
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement

SAMPLES = 10
WIDTH = 400  # characters of a row that a sample shows


@dataclass(frozen=True)
class Sample:
    """One key that is not as it was acknowledged."""

    table: str
    key: str
    verdict: str
    expected: str
    found: str


@dataclass(frozen=True)
class OracleReport:
    """What became of the acknowledged writes. Counts are keys.

    `lost`: acknowledged, not there. `wrong`: there, but not as acknowledged. `resurrected`: there although
    deleted, rolled back or replaced. `unknown`: the answer to COMMIT was lost; either state was accepted.
    """

    checked: int
    lost: int
    wrong: int
    resurrected: int
    unknown: int
    samples: tuple[Sample, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is amiss; an oracle with nothing to check is not content."""
        return self.checked > 0 and not (self.lost or self.wrong or self.resurrected)

    def __str__(self) -> str:
        return (
            f"{self.checked:,} keys checked: {self.lost} lost, {self.wrong} wrong, "
            f"{self.resurrected} resurrected ({self.unknown} whose COMMIT was never answered)"
        )


def verify(connection: Connection, acknowledged: Acknowledged) -> OracleReport:
    """Compare every acknowledged key with the tables, over all partitions. Reads only.

    The role must bypass row security: PostgreSQL refuses one that a policy filters (InsufficientPrivilege).
    """
    bad: list[Sample] = []
    with connection.transaction():
        connection.execute(statement("certify.pin_oracle"))
        for table in COLUMNS:
            _expect(connection, acknowledged, table)
            judged = rows(connection, statement(f"certify.judge_{table}"))
            bad += [Sample(table, r["key"], r["verdict"], r["expected"][:WIDTH], r["found"][:WIDTH]) for r in judged]
    counts = Counter(sample.verdict for sample in bad)
    unknown = sum(len(states) > 1 for _, states in acknowledged.items())
    return OracleReport(
        len(acknowledged),
        counts["lost"],
        counts["wrong"],
        counts["resurrected"],
        unknown,
        tuple(bad[:SAMPLES]),
    )


def _expect(connection: Connection, acknowledged: Acknowledged, table: str) -> None:
    connection.execute(statement(f"certify.expect_{table}"))
    absent: list[str | None] = [None] * len(COLUMNS[table])
    with connection.cursor() as cursor, cursor.copy(statement(f"certify.copy_{table}")) as copy:
        for id_, states in acknowledged.of(table):
            for image in states:
                values = absent if image is None else [image[column] for column in COLUMNS[table]]
                copy.write_row([id_, "f" if image is None else "t", *values])
    connection.execute(statement(f"certify.analyze_{table}"))
