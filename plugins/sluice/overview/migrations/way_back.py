"""Whether one can go back from where a migration stands: how, for how long, and what says that nothing would be lost. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sluice.migration.engine.contract import Phase
from sluice.overview.migrations.compared import Compared
from sluice.overview.migrations.names import run_to
from sluice.overview.migrations.seen import File, Stood

READY, HINDERED, NONE, NOT_NEEDED = "ready", "hindered", "none", "not needed"


@dataclass(frozen=True)
class WayBack:
    """The way back, as things stood at the last look."""

    state: str
    """`ready`, `hindered` (by what `hindrances` say), `none`, or `not needed`: nothing was changed."""
    told: str
    command: str = ""
    kept_until: datetime | None = None
    """Before that nobody can retire the old table by mistake; from then on the way back ends when somebody does."""
    hindrances: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    """What says that it would lose nothing."""
    proof: Compared | None = None
    """The last comparison since the cutover."""


def way_back(name: str, file: File, stood: Stood, compared: Compared | None) -> WayBack:
    """Say how one goes back from here."""
    if stood.phase is Phase.PLANNED:
        return WayBack(NOT_NEEDED, "Nothing was changed: there is nothing to take back.")
    if stood.phase is Phase.RETIRED:
        return WayBack(NONE, "The old table no longer follows. What comes next is a migration of its own.")
    if stood.phase is Phase.CUT_OVER:
        return _cut_back(name, file, stood, compared)
    told = f"{file.table} leads, and nothing that users see was changed. An abort takes capture and the copy away."
    return WayBack(READY, told, f"./sluice abort {name}")


def _cut_back(name: str, file: File, stood: Stood, compared: Compared | None) -> WayBack:
    since = stood.cut_over_at
    proof = compared if compared and since and compared.at >= since else None
    hindrances = tuple(_hindrances(file, stood, proof))
    return WayBack(
        HINDERED if hindrances else READY,
        _TOLD.get(file.kind, "Cutting back brings every write since the cutover along."),
        run_to(name, Phase.VERIFIED),
        since + file.keep_old_for if since else None,
        hindrances,
        tuple(_grounds(file, stood)),
        proof,
    )


_TOLD = {
    "same_cluster": "One short transaction gives the old table its name back, with every write since the cutover.",
    "single_table": "The old table leads again, with every write since the cutover.",
    "into_postgres": "Only until an application has written to PostgreSQL: nothing brings that back.",
}


def _hindrances(file: File, stood: Stood, proof: Compared | None) -> list[str]:
    found = []
    if file.kind == "into_postgres":
        found.append("an application may have written to PostgreSQL by now: it looks, and then refuses")
    if stood.drifted:
        found.append("a table is not what it was at the cutover: it is refused until that is put back")
    if stood.captured is False:
        found.append("reverse capture is off: the old table no longer follows, and the swap is refused")
    if stood.untouched is False:
        found.append(
            "capture or a partition was touched since the cutover: every row is compared before anything is swapped"
        )
    if stood.quarantined:
        found.append(f"{stood.quarantined:,} in quarantine, which the side that follows cannot hold")
    if stood.astray:
        found.append(f"{stood.astray:,} writes came past the route, to the old table: everything is compared first")
    if stood.held_by:
        found.append(f"older snapshots, which it waits for: {'; '.join(stood.held_by)}")
    if proof and not proof.clean:
        found.append("the last comparison found differences")
    return found


def _grounds(file: File, stood: Stood) -> list[str]:
    found = []
    if stood.captured:
        found.append("reverse capture is on")
    if stood.untouched:
        found.append("nobody has touched capture or a partition since the cutover")
    if not stood.drifted:
        found.append("both tables are what they were")
    return found
