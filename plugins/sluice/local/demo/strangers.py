"""What somebody else keeps where the demo begins afresh: it would go."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import Terminal


class Strangers(Terminal):
    """Somebody keeps something of their own where the sample lies."""

    def __init__(self, found: Sequence[str], command: str) -> None:
        super().__init__(
            f"The demo begins afresh and would drop what is not its own in its database: {', '.join(found)}."
            f" Nothing was changed. Move it elsewhere, or say that it may go: {command}."
        )
