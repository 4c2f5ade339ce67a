"""If a store died now, on the command line: what would be lost, how long it would take, and when that was last proven."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.errors import Terminal
from sluice.local.airflow_processes import use_connections
from sluice.local.tables import table
from sluice.safety.words import lasts

if TYPE_CHECKING:
    from sluice.safety.exposure import Exposure
    from sluice.safety.keeping.describing import Line

HEAD = ("store", "lose at most", "RPO", "back in", "RTO", "last proven (UTC)", "next drill (UTC)", "window (UTC)")


KEPT = ("backup", "whole (UTC)", "MB", "read back", "locked until", "goes after", "elsewhere", "why it stays")


class NothingBackedUp(Terminal):
    """No store of the estate has a `backup`."""


def exposures(name: str | None) -> list[Exposure]:
    """Say how a store stands, or all that are backed up. Raises NothingBackedUp, NotBackedUp, VaultDown."""
    use_connections()
    from sluice.flow.safety.exposing import facts_now
    from sluice.flow.safety.stores import backed_up
    from sluice.safety.exposure import exposure

    names = [name] if name else list(backed_up())
    if not names:
        raise NothingBackedUp("No store is backed up: include/estate/estate.yaml has no `backup`.")
    return [exposure(facts_now(one), datetime.now(UTC)) for one in names]


def told(found: list[Exposure]) -> str:
    """Lay it out: a table, the phases of each, and what is wrong. Pure."""
    said = [table(HEAD, [_row(one) for one in found])]
    for one in found:
        if one.phases:
            phases = ", ".join(f"{name} {lasts(seconds)}" for name, seconds in one.phases.items())
            said.append(f"{one.store} comes back: {phases}\n  by {one.basis}, scaled to what there is today")
        said += [f"{one.store}: {warning}" for warning in one.warnings]
    return "\n".join(said)


def kept(store: str) -> list[Line]:
    """Tell what is kept of a store's backups; nothing where its way says that itself. Raises NotBackedUp, VaultDown."""
    use_connections()
    from sluice.flow.safety.keeping import kept_of

    return kept_of(store)


def kept_told(lines: list[Line]) -> str:
    """Lay it out: a backup a line, oldest first. Pure."""
    return table(KEPT, [_kept(line) for line in lines])


def write_runbooks(folder: Path) -> list[Path]:
    """Write what to do on the bad days into a folder; gives the files. Raises NoConnection, Unreadable, VaultDown."""
    use_connections()
    from sluice.flow.safety.exposing import known_at
    from sluice.safety.runbooks.pages import runbooks

    pages = runbooks(known_at(datetime.now(UTC)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def _row(one: Exposure) -> tuple[str, ...]:
    window = f"{one.window.earliest:%Y-%m-%d %H:%M} to {one.window.latest:%Y-%m-%d %H:%M:%S}" if one.window else "none"
    return (
        one.store,
        one.lost,
        lasts(one.goals.losing_at_most),
        "unknown" if one.back_in is None else lasts(one.back_in),
        lasts(one.goals.back_within),
        f"{one.proven_at:%Y-%m-%d %H:%M}" if one.proven_at else "never",
        f"{one.next_drill:%Y-%m-%d %H:%M}",
        window,
    )


def _kept(line: Line) -> tuple[str, ...]:
    return (
        line.id,
        f"{line.whole_at:%Y-%m-%d %H:%M}",
        f"{line.bytes / 1e6:.1f}",
        f"{line.verified_at:%Y-%m-%d}" if line.verified_at else "no",
        f"{line.locked_until:%Y-%m-%d}" if line.locked_until else "",
        f"{line.expires_at:%Y-%m-%d}",
        " ".join(line.elsewhere),
        line.why,
    )
