"""A database at Neon, as every driver is asked.

Neon keeps the history of a project for some hours or days, and makes a branch of any moment of it within seconds, however long
the database is. That history is gone with the project, and with the account: so it is where a copy comes from, and never the
backup. What is taken is a dump into our own vault; a moment before the history is reached from a dump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sluice.safety.census import Census
from sluice.safety.driver import Clock, NotScratch, Restored, Taken, Tell, Window, is_of_store, made_at
from sluice.safety.logical.driver import Logical
from sluice.safety.neon.api import Branch, NeonRefused, Project
from sluice.safety.passwords import forget_password, without_password
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.physical.wal import position
from sluice.safety.target import Target
from sluice.stores.postgres import connect

EXACT = timedelta(seconds=1)
"""How far from the moment that was asked for a branch may be: Neon tells whole seconds."""


@dataclass(frozen=True)
class Neon:
    """One database of a project at Neon, and dumps of it in the vault."""

    dumps: Logical
    project: Project
    role: str
    database: str
    folder: Path
    """On this machine, for the passwords of branches while they stand."""
    branch: str | None = None
    """The name of the branch that is the store; the project's default one unless told."""

    @property
    def store(self) -> str:
        """The store's name in the estate."""
        return self.dumps.store

    def take(self, tell: Tell) -> Taken:
        """Dump it into the vault. A branch would be no backup: it goes with its project."""
        return self.dumps.take(tell)

    def count(self, tell: Tell) -> Census:
        """Count the living store as it is now: two counts say what a branch between them must hold. Raises Refused, Rewritten."""
        return self.dumps.count(tell)

    def backups(self) -> Sequence[Taken]:
        """List the dumps, oldest first."""
        return self.dumps.backups()

    def verify(self, backup: str, tell: Tell) -> int:
        """Read every byte of a dump. Raises Broken, Damaged, NoSuchKey."""
        return self.dumps.verify(backup, tell)

    def window(self) -> Window | None:
        """The history that Neon keeps: any moment of it can be had. Before it, those of the dumps. Raises NeonDown."""
        kept, now = self.project.history()
        return Window(max(now - kept, self._source().created_at), now)

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Make a branch of a moment, or bring a dump back for one before the history.

        Raises NotScratch, NotRecovered, Broken, Damaged, NeonDown, NeonRefused.
        """
        made_at(name)
        if target.kind == "point":
            raise NotRecovered(f"Neon knows no points: name a time, or a position, for {target} of {self.store}.")
        window = self.window()
        if target.kind == "time" and window and datetime.fromisoformat(target.value) < window.earliest:
            tell(
                f"{self.store}: Neon's history begins at {window.earliest:%Y-%m-%d %H:%M:%S} UTC: a dump is brought back"
            )
            return self.dumps.restore(target, name, clock, tell)
        self._remove(name)  # of a try that died
        made = self.project.make(name, self._source(), target)
        check_reached(made, target)
        clock.note("branched")
        address = without_password(self.project.address_of(made, self.role, self.database), self.folder / name)
        with connect(address, purpose="drill"):
            clock.note("available")
        tell(f"{self.store} stands as branch {made.id}, of {made.at or 'its latest moment'}, {made.position}")
        # What Neon says nothing of is its latest moment: when the branch was made.
        return Restored(name, address, (), made.at or made.created_at, made.position)

    def hand_over(self, found: Restored, port: int | None) -> str:
        """A branch is ready for people as it is; of a copy of a dump its place decides. Raises NotScratch, NotRecovered."""
        made_at(found.name)
        return self.dumps.hand_over(found, port) if found.backups else found.address

    def scratches(self) -> Sequence[str]:
        """List the branches that stand under scratch names of this store, and copies of dumps: a project may have many stores."""
        ours = {one.name for one in self.project.branches() if is_of_store(one.name, self.store)}
        return sorted({*ours, *self.dumps.scratches()})

    def destroy(self, name: str) -> None:
        """Delete a branch, or a copy of a dump. Safe to repeat. Raises NotScratch, NeonDown, NeonRefused."""
        made_at(name)
        self._remove(name)
        forget_password(self.folder / name)
        if name in self.dumps.scratches():
            self.dumps.destroy(name)

    def _remove(self, name: str) -> None:
        for one in self.project.branches():
            if one.name == name:
                check_may_go(one)
                self.project.remove(one)

    def _source(self) -> Branch:
        """Find the branch that is the store."""
        found = [one for one in self.project.branches() if (one.name == self.branch if self.branch else one.default)]
        if len(found) != 1:
            which = f"one branch {self.branch}" if self.branch else "one default branch"
            raise NeonRefused(f"{self.project.id} at Neon has not {which}: mend what the estate says of {self.store}.")
        return found[0]


def check_may_go(branch: Branch) -> None:
    """Raise NotScratch for a branch that somebody may live on, whatever it is called. Pure."""
    is_a = [
        *(["the default one"] if branch.default else []),
        *(["protected"] if branch.protected else []),
        *(["a root, which others come of"] if branch.parent is None else []),
    ]
    if is_a:
        raise NotScratch(
            f"Branch {branch.id} at Neon is called {branch.name}, and is {' and '.join(is_a)}: it is not deleted. Rename it:"
            " names that begin so are a drill's."
        )


def check_reached(branch: Branch, target: Target) -> None:
    """Raise NotRecovered where a branch is of another moment than was asked for. Pure."""
    wrong = target.kind == "time" and branch.at and abs(branch.at - datetime.fromisoformat(target.value)) >= EXACT
    if target.kind == "position":
        wrong = not branch.position or position(branch.position) != position(target.value)
    if wrong:
        told = f"{branch.at or 'no time'}, {branch.position or 'no position'}"
        raise NotRecovered(
            f"Neon was asked for {target}, and made branch {branch.id} of {told}. Nothing is proven by it."
        )
