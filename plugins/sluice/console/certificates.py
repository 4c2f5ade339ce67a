"""What drills have left in the vault, a page each: to people who may read the DAG that drills that store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, Response

from sluice.console.headers import KEPT
from sluice.console.pages import certificate_page, failover_page
from sluice.console.who import ReadableDags
from sluice.flow.connections import open_vault
from sluice.overview.drills.page import FAILED_OVER
from sluice.safety.drill.certificate import folder_of, read_certificate
from sluice.safety.replicas.certificate import folder_of as failovers_of
from sluice.safety.replicas.certificate import read_failover
from sluice.stores.objects import NoSuchKey, Vault

router = APIRouter()
FromVault = Annotated[Vault, Depends(open_vault)]


@router.get("/drills/{store}/{name}")
def show_certificate(store: str, name: str, readable: ReadableDags, vault: FromVault) -> Response:
    """Show what a drill of a store has proven. Raises NoSuchKey, Unreadable, VaultDown."""
    _let_in(f"restore_drill__{store}", readable)
    found = read_certificate(vault, _key(folder_of(store), store, name))
    return HTMLResponse(certificate_page(found), headers=KEPT)


@router.get("/failovers/{store}/{name}")
def show_failover(store: str, name: str, readable: ReadableDags, vault: FromVault) -> Response:
    """Show what a failover drill of a store has proven. Raises NoSuchKey, Unreadable, VaultDown."""
    _let_in(FAILED_OVER, readable)
    found = read_failover(vault, _key(failovers_of(store), store, name))
    return HTMLResponse(failover_page(found), headers=KEPT)


def _let_in(dag_id: str, readable: frozenset[str]) -> None:
    if dag_id not in readable:
        raise HTTPException(403, f"You may not read {dag_id}, and this is behind it.")


def _key(folder: str, store: str, name: str) -> str:
    """Name the key. A step up would leave the store that the reader was let in for."""
    if any("/" in one or one in ("", ".", "..") for one in (store, name)) or not name.endswith(".json"):
        raise NoSuchKey(f"{folder}{name} is no certificate: the console's page Drills leads to those that there are.")
    return f"{folder}{name}"
