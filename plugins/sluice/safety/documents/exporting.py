"""Export a table as it was to the vault, by the service, at no cost of the table's units; read back before it counts.

backups/stores/<store>/exports/<table>/AWSDynamoDB/<export>/…     the service's own layout
"""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.errors import Terminal, Transient
from sluice.safety.backup import place_of
from sluice.safety.documents.settings import Entry
from sluice.safety.documents.tables import Tables
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.export_lines import Tally, items_in
from sluice.stores.objects import Damaged, NoSuchKey, Vault

LEFT_OUT = {
    "S3BucketOwner": "the vault is in the account of the store; where not, name it to the service by hand",
    "IncrementalExportSpecification": "every export is whole",
    "FilterSpecification": "every item",
}
"""What of ExportTableToPointInTime is not said, and why."""


class NotExported(Terminal):
    """An export that the service calls complete, and that is not there."""


class StillExporting(Transient):
    """The service exports still."""


@dataclass(frozen=True)
class Exported:
    """An export that was read back."""

    manifest: str
    items: int
    hash: str
    """Of all items, free of order."""


def export_request(tables: Tables, vault: Vault, table: str, at: datetime, key: str | None, arn: str) -> Entry:
    """Give what the service is asked for. Pure. `key`: of KMS, None for S3's own. By its token a second try is the same."""
    seal = {"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": key} if key else {"S3SseAlgorithm": "AES256"}
    return {
        "TableArn": arn,
        "ExportTime": at,
        "ClientToken": hashlib.sha256(f"{arn} {at.isoformat()}".encode()).hexdigest()[:32],
        "S3Bucket": vault.bucket,
        "S3Prefix": f"{place_of(tables.store)}/exports/{table}",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
        **seal,
    }


def begin_export(tables: Tables, vault: Vault, table: str, at: datetime, key: str | None = None) -> str:
    """Ask for an export of a table as it was; gives its address. Safe to repeat. Raises DynamoRefused where history is off."""
    asked = export_request(tables, vault, table, at, key, tables.described(table)["TableArn"])
    with speaking("export", table):
        return str(tables.clients.dynamodb.export_table_to_point_in_time(**asked)["ExportDescription"]["ExportArn"])


def look_at_export(tables: Tables, table: str, address: str) -> dict[str, Any] | None:
    """Give what the service says of an export that is over; None while it is under way. Raises NotExported."""
    with speaking("look at an export of", table):
        told: dict[str, Any] = tables.clients.dynamodb.describe_export(ExportArn=address)["ExportDescription"]
    if told["ExportStatus"] == "FAILED":
        raise NotExported(
            f"{table}: its export failed: {told.get('FailureCode')} {told.get('FailureMessage')}. Ask for another."
        )
    return told if told["ExportStatus"] == "COMPLETED" else None


def read_export(vault: Vault, table: str, told: dict[str, Any]) -> Exported:
    """Read all of an export back: what the service calls complete proves nothing. Raises NotExported, Damaged."""
    manifest = told.get("ExportManifest")
    try:
        summary = json.loads(vault.get(manifest)) if manifest else None
        if summary is None:
            raise NotExported(f"{table}: the service says that its export is complete, and names no manifest of it.")
        files = [json.loads(line) for line in vault.get(summary["manifestFilesS3Key"]).splitlines()]
        tally = Tally()
        for file in files:
            tally.join(_read(vault, table, file))
    except NoSuchKey as error:
        raise NotExported(
            f"{table}: the service says that its export is complete, and it is not there: {error}"
        ) from error
    if tally.items != summary["itemCount"]:
        raise Damaged(f"{table}: {manifest} says {summary['itemCount']:,} items, and its files hold {tally.items:,}.")
    return Exported(str(manifest), tally.items, tally.text)


def _read(vault: Vault, table: str, file: dict[str, Any]) -> Tally:
    body, tally = vault.get(file["dataFileS3Key"]), Tally()
    try:
        for item in items_in(body):
            tally.add(item, lambda _: False)
    except (gzip.BadGzipFile, EOFError, ValueError, KeyError) as error:
        raise Damaged(f"{table}: {file['dataFileS3Key']} cannot be read ({error}). Keep it as evidence.") from error
    md5 = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if (md5, tally.items) != (file["md5Checksum"], file["itemCount"]):
        raise Damaged(f"{table}: {file['dataFileS3Key']} is not what its manifest says. Keep it as evidence.")
    return tally
