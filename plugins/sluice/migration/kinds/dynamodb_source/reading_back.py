"""Read an export back out of the vault and compare it with the table, before anybody deletes that.

Every object is read, its checksum and its items counted against what was noted when it was written; then the table is scanned a
second time, and both must hold the same items. What is proven is proven of one table, by its id, and for a while only.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sluice.errors import Terminal
from sluice.migration.kinds.dynamodb_source.exporting import SEGMENTS, Export, Part, Seen, data_files
from sluice.stores.dynamodb.export_lines import Expires, Tally, items_in
from sluice.stores.dynamodb.identity import TableIdentity
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item
from sluice.stores.objects import Damaged

EXPIRING = timedelta(days=2)
"""What expires within this is no proof of a difference: the service removes it when it likes, also between two scans."""


class Unproven(Terminal):
    """A table may not be deleted: nothing proves that its export holds it."""


@dataclass(frozen=True)
class Proof:
    """That an export held a table's items at a moment, by the store's clock. What it says is kept as text."""

    export: str
    table_id: str
    created: str
    at: str
    exported: int
    read_back: int
    scanned: int
    same: bool

    def text(self) -> str:
        """Give it as text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Proof:
        """Read what `text` wrote. Raises Unproven."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise Unproven(f"the note of what was read back cannot be read ({error}). Clear this task.") from error


def check_proof(proof: Proof | None, table: TableIdentity, now: datetime, freshness: timedelta) -> Proof:
    """Give the proof, if it allows to delete `table` now. Raises Unproven, saying what it lacks."""
    kept = f"{table.name} was not deleted: "
    if proof is None:
        raise Unproven(f"{kept}nobody has read its export back. Clear this task.")
    if (proof.table_id, proof.created) != (table.id, table.created.isoformat()):
        raise Unproven(f"{kept}what was read back is another table's, of {proof.created}. Clear this task.")
    if now - datetime.fromisoformat(proof.at) > freshness:
        raise Unproven(f"{kept}it was read back at {proof.at}, and only {freshness} counts as fresh. Clear this task.")
    if not proof.same or proof.exported != proof.read_back:
        raise Unproven(
            f"{kept}its export has {proof.read_back:,} items of {proof.exported:,}, and the table {proof.scanned:,}, and they are"
            " not the same: it was written after it was retired. Stop who writes to it, then clear this task: that exports anew."
        )
    return proof


def prove(export: Export, summary: dict[str, Any], ttl: str | None, clock: Callable[[], datetime]) -> Proof:
    """Read all of an export, then scan its table again. `ttl` is the table's own attribute of expiry, `clock` the store's.

    Raises Damaged when an object is not what was stored, VaultDown, Throttled, DynamoDown.
    """
    expires = expiring(ttl, clock() + EXPIRING)
    back = read_back(export, summary, expires)
    again = scanned(export.client, export.table.name, export.seen, expires)
    # What expires may be gone by now, and there may not be more of it than was exported.
    same = (again.lasting, again.lasting_digest) == (back.lasting, back.lasting_digest) and again.items <= back.items
    return Proof(
        export.id,
        export.table.id,
        export.table.created.isoformat(),
        clock().isoformat(),  # when it is made: reading all of a large table may take longer than a proof is fresh
        int(summary["itemCount"]),
        back.items,
        again.items,
        same,
    )


def read_back(export: Export, summary: dict[str, Any], expires: Expires) -> Tally:
    """Read every file of an export, against its manifest and against what was noted when it was written. Raises Damaged."""
    parts = {part.key: part for part in export.parts()}
    files = list(data_files(export.vault, summary))
    if {one["dataFileS3Key"] for one in files} != parts.keys():
        raise Damaged(f"The manifest of export {export.id} does not list what was written. {ANEW}")

    def read(file: dict[str, Any]) -> Tally:
        return _read_file(export, file, parts[file["dataFileS3Key"]], expires)

    whole = Tally()
    with ThreadPoolExecutor(SEGMENTS) as pool:
        for tally in pool.map(read, files):
            whole.join(tally)
    return whole


def _read_file(export: Export, file: dict[str, Any], part: Part, expires: Expires) -> Tally:
    key, tally = file["dataFileS3Key"], Tally()
    body = export.vault.get(key)
    try:
        for item in items_in(body):
            tally.add(item, expires)
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise Damaged(f"{key} in the vault cannot be read: {error}. {ANEW}") from error
    md5 = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    found = (md5, tally.items, tally.text)
    if found != (part.md5, part.items, part.digest) or (md5, tally.items) != (file["md5Checksum"], file["itemCount"]):
        raise Damaged(f"{key} in the vault is not what was written: {tally.items:,} items of {part.items:,}. {ANEW}")
    return tally


def scanned(client: Any, table: str, seen: Seen, expires: Expires) -> Tally:
    """Count a whole table, read consistently."""

    def segment(number: int) -> Tally:
        tally, after = Tally(), None
        while True:
            page = scan_page(client, table, number, SEGMENTS, after)
            for item in filter(None, map(seen, page.items)):
                tally.add(item, expires)
            if (after := page.next_key) is None:
                return tally

    whole = Tally()
    with ThreadPoolExecutor(SEGMENTS) as pool:
        for tally in pool.map(segment, range(SEGMENTS)):
            whole.join(tally)
    return whole


def expiring(ttl: str | None, until: datetime) -> Callable[[Item], bool]:
    """Give what tells whether the service may remove an item before `until`."""

    def expires(item: Item) -> bool:
        return bool(ttl) and "N" in item.get(ttl or "", {}) and Decimal(item[ttl or ""]["N"]) < int(until.timestamp())

    return expires


ANEW = "The table is kept. Clear this task: it is exported anew."
