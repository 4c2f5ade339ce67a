"""What the archive of rows and the archive of records refuse alike."""

from __future__ import annotations

from sluice.errors import Terminal


class NoRetention(Terminal):
    """The file says nothing of how long months are kept."""


class NoSuchMonth(Terminal):
    """The archive knows no such month, or has nothing to do with it."""


class NotBroughtBack(Terminal):
    """A month does not come back, into its table or beside it, or would be taken away again at once."""
