"""Take a migration between DynamoDB tables back by its marks alone: its file need not be there any more."""

from __future__ import annotations

from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import COPIES_IN, Fenced, NotYet, Phase


def abort(marks: ItemMarks, state: State | None) -> str:
    """Anything before cut_over → planned, epoch + 1. Records that were copied stay: the next copy goes over them."""
    if state is None or state.phase == Phase.PLANNED:
        if state is not None:
            _forget_quarantine(marks, state.epoch)  # whoever died between the two below
        return f"{marks.name} is planned: there is nothing to take back"
    if state.phase not in (Phase.EXPANDED, *COPIES_IN):
        raise NotYet(f"{marks.name} is {state.phase}: cut back first.")
    route = marks.route()
    # The lease that applications were told: it may be another in the file by now.
    told = [marks.tell("old", "old", state.epoch + 1, float(route["lease_seconds"]["N"]))] if route else []
    if not marks.move(state, Phase.PLANNED, epochs=1, also=told, facts={"segments": "", "verified_at": ""}):
        raise Fenced(f"{marks.name} has gone on meanwhile. Run it again.")
    _forget_quarantine(marks, state.epoch + 1)  # the next copy finds what waits, with the mapping as it is then
    return f"{marks.name} is planned again; the records that were copied stay until the next copy"


def _forget_quarantine(marks: ItemMarks, epoch: int) -> None:
    marks.aside.forget_quarantine(marks.fence(0, epoch, Phase.PLANNED))
