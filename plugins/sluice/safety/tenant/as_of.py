"""One tenant as of a moment: the store is brought back beside, its rows of the tenant are held against now, and it goes again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sluice.safety.drill.drilling import restored
from sluice.safety.driver import Clock, Driver, Tell
from sluice.safety.target import Target
from sluice.safety.tenant.comparing import Difference, compare_rows
from sluice.safety.tenant.finding import NoTenant, find_owned
from sluice.safety.tenant.writing import counts_of, keep_files
from sluice.stores.catalogue import find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Asked:
    """Whose rows, as of when."""

    target: Target
    tenant: str = field(repr=False)
    column: str


@dataclass(frozen=True)
class Written:
    """What was found, without a value of it: counts, and the keys of what is in the vault."""

    counts: dict[str, dict[str, int]]
    left_out: tuple[str, ...]
    files: tuple[str, ...]


def tenant_as_of(driver: Driver, live: Connection, vault: Vault, asked: Asked, name: str, tell: Tell) -> Written:
    """Find what has become of a tenant's rows since a moment, and keep it in the vault with the SQL that puts them back.

    `live` is a role that sees all rows. The copy goes, also where this raises. Raises NoTenant, NotComparable, NotRecovered,
    Broken, LogMissing, VaultDown.
    """
    found = find_owned(live, asked.column)  # first: a wrong name must not cost a restore
    with restored(driver, asked.target, name, Clock(), tell) as back, connect(back.address, purpose="tenant") as copy:
        with _as_one(live), _as_one(copy):
            compared = [compare_rows(one, asked.tenant, copy, live) for one in found.owned]
        for table, counts in counts_of(compared).items():
            tell(f"{table}: {', '.join(f'{number} {what}' for what, number in counts.items())}")
        left_out = (*found.left_out, *_gone(live, copy, asked.column, driver.store), *_left_out(compared))
        told = {
            "store": driver.store,
            "target": str(asked.target),
            "reached": back.reached.isoformat() if back.reached else None,
            "tenant": asked.tenant,
            "column": asked.column,
            "left_out": left_out,
        }
        files = keep_files(vault, f"restores/{driver.store}/{name}/tenant/", told, compared, copy)
    return Written(counts_of(compared), left_out, tuple(files))


@contextmanager
def _as_one(c: Connection) -> Iterator[None]:
    """Read all of it in one snapshot, however long that takes: a child is not missed for its parent's sake."""
    with c.transaction():
        c.execute(statement("safety.begin_snapshot"))
        c.execute(statement("safety.pin_mark"))
        yield


def _gone(live: Connection, copy: Connection, column: str, store: str) -> Iterator[str]:
    """Name the tables that the copy has and the living store has no more: their rows have nowhere to go."""
    with suppress(NoTenant):  # the column is younger than the moment
        for one in find_owned(copy, column).owned:
            if find_table(live, one.table) is None:
                way = f"bring the store back by restore__{store}, and copy it out of there"
                yield f"{one.table}: is there no more, and was then: {way}"


def _left_out(compared: list[Difference]) -> Iterator[str]:
    for one in compared:
        yield from one.left_out
