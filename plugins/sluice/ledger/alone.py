"""One of us at a time: at a month that leaves its table, whichever run or machine we are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sluice.stores.postgres import Connection, LockBusy, StoreDown, one, translated
from sluice.stores.statements import statement


@contextmanager
def alone_at(c: Connection, which: str) -> Iterator[Callable[[], None]]:
    """Keep others of us away from a month while this session lasts; gives what looks whether it still does.

    Raises LockBusy where one is at it; what is given raises StoreDown.
    """
    if not one(c, statement("archive.lock_month"), month=which)["held"]:
        raise LockBusy(f"{which}: another run is at it. It is tried again by itself.")

    def look() -> None:
        doing = f"keeping others away from {which}"
        with translated(doing):
            if not one(c, statement("archive.holds_lock"))["held"]:
                raise StoreDown(f"{doing}: the session has lost its lock. It is tried again by itself.")

    try:
        yield look
    finally:
        if not c.closed:  # a session that is gone holds nothing, and what ended it is told already
            c.execute(statement("archive.unlock_month"), {"month": which})
