"""What a person is asked: what happens, what was measured, and where the evidence is. In Markdown."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from sluice.overview.links import evidence_path

if TYPE_CHECKING:
    from sluice.estate import Migration
    from sluice.ledger.control import Control
    from sluice.migration.engine.contract import Kind
    from sluice.stores.postgres import Row


def describe(m: Migration, kind: Kind, control: Control, step: str, gate: str) -> str:
    """Write the body of the question, in Markdown."""
    measured, evidence = control.facts(gate, any_run=True), control.evidence(gate, any_run=True)
    facts = measured.facts
    open_now, why = m.cutover.open_at(measured.now)
    compared = f"{facts.get('rows_compared', 0):,} rows compared in {facts.get('diff_seconds', 0)} s"
    lines = {
        "Table": f"`{m.source.table}` → `{m.becomes}`",
        "What happens": _what_happens(m, step),
        **for_applications(m, step),
        **_early(m, kind, step),
        "Diff": f"{compared}: "
        + ", ".join(f"{facts.get(f'rows_{how}')} {how}" for how in ("missing", "extra", "different")),
        "Measured": f"{measured.at:%Y-%m-%d %H:%M} UTC, epoch {measured.epoch}"
        + UNTIL[step].format(measured.at + m.gates.freshness),
        "Lag": _lag(m, kind),
        "Window": "open" if open_now else why,
        **_shadow(control, step),
        "Gate of the comparison": _evidence(gate, evidence),
    }
    # No table: Airflow shows this in a narrow panel, where a list wraps and a table is cut off.
    return "\n".join(f"- **{name}**: {text}" for name, text in lines.items())


def _what_happens(m: Migration, step: str) -> str:
    from sluice.estate import IntoPostgresMigration, SingleTableMigration

    from_items = (SingleTableMigration, IntoPostgresMigration)
    if step == "retire" and isinstance(m, from_items) and m.retire.old_table == "delete":
        return DELETED.format(backup=BACKUPS[m.retire.backup])
    return WHAT_HAPPENS[m.kind][step].format(timeout=m.cutover.longest_wait.total_seconds() * 1000)


def _lag(m: Migration, kind: Kind) -> str:
    """How far what follows is behind, measured now."""
    if not m.follows_later:
        return f"none (capture is atomic); older snapshots in the way: {kind.drain(0).held_by or 'none'}"
    begun = time.monotonic()
    if late := kind.drain(LONGEST_LAG).pending:
        return f"{late} canaries or shards had not arrived after {LONGEST_LAG:.0f} s: do not approve before they do"
    return f"a change takes {time.monotonic() - begun:.1f} s from end to end (canaries, just now)"


def _early(m: Migration, kind: Kind, step: str) -> dict[str, str]:
    """That the old table is given up before its time, where the run was asked to (retire_early)."""
    from sluice.migration.engine.steps import kept_until

    if step != "retire":
        return {}
    now, until = kind.position().now, kept_until(m, kind)
    if now is None or until is None or now >= until:
        return {}
    return {"Early": f"keep_old_for keeps it until {until:%Y-%m-%d %H:%M} UTC; this run retires it now (retire_early)."}


def _shadow(control: Control, step: str) -> dict[str, str]:
    """How the application's own reads fared on the new table, before it takes over."""
    if step != "cut_over":
        return {}
    facts = control.facts("shadowing", any_run=True).facts
    worst = f"; worst: {_plain(facts['shadow_worst'])}" if facts.get("shadow_worst") else ""
    return {
        "Shadow read": f"{_plain(facts['headline'])}{worst}",
        "Gate of the shadow read": _evidence("shadowing", control.evidence("shadowing", any_run=True)),
    }


def _evidence(gate: str, evidence: Row | None) -> str:
    if evidence is None:
        return f"{gate} RED: none"
    link = f"[{evidence['key']}]({evidence_path(evidence['key'], evidence['sha256'])})"
    return f"{gate} {'green' if evidence['passed'] else 'RED'}: {link}"


def _plain(text: str) -> str:
    """Text of somebody else's, within Markdown."""
    return re.sub(r"([|`\\*_\[\]<>])", r"\\\1", text)


UNTIL = {"cut_over": "; a yes counts until {:%H:%M}", "retire": "; it is compared once more before anything is retired"}
_ROUTED = (
    "Applications that follow the route write nowhere for about {timeout:.0f} ms, then to the new side, and read there."
)
_KEPT = "The old table stops following and is kept as it is. After this there is no cutting back."
WHAT_HAPPENS = {
    "same_cluster": {
        "cut_over": "The new table takes over the name; writers wait at most {timeout:.0f} ms a try, usually under 20 ms."
        " Every write then goes to both, so cutting back keeps them all.",
        "retire": "The old table stops following and moves to schema `sluice_attic`, kept. After this there is no cutting back.",
    },
    "single_table": {
        "cut_over": f"{_ROUTED} Every write then goes back to the old table too, so cutting back keeps them all.",
        "retire": _KEPT,
    },
    "into_postgres": {
        "cut_over": f"{_ROUTED} **Nothing of what they write then goes back to DynamoDB**: one can cut back only until the first"
        " write.",
        "retire": _KEPT,
    },
}
"""By kind and step: what a yes leads to."""
DELETED = (
    "The old table stops following. {backup} it is exported to the vault (`retired/`), all of it is read back and compared with"
    " the table, and if they are the same **the old table is deleted**. There is no cutting back; from the export it can be made"
    " again. `retire: {{old_table: keep}}` in the YAML keeps it."
)
BACKUPS = {
    "on_demand": "Then it is backed up by the service,",
    "point_in_time": "Then the service keeps its history (35 days),",
    "none": "Then, **without a backup by the service**,",
}
LONGEST_LAG = 20.0
"""Seconds that the question waits for canaries."""


def for_applications(m: Migration, step: str) -> dict[str, str]:
    """What applications must know from that second on, as the migration's file has it."""
    from sluice.estate import SameClusterMigration

    if step != "cut_over" or not isinstance(m, SameClusterMigration):
        return {}
    said = []
    if "weaker_key" in m.accept:
        columns = dict.fromkeys(cut.column for cut in m.target.cuts)
        said.append(f"`ON CONFLICT` must name the key with {', '.join(map(_plain, columns))} in it.")
    if m.target.range_cut:
        said.append(f"A row whose {_plain(m.target.range_cut.column)} is outside the partitions is an error.")
    changed, gone = m.target.columns, [name for name, change in m.target.columns.items() if change.drop]
    if gone:
        said.append(f"Gone: {', '.join(map(_plain, gone))}.")
    if made := [f"{name} {change.type}" for name, change in changed.items() if not change.drop]:
        said.append(f"New or another type: {', '.join(map(_plain, made))}.")
    if changed:
        said.append("Deploy the application that knows these columns in the same moment.")
    return {"For applications": " ".join(said) or "Nothing changes but the table behind the name."}
