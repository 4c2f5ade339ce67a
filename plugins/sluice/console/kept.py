"""What is kept: evidence and data docs from the vault, and the last numbers, for Prometheus. To whom may read that DAG."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from sluice.console.headers import DOCS, KEPT
from sluice.console.pages import evidence_page
from sluice.console.who import may_read
from sluice.flow.connections import open_vault
from sluice.flow.insight.publishing import PUBLISHED, metrics_text
from sluice.insight.dashboards.prometheus import CONTENT_TYPE
from sluice.proof.gates import evidence
from sluice.stores.objects import NoSuchKey, Vault

router = APIRouter()
FromVault = Annotated[Vault, Depends(open_vault)]


@router.get("/evidence/{dag_id}/{rest:path}", dependencies=[Depends(may_read)])
def show_evidence(dag_id: str, rest: str, vault: FromVault, sha256: str | None = None) -> Response:
    """Show a record, its seal tested, against `sha256` too when the link brings it."""
    kept = evidence.read(vault, _key("evidence", dag_id, rest), sha256)
    return HTMLResponse(evidence_page(kept), headers=KEPT)


@router.get("/docs/{dag_id}/{rest:path}", dependencies=[Depends(may_read)])
def show_docs(dag_id: str, rest: str, vault: FromVault) -> Response:
    """Show one file of data docs."""
    body = vault.get(_key("docs", dag_id, rest))
    kind = mimetypes.guess_type(rest)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers=DOCS)


@router.get("/metrics/{dag_id}", dependencies=[Depends(may_read)])
def show_metrics(dag_id: str) -> Response:
    """Show the last number of everything that is measured, as Prometheus reads it: to people who may read `publish_metrics`."""
    if dag_id != PUBLISHED:
        raise NoSuchKey(f"metrics/{dag_id} is not there: the numbers are at metrics/{PUBLISHED}.")
    return Response(metrics_text(), media_type=CONTENT_TYPE, headers=KEPT)


def _key(prefix: str, dag_id: str, rest: str) -> str:
    """Name the key. A step up would leave the DAG that the reader was let in for."""
    if any(step in ("", ".", "..") for step in (dag_id, *rest.split("/"))):
        raise NoSuchKey(f"{prefix}/{dag_id}/{rest} is no key of evidence. Open it from its task: Details → Evidence.")
    return f"{prefix}/{dag_id}/{rest}"
