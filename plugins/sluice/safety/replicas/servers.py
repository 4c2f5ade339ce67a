"""A group of servers as each says of itself: who leads, who follows, who is silent. Nothing is believed of one by hearsay.

A replica is called by the `application_name` with which it follows: so both ends speak of the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from sluice.safety.physical.wal import position
from sluice.stores.postgres import Connection, Refused, Row, StoreDown, connect, one, rows, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Server:
    """A server of a group, and how it is reached."""

    name: str
    dsn: str = field(repr=False)


@dataclass(frozen=True)
class Link:
    """A replica, as the one that leads sees it."""

    state: str
    """`streaming` where all is well."""
    sync: str
    """`sync` or `quorum` where commits wait for it, else `potential` or `async`."""
    behind: int
    """Bytes that it has not replayed."""


@dataclass(frozen=True)
class Slot:
    """What keeps the log for a replica."""

    active: bool
    keeps: str
    """`lost` where the log that the replica needs is gone."""


@dataclass(frozen=True)
class Leading:
    """A server that takes writes."""

    name: str
    system: str
    timeline: int
    position: int
    standby_names: str
    """`synchronous_standby_names`: for whom a commit waits."""
    waits_for: str
    """`synchronous_commit`, as sessions begin."""
    read_only: bool
    """Whether sessions begin read-only: it was fenced."""
    links: Mapping[str, Link]
    slots: Mapping[str, Slot]
    now: datetime
    started: datetime
    next_write: int
    """One more than the number of the last transaction that wrote."""


@dataclass(frozen=True)
class Following:
    """A server that replays another's log."""

    name: str
    system: str
    timeline: int
    received: int
    """The position up to which it has the log on its disk."""
    replayed: int
    receiver: str
    """`streaming` where it receives; empty where nothing does."""
    slot: str
    paused: bool
    """Whether somebody has told it not to replay."""
    conflicts: int
    """Queries that it has cancelled since its statistics began, because the log went on."""
    started: datetime


@dataclass(frozen=True)
class Silent:
    """A server that does not answer. It may live all the same."""

    name: str
    why: str


@dataclass(frozen=True)
class Group:
    """All servers of a store, at one look."""

    leading: tuple[Leading, ...]
    following: tuple[Following, ...]
    silent: tuple[Silent, ...]


def look_at(servers: Sequence[Server]) -> Group:
    """Ask every server, all at once: one that does not answer holds no other up.

    Where two addresses lead to one server, as a name that was switched may, it counts once, as the later of the two.
    """
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        found = list(pool.map(look, servers))
    reached = {one.started: one.name for one in found if not isinstance(one, Silent)}
    found = [
        one
        if isinstance(one, Silent) or reached[one.started] == one.name
        else _elsewhere(one.name, reached[one.started])
        for one in found
    ]
    return Group(
        tuple(one for one in found if isinstance(one, Leading)),
        tuple(one for one in found if isinstance(one, Following)),
        tuple(one for one in found if isinstance(one, Silent)),
    )


def _elsewhere(name: str, other: str) -> Silent:
    return Silent(name, f"its address leads to {other}: give it one of its own, which nobody switches")


def look(server: Server) -> Leading | Following | Silent:
    """Ask one server what it is."""
    try:
        with connect(server.dsn, purpose="replicas") as c, translated(f"looking at {server.name}"):
            role = one(c, statement("replicas.find_role"))
            return _following(server, c, role) if role["follows"] else _leading(server, c, role)
    except (StoreDown, Refused) as error:
        return Silent(server.name, str(error))


def _leading(server: Server, c: Connection, role: Row) -> Leading:
    found = one(c, statement("replicas.find_leading"))
    links = {
        row["name"]: Link(row["state"], row["sync"], row["behind"]) for row in rows(c, statement("replicas.list_links"))
    }
    slots = {row["name"]: Slot(row["active"], row["keeps"] or "") for row in rows(c, statement("replicas.list_slots"))}
    return Leading(
        server.name,
        role["system"],
        int(found["file"][:8], 16),
        position(found["position"]),
        found["standby_names"],
        found["waits_for"],
        found["read_only"],
        links,
        slots,
        role["now"],
        role["started"],
        found["next"],
    )


def _following(server: Server, c: Connection, role: Row) -> Following:
    found = one(c, statement("replicas.find_following"))
    return Following(
        server.name,
        role["system"],
        found["timeline"],
        position(found["received"] or "0/0"),
        position(found["replayed"] or "0/0"),
        found["receiver"],
        found["slot"],
        found["paused"],
        found["conflicts"] or 0,
        role["started"],
    )
