"""Where the estate stands: each page as a person reads it, and the same answer as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sluice.console.headers import LIVE
from sluice.console.pages import live_page
from sluice.console.paths import below_airflow
from sluice.console.waiting import waiting
from sluice.console.who import ReadableDags
from sluice.flow.overview.answering import opened
from sluice.overview.as_json import as_json
from sluice.overview.pages import PAGES

router = APIRouter()
Answering = Callable[[str], tuple[Any, str]]
"""Gives the answer of a page, and what is wrong in estate.yaml."""


def answering(readable: ReadableDags) -> Answering:
    """Give what answers for who asks. Raises HTTPException for a page that there is none."""

    def answer(page: str) -> tuple[Any, str]:
        if page not in PAGES:
            raise HTTPException(404, f"There is no page {page}: there are {', '.join(PAGES)}.")
        with opened(waiting(), readable.__contains__) as asked:
            return PAGES[page].answer(asked), asked.wrong

    return answer


Answers = Annotated[Answering, Depends(answering)]


@router.get("/")
def show_first(readable: ReadableDags) -> Response:
    """Lead to the first page."""
    return RedirectResponse(below_airflow(f"/sluice/{next(iter(PAGES))}"), 303)


@router.get("/{page}.json")
def show_answer(page: str, answer: Answers) -> Response:
    """Give an answer as JSON."""
    found, wrong = answer(page)
    return JSONResponse({**as_json(found), **({"estate_is_wrong": wrong} if wrong else {})}, headers=LIVE)


@router.get("/{page}")
def show_page(page: str, answer: Answers) -> Response:
    """Show an answer."""
    found, wrong = answer(page)
    return HTMLResponse(live_page(page, found, wrong=wrong), headers=LIVE)
