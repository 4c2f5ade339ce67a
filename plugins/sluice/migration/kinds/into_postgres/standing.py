"""How a migration stands: what every gate wants to know, how far the copy is, and whether a cutover has what it stands on."""

from __future__ import annotations

from psycopg import sql

from sluice.migration.engine.contract import Drifted, Facts, NotYet, Phase, Position, Progress
from sluice.migration.kinds.dynamodb_source.last_look import Looked
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.stores.postgres import one, rows
from sluice.stores.statements import statement

MOST_NAMED = 20
"""Unknown attributes that are named, the most frequent first."""


def standing(parts: Parts) -> Facts:
    """Drift, quarantine, and writes that came past the route since the cutover."""
    with parts.marks.shared(parts.c) as row:
        differs, phase = not row["same_target"], row["phase"]
    made = parts.marks.row(parts.c)["source_fingerprint"]
    # Once retired the tables are on their own, and the old one may be gone.
    differs = phase != Phase.RETIRED and (differs or made not in (None, parts.fingerprint))
    held = parts.marks.quarantined(parts.c)
    return {
        "fingerprint_differs": int(differs),
        "quarantined": held["rows"],
        "quarantined_told": held["samples"],
        "writes_astray": writes_astray(parts) if phase == Phase.CUT_OVER else 0,
    }


def writes_astray(parts: Parts) -> int:
    """Count what was read of the old table's stream since the cutover: it came past the route."""
    return int(one(parts.c, statement("into_postgres.count_seen"), name=parts.name)["seen"])


def looked(parts: Parts, position: Position) -> Looked:
    """How far the old table's stream is read, where the rows lead."""
    if position.phase is not Phase.CUT_OVER or position.now is None:
        return Looked()
    places = rows(parts.c, statement("into_postgres.list_places"), name=parts.name, epoch=position.epoch)
    left = {row["shard"]: row["position"] for row in places if not row["done"]}
    finished = tuple(row["shard"] for row in places if row["done"])
    stream = next((row["stream"] for row in places), "")
    return Looked(position.now.isoformat(), stream, left, finished)


def progress(parts: Parts) -> Progress:
    """How far the copy is. Read-only."""
    counted, row = parts.marks.chunks(parts.c), parts.marks.find(parts.c)
    seconds, done, chunks = counted["seconds"], counted["done"], counted["chunks"]
    rate = counted["rows"] / seconds if seconds else 0.0
    estimated = row["rows_estimated"] or 0 if row else 0
    eta = max(0, estimated - counted["rows"]) / rate if rate else None
    return Progress(chunks, done, counted["rows"], estimated, rate, eta)


def extras(parts: Parts) -> Facts:
    """Attributes that no column takes: how many sorts, how many values, and the most frequent."""
    if parts.migration.target.extra is None:
        return {"extra_attributes": 0, "extra_values": 0}
    extra = sql.Identifier(parts.migration.target.extra)
    query = statement("into_postgres.count_extras", target=parts.table.identifier, extra=extra)
    counted = rows(parts.c, query)
    told = ", ".join(f"{row['name']} {row['rows']}" for row in counted[:MOST_NAMED])
    return {"extra_attributes": len(counted), "extra_values": sum(r["rows"] for r in counted), "extras": told}


def check_ready(parts: Parts) -> None:
    """Raise NotYet unless everything that a cutover stands on holds."""
    phase, stands = parts.position().phase, standing(parts)
    if phase is not Phase.SHADOWING:
        raise NotYet(f"{parts.name} is {phase}: a cutover follows shadowing.")
    if stands["quarantined"]:
        samples = parts.marks.quarantined(parts.c)["samples"]
        raise NotYet(f"{parts.name} has {stands['quarantined']} items in quarantine: {samples}.")
    if stands["fingerprint_differs"]:
        raise Drifted(
            f"{parts.table} or the mapping is not what it was when capture began. Nothing was switched. Put it back, or"
            f" `./sluice abort {parts.name}` and begin again."
        )
    freshness = parts.migration.gates.freshness
    if not parts.marks.proof_age(parts.c, freshness)["fresh"]:
        raise NotYet(f"{parts.name} has no clean diff of the last {freshness}: run verify again.")
