"""The console: evidence and data docs from the vault, inside Airflow's UI. Read only.

Mounted at /sluice, and an address is a key of the vault: `/sluice/evidence/<dag>/<run>/<task>.json`. It
serves nothing but keys below `evidence/` and `docs/`, to people who may read that DAG, and the last numbers,
for Prometheus. Pages run no script;
data docs, whose HTML is not ours, come in a sandbox of their own.
"""

from __future__ import annotations

import mimetypes
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sluice.console.pages import evidence_page, problem_page
from sluice.console.who import login_address, may_read
from sluice.errors import SluiceError, Transient
from sluice.flow.connections import open_vault
from sluice.flow.insight.publishing import PUBLISHED, metrics_text
from sluice.insight.dashboards.prometheus import CONTENT_TYPE
from sluice.proof.gates import evidence
from sluice.stores.objects import NoSuchKey, Vault

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'",
}
DOCS_HEADERS = {**HEADERS, "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'; sandbox"}

app = FastAPI(title="Sluice", openapi_url=None, docs_url=None, redoc_url=None)
FromVault = Annotated[Vault, Depends(open_vault)]


@app.get("/evidence/{dag_id}/{rest:path}", dependencies=[Depends(may_read)])
def show_evidence(dag_id: str, rest: str, vault: FromVault, sha256: str | None = None) -> Response:
    """Show a record, its seal tested, against `sha256` too when the link brings it."""
    kept = evidence.read(vault, _key("evidence", dag_id, rest), sha256)
    return HTMLResponse(evidence_page(kept), headers=HEADERS)


@app.get("/docs/{dag_id}/{rest:path}", dependencies=[Depends(may_read)])
def show_docs(dag_id: str, rest: str, vault: FromVault) -> Response:
    """Show one file of data docs."""
    body = vault.get(_key("docs", dag_id, rest))
    kind = mimetypes.guess_type(rest)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers=DOCS_HEADERS)


@app.get("/metrics/{dag_id}", dependencies=[Depends(may_read)])
def show_metrics(dag_id: str) -> Response:
    """Show the last number of everything that is measured, as Prometheus reads it: to people who may read `publish_metrics`."""
    if dag_id != PUBLISHED:
        raise NoSuchKey(f"metrics/{dag_id} is not there: the numbers are at metrics/{PUBLISHED}.")
    return Response(metrics_text(), media_type=CONTENT_TYPE, headers=HEADERS)


@app.exception_handler(SluiceError)
def show_problem(request: Request, error: SluiceError) -> Response:
    """Say what the vault said: 404 for what is not there, 503 for what may pass, 502 for the rest."""
    status = 404 if isinstance(error, NoSuchKey) else 503 if isinstance(error, Transient) else 502
    return HTMLResponse(problem_page(type(error).__name__, str(error)), status, headers=HEADERS)


@app.exception_handler(HTTPException)
async def show_login(request: Request, error: HTTPException) -> Response:
    """Lead a person whom Airflow does not know to its login, and from there to the page; tell a program 401."""
    if error.status_code != 401 or "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    asked = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(login_address(asked), 303)


def _key(prefix: str, dag_id: str, rest: str) -> str:
    """Name the key. A step up would leave the DAG that the reader was let in for."""
    if any(step in ("", ".", "..") for step in (dag_id, *rest.split("/"))):
        raise NoSuchKey(f"{prefix}/{dag_id}/{rest} is no key of evidence. Open it from its task: Details → Evidence.")
    return f"{prefix}/{dag_id}/{rest}"
