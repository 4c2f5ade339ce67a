"""What people read of an incident: since when, what, who waits for whom, what to do first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.estate.severity import RESPONSE, most_urgent
from sluice.ledger.incidents import Incident, Kind, Member, Message

MOST_SHOWN = 20
"""So many of what is wrong are told one by one."""
MOST_TREE = 6_000
"""Characters of a tree that are told: a channel has its own end."""
HEADS: Mapping[Kind, str] = {
    "opened": "",
    "back": "is back: ",
    "worse": "is worse: ",
    "more": "has more: ",
    "reminder": "is still open: ",
    "cleared": "is well again: ",
}


def message(one: Incident, kind: Kind, now: datetime, new: Sequence[Member] = ()) -> Message:
    """Make what people are told of an incident; of one that has more, what is `new` and no word of the rest."""
    whole = len(one.members)
    if kind == "more":
        one = replace(one, members=tuple(new), severity=most_urgent(each.severity for each in new), evidence="")
    text = "\n".join(_cleared(one) if kind == "cleared" else _lines(one, kind, whole))
    return Message(one.id, kind, now, one.severity, subject(one, kind), text, {**_details(one, kind), "wrong": whole})


def subject(one: Incident, kind: Kind) -> str:
    """Give an incident in a few words: `P2 certify: locks (#12)`."""
    head = {"cleared": _ending(one), "opened": ""}.get(kind, f"{kind}: ")
    return f"{head}{one.severity} {where(one)}: {one.cause} (#{one.id})"


def _ending(one: Incident) -> str:
    return {"well": "well again: ", "joined": f"goes on as #{one.into}: ", "unjudged": "judged no more: "}[one.ended]


def where(one: Incident) -> str:
    """Name the store."""
    return one.store or "the estate"


def _lines(one: Incident, kind: Kind, whole: int) -> Iterator[str]:
    first = one.members[0]
    since = f"since {one.opened:%Y-%m-%d %H:%M} UTC" + (f", {whole} wrong by now" if kind == "more" else "")
    yield f"{one.severity} {where(one)} {HEADS[kind]}{_whose(one, first.store)}{first.text}"
    yield f"Incident {one.id}, {one.cause}, {since}. Somebody is at it {RESPONSE[one.severity]}."
    for member in one.members[1:MOST_SHOWN]:
        yield f"· {_whose(one, member.store)}{member.text}"
    if len(one.members) > MOST_SHOWN:
        yield f"· and {len(one.members) - MOST_SHOWN} more"
    if one.evidence:
        yield one.evidence if len(one.evidence) <= MOST_TREE else f"{one.evidence[:MOST_TREE]}\n… and more"
    yield f"Do first: {first.do}"
    yield f"{_page(first.runbook)} · {first.owner}"


def _cleared(one: Incident) -> Iterator[str]:
    assert one.quiet
    yield f"{where(one)} {_how(one)}: {one.cause}, incident {one.id}"
    yield f"From {one.opened:%Y-%m-%d %H:%M} to {one.quiet:%Y-%m-%d %H:%M} UTC. It was: {one.members[0].text}"


def _how(one: Incident) -> str:
    if one.ended == "joined":
        return f"goes on as incident {one.into}"
    return "is well again" if one.ended == "well" else "is judged no more, its rule is off or gone"


def _whose(one: Incident, store: str) -> str:
    return f"{store}: " if store and store != one.store else ""


def _page(runbook: str) -> str:
    return runbook if "://" in runbook else f"{runbook} (in the project's folder)"


def _details(one: Incident, kind: Kind) -> dict[str, Any]:
    """What a machine reads of it."""
    first = one.members[0]
    return {
        "incident": one.id,
        "kind": kind,
        "store": one.store,
        "cause": one.cause,
        "since": one.opened.isoformat(),
        "rules": sorted({member.rule for member in one.members}),
        "runbook": first.runbook,
        "owner": first.owner,
        **({"ended": one.ended, "goes_on_as": one.into} if kind == "cleared" else {}),
    }


def table(incidents: Sequence[Incident]) -> str:
    """Draw what is open, the most urgent first, for a task's log."""
    opened = sorted(
        (one for one in incidents if one.cleared is None), key=lambda one: (one.severity, one.opened, one.id)
    )
    if not opened:
        return "Nothing is wrong."
    lines = [f"{'#':>5} {'':2} {'store':16} {'cause':16} {'since (UTC)':16} wrong"]
    for one in opened:
        what = f"quiet since {one.quiet:%H:%M}" if one.quiet else one.members[0].text
        hushed = f" [not told: {one.hushed}]" if one.hushed else ""
        lines.append(
            f"{one.id:>5} {one.severity} {where(one):16} {one.cause:16} {one.opened:%Y-%m-%d %H:%M} {len(one.members):>5}"
            f"  {what}{hushed}"
        )
    return "\n".join(lines)
