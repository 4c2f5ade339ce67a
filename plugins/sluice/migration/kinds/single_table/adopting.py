"""Once the source leads again: say of each record that applications wrote that it is ours, and whose.

While the records lead, applications write them without our attributes, or keep those of an item that is another by now. After
it no application writes them, and the comparison sees each of them beside its item: what is as it shall be gets its attributes
there. When all have them, what has none is again somebody else's, and what nobody leads to after a gap can be swept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import COPIES_IN, Diff
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.single_table.claims import Fate, Verdict
from sluice.migration.kinds.single_table.leads import LED, has_led, source_leads
from sluice.migration.kinds.single_table.ours import FROM
from sluice.migration.kinds.single_table.sides import Follows, Sides, Stands
from sluice.migration.kinds.single_table.wishes import Wish, origin
from sluice.migration.kinds.single_table.writing import Writer
from sluice.stores.dynamodb.values import key_text


@dataclass(frozen=True)
class Adopting:
    """Gives records their attributes, in the epoch of `state`."""

    client: Any
    marks: ItemMarks
    state: State

    @property
    def _is_due(self) -> bool:
        return has_led(self.state) and source_leads(self.state)

    def seeing(self, sides: Sides) -> Sides:
        """What is to be compared, so that what is as it shall be gets its attributes, where some may lack them."""
        return replace(sides, adopt=self.adopt) if self._is_due else sides

    def adopt(self, followed: Sequence[Follows], stand: Stands) -> None:
        """Take records as theirs whose items they are. Raises Fenced."""
        at = token(self.state.epoch)
        wishes = [
            Wish(record.table, record.key, record.item, came_from, at, over=there)
            for key, records in followed
            for came_from in (origin(self.marks.name, key),)
            for record in records
            if (there := stand[record.table, key_text(record.key)]).get(FROM) != {"S": came_from}
        ]
        guard = lambda: [self.marks.fence(0, self.state.epoch, *COPIES_IN)]  # noqa: E731
        # Who is refused was overtaken by a change, which brings them itself.
        Writer(self.client, Wish.adopted, guard, lambda wish, stands: Verdict(Fate.OLDER)).write(wishes)

    def finish(self, diff: Diff) -> None:
        """Note that all have them, if nothing differed and nothing waits in quarantine."""
        if not self._is_due:
            return
        now = self.marks.state()
        if diff.clean and now.epoch == self.state.epoch and source_leads(now) and not self.marks.aside.quarantined():
            self.marks.note(now, **{LED: ""})
