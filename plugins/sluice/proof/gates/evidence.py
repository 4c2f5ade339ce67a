"""The kept record of a gate: what was judged, from what, by which rules, sealed with its own hash.

Kept in the vault under `evidence/<dag_id>/<run_id>/<task_id>.json`, written once; a second try of the same
task, or one that was cleared, gets `<task_id>.2.json` and so on, so no red verdict is ever lost behind a
green one. The seal finds a record that was changed; whoever can write to the vault could seal again, so the
seal is also kept elsewhere (ledger, XCom) and given back to `read`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sluice.proof.gates.docs import PAGE
from sluice.proof.gates.run import Judged
from sluice.proof.gates.suites import Fact
from sluice.proof.gates.verdict import canonical
from sluice.stores.objects import AlreadyThere, Vault


@dataclass(frozen=True)
class Evidence:
    """Where a record is kept. `sha256` is its seal; `docs_key` its page of data docs, if there is one."""

    key: str
    sha256: str
    docs_key: str | None


@dataclass(frozen=True)
class Kept:
    """A record as read. `intact` is whether it is, to the byte, what was sealed."""

    key: str
    record: Mapping[str, Any]
    sha256: str
    intact: bool


def keep(
    vault: Vault, judged: Judged, facts: Mapping[str, Fact], *,
    dag_id: str, run_id: str, task_id: str, try_number: int, extra: Mapping[str, Any],
) -> Evidence:  # fmt: skip
    """Write the record and its pages. Safe to repeat: the same record is kept once.

    `extra` is what else counts: `kept_at` of the database's clock, the configuration's hash, the code's
    version. Raises VaultDown (transient), AccessDenied.
    """
    docs_key = _keep_docs(vault, judged, f"{dag_id}/{run_id}/{task_id}")
    record = {
        "verdict": judged.verdict.to_dict(), "facts": facts, "suites_sha256": judged.suites_sha256,
        "docs_key": docs_key, "dag_id": dag_id, "run_id": run_id, "task_id": task_id,
        "try_number": try_number, **extra,
    }  # fmt: skip
    sha256 = seal(record)
    body = canonical({"record": record, "sha256": sha256}).encode()
    return Evidence(_put_next(vault, f"evidence/{dag_id}/{run_id}/{task_id}", body), sha256, docs_key)


def read(vault: Vault, key: str, sha256: str | None = None) -> Kept:
    """Read a record and test its seal, against `sha256` too where that is known from elsewhere.

    Raises NoSuchKey, VaultDown, AccessDenied; a record that is not even JSON is one that is not intact.
    """
    body = vault.get(key)
    try:
        told = json.loads(body)
        record, sealed = told["record"], told["sha256"]
        intact = seal(record) == sealed and sha256 in (None, sealed)
        return Kept(key, dict(record), str(sealed), intact)
    except (ValueError, KeyError, TypeError):
        return Kept(key, {}, "", False)


def seal(record: Mapping[str, Any]) -> str:
    """Hash the canonical text of a record."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def code_version(root: Path) -> str | None:
    """Tell the commit that `root` stands on, without running git; None where that cannot be told."""
    try:
        head = (root / ".git" / "HEAD").read_text().strip()
        branch = head.removeprefix("ref: ")
        return head if branch == head else (root / ".git" / branch).read_text().strip()
    except OSError:
        return None


def _keep_docs(vault: Vault, judged: Judged, place: str) -> str | None:
    # Named by content, so that the pages can be there before the record that points at them.
    digest = hashlib.sha256(b"".join(judged.docs.values())).hexdigest()[:12]
    for path, page in judged.docs.items():
        vault.put_once(f"docs/{place}/{digest}/{path}", page, "text/html; charset=utf-8")
    return f"docs/{place}/{digest}/{PAGE}" if judged.docs else None


def _put_next(vault: Vault, stem: str, body: bytes) -> str:
    for n in count(1):
        try:
            key = f"{stem}.json" if n == 1 else f"{stem}.{n}.json"
            return vault.put_once(key, body, "application/json").key
        except AlreadyThere:
            continue
    raise AssertionError("count never ends")
