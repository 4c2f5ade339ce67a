"""The trigger forms of drills and restores: to which moment, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Param

from sluice.flow.forms import optional_text

if TYPE_CHECKING:
    from sluice.estate.backups import Backups

AS_SCHEDULED = "as scheduled"

_WORDS = {
    AS_SCHEDULED: "the latest, and a moment that is drawn",
    "latest": "all that there is",
    "time": "all that was committed by then",
    "position": "in the log, such as 0/3000148",
    "point": "by its name: a point that was named, or what the service has under it",
    "backup": "as it was when that one was whole, by its name in the vault",
    "elsewhere": "the same, out of its second copy",
}


def backup_form(backup: Backups) -> dict[str, Param]:
    """The form of a backup; where an increment may do, a whole one can be asked for."""
    agree = Param(
        False,
        type="boolean",
        title="Let many go",
        description="Let go also more than half of the backups at once: look at the plan in prune_backups first.",
    )
    whole = Param(
        False,
        type="boolean",
        title="A whole one",
        description="Take all of it, though an increment would do: after damage, and before something risky.",
    )
    return {"agree": agree} | ({"whole": whole} if backup.way.has_increments and backup.takes else {})


def drill_form(backup: Backups) -> dict[str, Param]:
    """The form of a drill, which may choose by itself."""
    copies = ("elsewhere",) if backup.elsewhere else ()
    return _target((AS_SCHEDULED, *backup.way.targets, *copies))


def restore_form(backup: Backups) -> dict[str, Param]:
    """The form of the real day, with no word that says nothing here: tables have no port, and no memory to warm."""
    form = _target(backup.way.targets) | _OF_A_RESTORE
    if backup.region:
        return form | _WARM | _region([backup.region, *(to.region for to in backup.copies)])
    return form if backup.way.engine == "dynamodb" else form | _WARM | _PORT


def tenant_form(backup: Backups) -> dict[str, Param]:
    """The form of one tenant as of a moment."""
    return _target(backup.way.targets) | _OF_A_TENANT


def _target(kinds: Sequence[str]) -> dict[str, Param]:
    told = ". ".join(f"{kind}: {_WORDS[kind]}" for kind in kinds if kind in _WORDS)
    valued = " or ".join(f"a {kind}" for kind in kinds if kind not in (AS_SCHEDULED, "latest", "elsewhere"))
    return {
        "target": Param(kinds[0], type="string", enum=list(kinds), title="To which moment", description=f"{told}."),
        "value": optional_text("Value", f"Of {valued}. A time has its zone: 2026-03-01 14:03:00+00:00."),
    }


def _region(regions: Sequence[str]) -> dict[str, Param]:
    return {
        "region": Param(
            regions[0],
            type="string",
            enum=list(regions),
            title="Region",
            description="Its own, or one that its snapshots are copied into: there a point alone can be had.",
        )
    }


def point_form() -> dict[str, Param]:
    """The form of a point that is named."""
    return {
        "name": Param(
            type="string",
            pattern="^[A-Za-z0-9_.-]{1,63}$",
            title="Name",
            description="What this moment is called, once and for all: before-7.2. Letters, digits, and _ . -",
        )
    }


_OF_A_TENANT = {
    "tenant": Param(type="string", minLength=1, title="Tenant", description="As the column has it: 42."),
    "column": Param(
        "tenant_id",
        type="string",
        minLength=1,
        title="Column",
        description="By which tables tell tenants apart. Tables whose policies read the same setting are found by their own.",
    ),
}
_WARM = {
    "warm": Param(
        False,
        type="boolean",
        title="Warm it up",
        description="Read what users read most into its memory before they come. It leaves the extension pg_prewarm there.",
    ),
}
_PORT = {
    "port": Param(
        0,
        type="integer",
        minimum=0,
        maximum=65535,
        title="Port",
        description="On which the server listens, with the rules that it had. 0: a socket in a closed folder alone.",
    )
}
_OF_A_RESTORE = {
    "confirm": Param(
        type="string", minLength=1, title="Confirm", description="Type the store's name: this takes disk and time."
    ),
    "days": Param(
        3,
        type="integer",
        minimum=1,
        maximum=365,
        title="Days",
        description="How long it is meant to stand; it goes when a person names it to reap_scratch.",
    ),
}
