"""Find a month in the vault by its table and its time alone: the database that it came from may be gone. Read only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sluice.errors import Terminal
from sluice.stores.objects import Damaged, Vault
from sluice.stores.postgres import Connection, Table
from sluice.upkeep.archive.choosing import nearest_of
from sluice.upkeep.archive.ledger import Export, months_of
from sluice.upkeep.archive.manifest import Manifest, folder_of
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.partitions.spans import BEGIN, Span
from sluice.upkeep.partitions.there import branches_of, find_branch
from sluice.upkeep.refusals import NotBroughtBack

_KEY = re.compile(
    r"(?P<lower>ever|\d+T\d{6}Z)--(?P<upper>\d+T\d{6}Z)/(?P<hash>[0-9a-f]{16})-[^/]+/manifest-[0-9a-f]{16}\.json"
)


class SeveralExports(Terminal):
    """The vault has one month more than once, with other rows: which of them is meant?"""


def find_in_ledger(c: Connection, table: Table, asked: Span) -> list[Export]:
    """Give what is in the vault of a time, by the word of the table's own database. Read-only."""
    whole = find_branch(c, table)
    months = [month for branch in branches_of(whole) for month in months_of(c, branch.table)] if whole else []
    stored = [month.export or month.supplement_of for month in months if month.span.meets(asked)]
    return [export for export in stored if export]


def find_in_vault(vault: Vault, store: str, table: Table, asked: Span) -> list[Export]:
    """Give what is in the vault of a time, the oldest first. Raises NotBroughtBack, SeveralExports, VaultDown."""
    folder = f"{folder_of(store, table)}/"
    there: dict[Span, list[str]] = {}
    for key in vault.list(folder):
        if read := _KEY.fullmatch(key.removeprefix(folder)):
            there.setdefault(_span(read), []).append(key)
    found = {span: keys for span, keys in there.items() if span.meets(asked)}
    if not found:
        raise NotBroughtBack(
            f"The vault has nothing of {table} in {store} with {asked.lower:%Y-%m-%d} in it ({folder})."
            f" {nearest_of(there, asked)} Months of a tenant lie under his own table: name the manifest by its key."
        )
    return [_last_of(vault, f"{table}, {span}", store, keys) for span, keys in sorted(found.items())]


def _last_of(vault: Vault, month: str, store: str, keys: Sequence[str]) -> Export:
    """Give the export that is no supplement's beginning. The same rows may have been written twice, by two versions of us."""
    exports = {key: read_export(vault, key) for key in keys}
    begun = {
        manifest.supplement_of["hash"]
        for export in exports.values()
        if (manifest := read_manifest(vault, export)).supplement_of
    }
    last = {export.hash: export for export in exports.values() if export.hash not in begun}
    if len(last) == 1:
        return next(iter(last.values()))
    when = {one.key: vault.stored_at(one.key) for one in last.values() or exports.values()}
    newest, *older = sorted(when, key=lambda key: when[key], reverse=True)
    raise SeveralExports(
        f"{month} was stored more than once, with other rows: last {_told(exports[newest], when[newest])}; before that"
        f" {'; '.join(_told(exports[key], when[key]) for key in older)}. Which of them counts, sluice_archive.status in {store}"
        " says; where that is gone, it is most likely the last. Give its key as `manifest`. Nothing was changed."
    )


def _told(export: Export, at: datetime) -> str:
    return f"{export.key} ({export.rows:,} rows, stored {at:%Y-%m-%d %H:%M:%S} UTC)"


def read_export(vault: Vault, key: str) -> Export:
    """Say what a manifest describes. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    body = vault.get(key)
    digest = hashlib.sha256(body).hexdigest()
    if not key.endswith(f"/manifest-{digest[:16]}.json"):
        raise Damaged(f"{key} in the vault is not the manifest that its name says. Bring an older version of it back.")
    manifest = Manifest.of(body, key)
    return Export(manifest.rows, manifest.hash, key, digest, None)


def _span(read: re.Match[str]) -> Span:
    return Span(BEGIN if read["lower"] == "ever" else _moment(read["lower"]), _moment(read["upper"]))


def _moment(text: str) -> datetime:
    return datetime.strptime(text.zfill(len("00010101T000000Z")), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
