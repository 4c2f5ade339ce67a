"""What the drivers have in common that bring a server back on this machine: where copies stand, and how they go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import make_conninfo

from sluice.safety.driver import PREFIX, Restored, made_at
from sluice.safety.physical.opening import open_up
from sluice.safety.physical.scratch import Scratch


class OnDisk:
    """Copies of a store, each in a folder of its own below `scratch`."""

    scratch: Path

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Start it anew, durable, with the settings and rules that the server had. Raises NotScratch, NotRecovered."""
        made_at(found.name)
        open_up(Scratch(self.scratch / found.name), port)
        return make_conninfo(found.address, port=port) if port else found.address

    def scratches(self) -> Sequence[str]:
        """List the folders of servers that were brought back here; what else lies there is nobody's business."""
        found = self.scratch.glob(f"{PREFIX}*") if self.scratch.is_dir() else ()
        return sorted(folder.name for folder in found if folder.is_dir())

    def destroy(self, name: str) -> None:
        """Stop the server and take its folder away. Safe to repeat. Raises NotScratch, NotGone."""
        made_at(name)
        Scratch(self.scratch / name).remove()
