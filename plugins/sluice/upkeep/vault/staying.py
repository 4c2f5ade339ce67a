"""Whether the vault's own rules leave there what will be nowhere else: asked right before it is taken away at its source."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import Terminal
from sluice.stores.bucket import read_rules
from sluice.stores.objects import Vault
from sluice.stores.rules import Kept, ended_early


class EndsEarly(Terminal):
    """The vault's own rules would take something away before its file says so."""


def check_stays(vault: Vault, kept: Sequence[Kept], file: str) -> None:
    """Raise EndsEarly where a rule, whosever, takes away what `file` keeps longer. Raises VaultDown, AccessDenied. Read only."""
    for early in ended_early(read_rules(vault), kept):
        raise EndsEarly(
            f"s3://{vault.bucket}: {early}, by {file}. Nothing was taken away. Take the rule away, or mend that file:"
            " docs/howto/lock-the-vault.md."
        )
