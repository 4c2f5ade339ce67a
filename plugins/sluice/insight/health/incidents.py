"""What becomes of incidents at a look. Pure: the same board and troubles give the same again.

An incident stays what it is while any of its troubles is there. It is cleared when it has been well for a while, longer each time
that it came back; what comes back soon after is the same one again. At most five are new in one look: of a storm, the four
most urgent and one that lists the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sluice.estate.severity import most_urgent
from sluice.insight.health.due import BACK, Outcome, remembered, told
from sluice.insight.health.grouping import Group, Place, grouped
from sluice.insight.health.silence import Hushed
from sluice.insight.health.troubles import WATCHING, Trouble
from sluice.insight.health.unwatched import ITSELF
from sluice.ledger.incidents import Board, Incident, Key, Member

PATIENCE = timedelta(minutes=10)
"""How long an incident must be well until it is cleared; doubled each time that it came back."""
LONGEST_PATIENCE = timedelta(hours=1)
MOST_NEW = 5
STORM: Place = ("", "storm")


@dataclass
class _Board:
    """The incidents while they are sorted out."""

    now: datetime
    next: int
    known: dict[int, Incident]
    holds: dict[int, list[Trouble]] = field(default_factory=dict)

    def at(self, place: Place) -> Incident | None:
        """Give the one that is open at a place, or was until a moment ago."""
        found = [one for one in self.known.values() if one.place == place and self._is_here(one)]
        return max(found, key=lambda one: (one.cleared is None, one.id), default=None)

    def _is_here(self, one: Incident) -> bool:
        return one.cleared is None or self.now - one.cleared <= BACK

    def holder(self, group: Group) -> Incident | None:
        """Give the open one that has a group already: of its own store by anything of it, the estate's by its root."""
        store, cause = group.place
        keys = {one.key for one in group.troubles}
        roots = {one.key for one in group.troubles if one.cause == cause}
        for one in self.known.values():
            is_near = one.store in ("", store) and one.cleared is None
            if is_near and (keys if one.store == store else roots) & {member.key for member in one.members}:
                return one
        return None

    def add(self, incident: Incident, group: Group) -> None:
        self.known[incident.id] = incident
        self.holds.setdefault(incident.id, []).extend(group.troubles)

    def begin(self, place: Place, group: Group) -> None:
        self.add(Incident(self.next, *place, group.troubles[0].severity, self.now, ()), group)
        self.next += 1


def carried(
    found: Sequence[Trouble],
    board: Board,
    hushed: Hushed,
    evidence: Mapping[Place, str] | None = None,
    judged: Collection[str] | None = None,
) -> Outcome:
    """Carry the incidents on by what is wrong now. `judged` has the rules that there are by name; None where nobody knows."""
    now = hushed.now
    sorting = _Board(now, board.next, {one.id: one for one in board.incidents})
    opened = [one for one in board.incidents if one.cleared is None]
    wide = {one.cause: {member.key for member in one.members} for one in opened if not one.store}
    _place(sorting, grouped(found, wide), hushed)
    named = [each for one in opened for each in one.named]
    moved = {one.key: taker for taker, troubles in sorting.holds.items() for one in troubles}
    blind = {one.series.store for one in found if one.cause == WATCHING and one.series.metric not in ITSELF}
    after: list[Incident] = []
    for one in sorting.known.values():
        if one.id in sorting.holds:
            live = _live(one, sorting.holds[one.id], hushed, evidence or {})
            after.append(remembered(live, named, now))
        elif one.cleared is None:
            after.append(_quiet(_ended(one, now, moved, judged), now, blind))
    return told(after, now)


def _place(sorting: _Board, groups: Sequence[Group], hushed: Hushed) -> None:
    """Find each group its incident: its own, the one that has it already, or a new one."""
    new = []
    for group in groups:
        if (own := sorting.at(group.place)) is not None:
            sorting.add(own, group)
        elif held := sorting.holder(group):
            is_below = held.store == group.place[0] and held.cause in group.causes
            # What was seen of the lesser cause (who waited for whom) is over, or no more what one is to look at.
            sorting.add(replace(held, cause=group.place[1], evidence="") if is_below else held, group)
        else:
            new.append(group)
    # What nobody would be told of must not take the place of what somebody is.
    new.sort(key=lambda group: all(hushed.why(one) for one in group.troubles))
    storm = sorting.at(STORM)
    room = len(new) if len(new) <= MOST_NEW else MOST_NEW - 1
    for group in new[:room]:
        sorting.begin(group.place, group)
    for group in new[room:]:
        if storm is None:
            sorting.begin(STORM, group)
            storm = sorting.at(STORM)
        else:
            sorting.add(sorting.known[storm.id], group)


def _live(one: Incident, found: Sequence[Trouble], hushed: Hushed, evidence: Mapping[Place, str]) -> Incident:
    """What an incident is while something of it is wrong."""
    ones = sorted(found, key=lambda each: (each.cause != one.cause, each.severity, each.since, each.rule, each.series))
    why = [hushed.why(each) for each in ones]
    spoken = [each for each, reason in zip(ones, why, strict=True) if reason is None]
    members = tuple(each.as_member(reason, each.follows(spoken)) for each, reason in zip(ones, why, strict=True))
    reason = None if spoken else members[0].hushed
    if one.cleared is not None:
        one = replace(
            one, cleared=None, times=one.times + 1, told=None, told_at=None, told_cleared=False, ended="well", into=None
        )
    elif one.quiet is not None:
        one = replace(one, times=one.times + 1)
    severity = most_urgent(each.severity for each in spoken or ones)
    seen = evidence.get(one.place, one.evidence)
    return replace(one, severity=severity, members=members, quiet=None, hushed=reason, evidence=seen)


def _ended(one: Incident, now: datetime, moved: Mapping[Key, int], judged: Collection[str] | None) -> Incident:
    """End an incident of which nobody can say that it is well: what was wrong of it is another's now, or is looked at no more."""
    if (taker := next((moved[member.key] for member in one.members if member.key in moved), None)) is not None:
        return replace(one, quiet=now, cleared=now, ended="joined", into=taker)
    if one.quiet is None and judged is not None and all(member.rule not in judged for member in one.members):
        return replace(one, quiet=now, cleared=now, ended="unjudged")
    return one


def _quiet(one: Incident, now: datetime, blind: set[str]) -> Incident:
    """What an incident is when nothing of it is wrong.

    Where nobody measures nobody knows that it is well: the while begins when numbers come again.
    """
    if one.cleared is not None:
        return one
    if blind & {"", one.store, *(member.store for member in one.members)}:
        return replace(one, quiet=now)
    quiet = one.quiet or now
    patience = min(PATIENCE * 2 ** min(one.times, 10), LONGEST_PATIENCE)
    return replace(one, quiet=quiet, cleared=now if now - quiet >= patience else None)


def members_of(incidents: Sequence[Incident]) -> Iterator[tuple[Incident, Member]]:
    """Give each thing that is wrong now, with its incident."""
    for one in incidents:
        if one.cleared is None and one.quiet is None:
            yield from ((one, member) for member in one.members)
