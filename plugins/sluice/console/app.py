"""The console: where the estate stands, evidence and data docs, inside Airflow's UI. Read only.

Mounted at /sluice. `/sluice/<page>` answers from the ledger; `/sluice/evidence/<dag>/<run>/<task>.json` is a key of the vault,
and so is `/sluice/drills/<store>/<name>.json`. It serves people whom Airflow knows, and nothing behind a DAG that they may not
read. Pages run no script but the console's own.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sluice.console import assets, certificates, kept, standing, tabs
from sluice.console.headers import KEPT
from sluice.console.pages import problem_page
from sluice.console.who import login_address
from sluice.errors import SluiceError, Transient
from sluice.overview.migrations.one import NoMigration
from sluice.stores.objects import NoSuchKey

app = FastAPI(title="Sluice", openapi_url=None, docs_url=None, redoc_url=None)
app.include_router(kept.router)
app.include_router(certificates.router)
app.include_router(assets.router)
app.include_router(standing.router)
app.include_router(tabs.router)


@app.exception_handler(SluiceError)
def show_problem(request: Request, error: SluiceError) -> Response:
    """Say what the vault or the ledger said: 404 for what is not there, 503 for what may pass, 502 for the rest."""
    status = 404 if isinstance(error, NoSuchKey | NoMigration) else 503 if isinstance(error, Transient) else 502
    name, told = type(error).__name__, str(error)
    if not _reads_pages(request):
        return JSONResponse({"error": name, "detail": told}, status, headers=KEPT)
    return HTMLResponse(problem_page(name, told), status, headers=KEPT)


@app.exception_handler(HTTPException)
async def show_refusal(request: Request, error: HTTPException) -> Response:
    """Lead a person whom Airflow does not know to its login, and from there to the page; tell others why not."""
    if not _reads_pages(request):
        return await http_exception_handler(request, error)
    if error.status_code == 401:
        asked = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(login_address(asked), 303)
    title = "There is no such page" if error.status_code == 404 else "This is not for you to see"
    return HTMLResponse(problem_page(title, str(error.detail)), error.status_code, headers=KEPT)


def _reads_pages(request: Request) -> bool:
    """Whether who asks is a browser, and no program."""
    return "text/html" in request.headers.get("accept", "")
