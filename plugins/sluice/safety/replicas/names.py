"""The name by which applications find the server that takes writes: a record of Route 53, switched as a plan with its diff.

What is changed is deleted as it was seen and made anew in one batch, all of it or nothing: so a record that somebody has changed
since the plan was shown is refused, and not overwritten. A resolver may give the old answer for as long as the old record's TTL.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sluice.errors import Terminal, Transient
from sluice.stores.aws import code_of, is_outage

SETTLES_WITHIN = 120.0
"""Seconds until all of Route 53's servers give the new answer; it is done within 60 as a rule."""
LOOKS_EVERY = 1.0
"""Seconds."""


class NamesDown(Transient):
    """Route 53 could not be asked, or is still at the change before."""


class NamesRefused(Terminal):
    """Route 53 will not have this change, or the record is none that can be switched."""


@dataclass(frozen=True)
class Name:
    """A record that tells where one store takes writes."""

    zone: str
    """The id of its hosted zone."""
    name: str
    ttl: int = 30
    """Seconds."""


@dataclass(frozen=True)
class Change:
    """What is done to one record: `before` goes, `after` comes."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Switch:
    """What is to be done, as it can be read."""

    name: Name
    to: str
    changes: tuple[Change, ...]
    old_ttl: int
    """For so many seconds a resolver may go on with the old answer."""

    def __str__(self) -> str:
        if not self.changes:
            return f"{self.name.name} is {self.to} already"
        lines = [
            f"{sign} {_shown(record)}"
            for change in self.changes
            for sign, record in (("-", change.before), ("+", change.after))
            if record
        ]
        return "\n".join([*lines, f"resolvers may give the old answer for {self.old_ttl} s more"])


def plan_switch(client: Any, name: Name, to: str) -> Switch:
    """Say what has to change for a name to lead to a host. Reads only. Raises NamesDown, NamesRefused."""
    return switched(name, _records(client, name), to)


def switched(name: Name, there: Sequence[Mapping[str, Any]], to: str) -> Switch:
    """Say it of the records that are there. Pure. Raises NamesRefused for one that is no plain address of one server."""
    wanted = {"Name": _full(name.name), "Type": _type(to), "TTL": name.ttl, "ResourceRecords": [{"Value": to}]}
    if any("AliasTarget" in record for record in there):
        raise NamesRefused(
            f"{name.name} is an alias of AWS: what it stands for is switched there. Nothing was changed."
        )
    if any("SetIdentifier" in record for record in there):
        changes = _weighted(name, there, to)
    else:
        first = there[0] if there else None
        same = first is not None and len(there) == 1 and _plain(first) == _plain(wanted)
        gone = [Change(record, None) for record in there[1:]]
        changes = [] if same else [*gone, Change(first, wanted)]
    return Switch(name, to, tuple(changes), max((record.get("TTL", 0) for record in there), default=0))


def apply_switch(client: Any, switch: Switch) -> None:
    """Do it, and wait until it is known everywhere. Raises NamesRefused where the record is not as it was shown, NamesDown."""
    if not switch.changes:
        return
    batch = [
        {"Action": action, "ResourceRecordSet": dict(record)}
        for change in switch.changes
        for action, record in (("DELETE", change.before), ("CREATE", change.after))
        if record
    ]
    told = {"Comment": f"sluice: {switch.name.name} leads to {switch.to}", "Changes": batch}
    with _translated(switch.name):
        made = client.change_resource_record_sets(HostedZoneId=switch.name.zone, ChangeBatch=told)
        until = time.monotonic() + SETTLES_WITHIN
        while client.get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] != "INSYNC":
            if time.monotonic() > until:
                raise NamesDown(
                    f"{switch.name.name} is changed, and not known everywhere after {SETTLES_WITHIN:.0f} s."
                )
            time.sleep(LOOKS_EVERY)


def verify_switch(client: Any, switch: Switch) -> bool:
    """Whether nothing is left to change. Reads only. Raises NamesDown, NamesRefused."""
    return not plan_switch(client, switch.name, switch.to).changes


def _records(client: Any, name: Name) -> list[Mapping[str, Any]]:
    """Give every record of a name that leads to a host."""
    with _translated(name):
        pages = client.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=name.zone, StartRecordName=_full(name.name), PaginationConfig={"PageSize": 100}
        )
        found = []
        for page in pages:
            here = [one for one in page["ResourceRecordSets"] if _same_name(one["Name"], name.name)]
            found += [one for one in here if one["Type"] in ("CNAME", "A", "AAAA")]
            if len(here) < len(page["ResourceRecordSets"]):
                break
    return found


def _weighted(name: Name, there: Sequence[Mapping[str, Any]], to: str) -> list[Change]:
    """Give one of several weighted records all of the weight. Raises NamesRefused where none of them leads to the host."""
    if not any(_leads_to(record, to) for record in there) or not all("Weight" in record for record in there):
        raise NamesRefused(
            f"{name.name} has records by weight or another rule, and none by weight leads to {to}: add it with weight 0 first."
            " Nothing was changed."
        )
    most = max(1, *(record["Weight"] for record in there))
    after = [{**record, "Weight": most if _leads_to(record, to) else 0} for record in there]
    return [Change(old, new) for old, new in zip(there, after, strict=True) if old != new]


def _leads_to(record: Mapping[str, Any], to: str) -> bool:
    return [one["Value"].rstrip(".") for one in record["ResourceRecords"]] == [to.rstrip(".")]


def _plain(record: Mapping[str, Any]) -> tuple[str, int, list[str]]:
    return record["Type"], record["TTL"], sorted(one["Value"].rstrip(".") for one in record["ResourceRecords"])


def _shown(record: Mapping[str, Any]) -> str:
    values = " ".join(one["Value"] for one in record["ResourceRecords"])
    weight = f" weight {record['Weight']} ({record['SetIdentifier']})" if "Weight" in record else ""
    return f"{record['Name']} {record['TTL']} {record['Type']} {values}{weight}"


def _type(to: str) -> str:
    try:
        return "A" if ipaddress.ip_address(to).version == 4 else "AAAA"
    except ValueError:
        return "CNAME"


def _full(name: str) -> str:
    return name.rstrip(".").lower() + "."


def _same_name(one: str, other: str) -> bool:
    return _full(one) == _full(other)


@contextmanager
def _translated(name: Name) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = code_of(error)
        if is_outage(error) or code in ("Throttling", "PriorRequestNotComplete"):
            raise NamesDown(
                f"{name.name}: Route 53 does not answer ({code or error}). It is tried again by itself."
            ) from error
        raise NamesRefused(
            f"{name.name}: Route 53 refuses ({code}): {error}. Nothing was changed: plan it anew, and see what is there."
        ) from error
