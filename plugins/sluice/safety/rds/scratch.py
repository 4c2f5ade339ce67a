"""Copies under scratch names: whose they are, what was asked for, and that nothing else is ever taken away.

A name alone proves nothing in an account that many use. So a copy has tags besides, and it has them from its first moment on:
RDS writes them in the same call that begins it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.errors import Terminal
from sluice.safety.driver import NotScratch, made_at
from sluice.safety.rds.planning import Likeness
from sluice.safety.rds.settings import OURS
from sluice.safety.rds.snapshots import STORE
from sluice.safety.rds.standing import GOING
from sluice.safety.target import Target
from sluice.stores.rds import Absent, NotYet, find_instance, list_instances, speaking, tags_of

KIND, TARGET, ASKED, EXPIRES = (f"{OURS}{name}" for name in ("copy", "target", "asked", "expires"))
REACHED = f"{OURS}reached"
"""As of when a copy of the latest moment is: RDS is always some minutes behind."""
AVAILABLE = f"{OURS}available-after"
"""Seconds from when it was asked for until it was first seen available."""


class NotOurs(NotScratch):
    """Under a scratch name stands an instance that no drill of this store has made."""


class Protected(Terminal):
    """A scratch is protected against being deleted: somebody wants it kept."""


@dataclass(frozen=True)
class Label:
    """What a copy's tags say."""

    store: str
    kind: Likeness
    target: str
    asked: datetime
    """By RDS's clock."""
    reached: datetime | None = None

    def tags(self, lasts: timedelta) -> dict[str, str]:
        """Write it as tags. Only a drill's copy has an end."""
        end = {EXPIRES: (self.asked + lasts).isoformat()} if self.kind == "drill" else {}
        at = {REACHED: self.reached.isoformat()} if self.reached else {}
        return {STORE: self.store, KIND: self.kind, TARGET: self.target, ASKED: self.asked.isoformat(), **end, **at}


def label_of(described: Mapping[str, Any], store: str) -> Label:
    """Read a copy's tags. Raises NotOurs."""
    tags, name = tags_of(described), described["DBInstanceIdentifier"]
    if tags.get(STORE) != store or tags.get(KIND) not in ("drill", "whole"):
        raise NotOurs(
            f"Instance {name} has a scratch's name, and its tags do not say that it is a copy of {store} ({STORE}, {KIND})."
            " Nothing is done with it: look whose it is."
        )
    kind: Likeness = "drill" if tags[KIND] == "drill" else "whole"
    reached = datetime.fromisoformat(tags[REACHED]) if REACHED in tags else None
    return Label(store, kind, tags.get(TARGET, ""), datetime.fromisoformat(tags[ASKED]), reached)


def begun(client: Any, store: str, name: str, target: Target, kind: Likeness) -> dict[str, Any] | None:
    """Describe what was begun under a name before; None where nothing was. Raises NotOurs, NotYet."""
    made_at(name)
    found = find_instance(client, name)
    if found is None:
        return None
    label = label_of(found, store)
    if found["DBInstanceStatus"] in GOING:
        raise NotYet(f"Instance {name} is being deleted. It is begun again by itself once it is gone.")
    if (label.target, label.kind) != (str(target), kind):
        raise NotOurs(
            f"Instance {name} is a copy of {store} for {label.target} ({label.kind}), and {target} ({kind}) was asked for."
            " Nothing was begun: ask under another name, or take that one away first."
        )
    return found


def scratches(client: Any, store: str) -> list[str]:
    """Name the copies of a store that stand, oldest first; not those that go already."""
    found = []
    for one in list_instances(client):
        tags = tags_of(one)
        if tags.get(STORE) == store and tags.get(KIND) in ("drill", "whole") and one["DBInstanceStatus"] not in GOING:
            try:
                found.append((made_at(one["DBInstanceIdentifier"]), one["DBInstanceIdentifier"]))
            except NotScratch:
                continue  # renamed by a person, who keeps it
    return [name for _, name in sorted(found)]


def destroy(client: Any, store: str, name: str) -> None:
    """Begin to take a drill's copy away, with all that RDS keeps of it, and nothing else. Safe to repeat.

    Raises NotScratch, NotOurs, Protected, NotYet, Throttled, RdsDown, AccessDenied.
    """
    made_at(name)
    found = find_instance(client, name)
    if found is None or found["DBInstanceStatus"] in GOING:
        return
    if label_of(found, store).kind != "drill":
        raise NotOurs(
            f"Instance {name} is a copy of {store} for the real day, and no drill's: it is never taken away by itself."
            " Delete it by hand if nobody uses it."
        )
    if found.get("DeletionProtection"):
        raise Protected(
            f"Instance {name}, a drill's copy of {store}, is protected against deletion: somebody wants it kept. Rename it, or"
            " switch the protection off and run this again."
        )
    try:
        with speaking("delete", name):
            client.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    except Absent:
        return


def seconds_since(asked: datetime, described: Mapping[str, Any]) -> float:
    """How long ago a copy was asked for when it was described, by RDS's clock."""
    seen: datetime = described["Seen"]
    return (seen.astimezone(UTC) - asked).total_seconds()
