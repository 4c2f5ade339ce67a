"""One step of a runbook, and how a page of them is laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice.safety.runbooks.known import Drill, Known
from sluice.safety.words import lasts

UNDRILLED = "No drill exercises this step."


@dataclass(frozen=True)
class Step:
    """What to do, the command that does it, and the drill that does the same."""

    text: str
    command: str = ""
    drilled: tuple[str, Drill] | None = None
    """Of a store, and how it is brought back there; None where no drill of a restore does this."""
    rehearsed: str = ""
    """What else exercises it."""


@dataclass(frozen=True)
class Page:
    """One runbook."""

    title: str
    when: str
    """By what one knows that it is this one."""
    first: Sequence[Step]
    """What comes before any store."""
    stores: Sequence[tuple[str, Sequence[Step]]]
    last: Sequence[Step]
    users: str
    """What to tell them."""


def written(page: Page, known: Known) -> str:
    """Lay a page out. Pure."""
    return "\n".join(_lines(page, known)) + "\n"


def _lines(page: Page, known: Known) -> Iterator[str]:
    yield f"# {page.title}\n"
    yield f"{page.when}\n"
    yield f"Of the estate `{known.estate.estate}`, written {known.at:%Y-%m-%d %H:%M} UTC from its file and its drills.\n"
    yield from _contacts(known)
    yield from _numbers(known)
    yield "## First\n"
    yield from _steps(page.first, known)
    for store, steps in page.stores:
        yield f"## The store `{store}`\n"
        yield from _steps(steps, known)
    yield "## Then\n"
    yield from _steps(page.last, known)
    yield "## What to tell users\n"
    yield f"> {page.users}"


def _contacts(known: Known) -> Iterator[str]:
    yield "## Whom to call, in this order\n"
    for number, one in enumerate(known.estate.contacts, start=1):
        yield f"{number}. {one.name}, {one.role}: {one.reach}"
    if not known.estate.contacts:
        yield "Nobody is named: include/estate/estate.yaml has no `contacts`."
    yield ""


def _numbers(known: Known) -> Iterator[str]:
    yield "## What is promised, and what was measured\n"
    yield "| store | engine | RTO | back in, by its drills | RPO | lost at most, when this was written | last proven (UTC) |"
    yield "|---|---|---|---|---|---|---|"
    for name, store in known.stores.items():
        found = known.exposures.get(name)
        back = lasts(found.back_in) if found and found.back_in is not None else "unknown"
        lost = found.lost if found else "unknown"
        proven = f"{found.proven_at:%Y-%m-%d %H:%M}" if found and found.proven_at else "never"
        promised = (lasts(store.rto.total_seconds()), lasts(store.rpo.total_seconds()))
        yield f"| `{name}` | {store.engine} | {promised[0]} | {back} | {promised[1]} | {lost} | {proven} |"
    yield ""


def _steps(steps: Sequence[Step], known: Known) -> Iterator[str]:
    for number, step in enumerate(steps, start=1):
        yield f"{number}. {step.text}"
        if step.command:
            yield f"\n   ```sh\n   {step.command}\n   ```"
        yield f"\n   *{known.exercised(*step.drilled) if step.drilled else step.rehearsed or UNDRILLED}*\n"
