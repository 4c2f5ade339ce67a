"""To which moment a store is brought back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["latest", "time", "position", "point", "backup", "elsewhere"]

PROMOTE = {"recovery_target_action": "promote"}


A_BACKUP = ("backup", "elsewhere")
"""The kinds that are one backup, and nothing of what came after it."""


@dataclass(frozen=True)
class Target:
    """The latest moment there is, a time, a position in the log, a point that was named, or a backup as it was when it was whole.

    `elsewhere` is the same backup, out of its second copy.
    """

    kind: Kind
    value: str = ""

    @classmethod
    def at(cls, moment: datetime) -> Target:
        """All that was committed up to a time; it has a time zone."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
        return cls("time", moment.isoformat())

    @property
    def is_a_backup(self) -> bool:
        """Whether it is one backup, and nothing of what came after it."""
        return self.kind in A_BACKUP

    @property
    def settings(self) -> dict[str, str]:
        """What PostgreSQL is told. Without an action it would stop there and stay read-only, for ever."""
        if self.is_a_backup:  # the server may have been promoted since, to where this one does not lead
            return {**PROMOTE, "recovery_target_timeline": "current", "recovery_target": "immediate"}
        action = {**PROMOTE, "recovery_target_timeline": "latest"}
        named = {"time": "recovery_target_time", "position": "recovery_target_lsn", "point": "recovery_target_name"}
        return action | ({named[self.kind]: self.value} if self.kind in named else {})

    def __str__(self) -> str:
        return "the latest moment" if self.kind == "latest" else f"{self.kind} {self.value}"
