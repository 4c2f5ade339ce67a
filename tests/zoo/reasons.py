"""Is a refusal true? Each code of the preflight is asked again of the catalogue and the rows, by other means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.zoo.catalogue import Connection, Thing
from tests.zoo.rows import quoted
from tests.zoo.shapes import DATED, Into


@dataclass(frozen=True)
class Case:
    """What was refused: a table, and the shape that it should take."""

    c: Connection
    thing: Thing
    into: Into

    @property
    def cut(self) -> list[str]:
        """The columns that it is cut by."""
        partition = self.into.get("partition") or {}
        parts = [partition, partition.get("then") or {}]
        return [part[way] for part in parts for way in ("range", "hash", "list") if way in part]

    @property
    def when(self) -> str:
        """The column of time."""
        partition = self.into.get("partition") or {}
        return partition.get("range") or (partition.get("then") or {}).get("range") or ""

    def says(self, question: str) -> bool:
        """Whether a query of one boolean is true; %s is the table's OID."""
        row = self.c.execute(question, [self.thing.oid]).fetchone()  # type: ignore[arg-type]
        return bool(row and next(iter(row.values())))

    def rows_where(self, condition: str) -> bool:
        row = self.c.execute(f"SELECT EXISTS (SELECT FROM {self.thing.name} WHERE {condition}) AS is").fetchone()  # type: ignore[arg-type]
        return bool(row and row["is"])


# A view, rule or function that holds the table, or a function or column that holds its row type.
_DEPENDENT = """
WITH t AS (SELECT c.oid, c.reltype, (SELECT typarray FROM pg_type WHERE oid = c.reltype) AS list FROM pg_class c WHERE c.oid = %s)
SELECT EXISTS (SELECT FROM pg_depend d, t WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
               AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass))
    OR EXISTS (SELECT FROM pg_depend d, t WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.reltype, t.list)
               AND d.deptype = 'n' AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass)) AS holds
"""

TRUE: dict[str, Callable[[Case], bool]] = {
    "no_key": lambda x: not x.thing.key,
    "deferrable_key": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype = 'p' AND condeferrable)"
    ),
    "unique_index": lambda x: any(set(x.cut) - set(u) for u in x.thing.unique if u != x.thing.key) or _on_expression(x),
    "exclusion": lambda x: bool(x.thing.excluded) or _excludes(x),
    "invalid_index": lambda x: x.says("SELECT bool_or(NOT indisvalid) FROM pg_index WHERE indrelid = %s"),
    "not_dated": lambda x: x.thing.column(x.when).base not in DATED or x.thing.column(x.when).domain,
    "generated_partition_column": lambda x: any(x.thing.column(name).generated for name in x.cut),
    "null_partition_column": lambda x: any(x.rows_where(f"{quoted(name)} IS NULL") for name in x.cut),
    "infinite_partition_column": lambda x: x.rows_where(f"NOT isfinite({quoted(x.when)})"),
    "too_many_partitions": lambda x: _spans(x) > 100,
    "not_a_table": lambda x: x.thing.kind != "r",
    "inheritance": lambda x: x.thing.inherits,
    "not_logged": lambda x: x.thing.persistence != "p",
    "identity": lambda x: sum(1 for column in x.thing.columns if column.identity) > 1,
    "identity_outside_key": lambda x: any(c.identity == "a" and c.name not in x.thing.key for c in x.thing.columns),
    "user_trigger": lambda x: bool(x.thing.triggers),
    "foreign_key": lambda x: bool(x.thing.links or x.thing.inbound),
    "foreign_key_in": lambda x: bool(x.thing.inbound or any(link.to_self for link in x.thing.links)),
    "unvalidated_key": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype = 'f' AND NOT convalidated)"
    ),
    "deferrable_unique": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype = 'u' AND condeferrable)"
    ),
    "temporal_key": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype IN ('p', 'u') AND conperiod)"
    ),
    "trigger_order": lambda x: any(name.encode() < b"!sluice_capture" for name in x.thing.triggers),
    "uncomparable": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attrelid = %s AND a.attnum > 0 AND t.typsend = 0)"
    ),
    "dependent": lambda x: x.thing.inherits or x.says(_DEPENDENT),
    "check_not_valid": lambda x: x.says(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype IN ('c', 'n') AND NOT convalidated)"
    ),
    "replica_identity": lambda x: x.says("SELECT relreplident <> 'd' FROM pg_class WHERE oid = %s"),
    "publication": lambda x: x.says("SELECT EXISTS (SELECT FROM pg_publication) OR %s IS NULL"),
}
"""Whether what a code says is so. A code that is not here is not proven."""


def truth(case: Case, codes: list[str]) -> dict[str, str]:
    """Say of each code `true`, `false` or `unproven`."""
    return {code: ("true" if TRUE[code](case) else "false") if code in TRUE else "unproven" for code in codes}


def _excludes(x: Case) -> bool:
    return x.says("SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %s AND contype = 'x')")


def _on_expression(x: Case) -> bool:
    return x.says(
        "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = %s AND indisunique AND NOT indisprimary AND 0 = ANY (indkey))"
    )


def _spans(x: Case) -> float:
    """Partitions that the values ask for, roughly."""
    name = quoted(x.when or x.cut[0])
    if not x.when:
        query = f"SELECT count(DISTINCT {name}) AS n FROM {x.thing.name}"
        row: dict[str, Any] | None = x.c.execute(query).fetchone()  # type: ignore[arg-type]
        return float(row["n"]) if row else 0
    query = (
        f"SELECT extract(epoch FROM max({name})::timestamp - min({name})::timestamp) / 86400 AS days,"
        f" extract(epoch FROM greatest(now()::timestamp, max({name})::timestamp) - min({name})::timestamp) / 86400 AS to_now"
        f" FROM {x.thing.name}"
    )
    row = x.c.execute(query).fetchone()  # type: ignore[arg-type]
    return float(row["to_now"] or 0) if row else 0
