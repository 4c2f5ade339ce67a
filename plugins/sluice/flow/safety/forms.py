"""The trigger forms of drills and restores: to which moment, and of whom."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Param

from sluice.flow.forms import optional_text

KINDS = ("latest", "time", "position", "point", "backup")
DRILLED = ("as scheduled", *KINDS, "elsewhere")


def target_form(*, drill: bool, regions: Sequence[str] = ()) -> dict[str, Param]:
    """The form; a drill may be left to choose, and a restore has more to say: where there are `regions`, in which of them."""
    if drill:
        return _target(DRILLED)
    if not regions:
        return _target(KINDS) | _OF_A_RESTORE | _PORT
    region = Param(
        regions[0],
        type="string",
        enum=list(regions),
        title="Region",
        description="Its own, or one that its snapshots are copied into: there a point alone can be had.",
    )
    return _target(KINDS) | _OF_A_RESTORE | {"region": region}


def tables_form(*, drill: bool) -> dict[str, Param]:
    """The form for tables of a service: nothing of theirs listens on a port, and there is no memory to warm."""
    return {name: param for name, param in target_form(drill=drill).items() if name not in ("port", "warm")}


def tenant_form() -> dict[str, Param]:
    """The form of one tenant as of a moment."""
    return _target(KINDS) | _OF_A_TENANT


def _target(kinds: Sequence[str]) -> dict[str, Param]:
    return {
        "target": Param(
            kinds[0],
            type="string",
            enum=list(kinds),
            title="To which moment",
            description="time: all that was committed by then. position: in the log, such as 0/3000148. point: by its name."
            " backup: as it was when that one was whole, by its name in the vault. elsewhere: the same, out of its second copy.",
        ),
        "value": optional_text(
            "Value", "Of a time, a position, a point or a backup. A time has its zone: 2026-03-01 14:03:00+00:00."
        ),
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
    "warm": Param(
        False,
        type="boolean",
        title="Warm it up",
        description="Read what users read most into its memory before they come. It leaves the extension pg_prewarm there.",
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
