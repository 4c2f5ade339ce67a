"""The console's pages over a ledger of a year: how long each takes to be answered and written, and until Chromium has drawn it.

Against the same pages of an estate that has one of everything: what a page costs by itself, and what the estate's size adds.
The app is served as Airflow serves it, by uvicorn, but without Airflow's login, which costs the same whatever is shown.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, sync_playwright
from sluice.estate.models import Estate
from sluice.ledger.seen import SeenThings
from sluice.local.ports import free_port
from sluice.overview.asked import Asked
from sluice.overview.pages import PAGES
from sluice.stores.postgres import connect

from benchmarks._scratch import Scratch, rounds, scratch, setting, summary, timed
from benchmarks._year import Size, fill

LARGE = Size(stores=10, migrations=50, tables=40, months=125, days=365)
SMALL = Size(stores=1, migrations=1, tables=1, months=12, days=7)
ALLOWED = 0.3
"""Seconds that a page may take."""
SEEN = """() => [...document.querySelectorAll("figure[data-chart] .canvas")]
  .filter((one) => one.getBoundingClientRect().top < innerHeight).every((one) => one.querySelector("svg"))"""
"""Whether every chart that is in sight has been drawn."""
QUIET = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"


def main() -> dict[str, Any]:
    """Open every page, over a year of much and over a week of little."""
    many = setting("ROUNDS", 5)
    with scratch(0) as made, ExitStack() as stack:
        large, small = (
            stack.enter_context(_served(made, name, size)) for name, size in (("year", LARGE), ("week", SMALL))
        )
        page = stack.enter_context(_browser())
        cases: dict[str, Callable[[], float]] = {}
        for name in PAGES:
            cases[f"{name}: answered"] = partial(timed, partial(_ask, page, f"{large}/sluice/{name}"))
            cases[f"{name}: drawn"] = partial(_draw, page, f"{large}/sluice/{name}")
        smallest = "of one of each, answered"
        cases[smallest] = partial(timed, partial(_ask, page, f"{small}/sluice/estate"))
        for work in cases.values():
            work()  # what is read once is read before
        seen = rounds(cases, many)
        slow = {name: median(took) for name, took in seen.items() if median(took) > ALLOWED}
        print(f"over {ALLOWED} s: " + (", ".join(f"{name} {took:.2f}" for name, took in slow.items()) or "none"))
        slowest = max(seen, key=lambda name: median(seen[name]))
        return summary("console", slowest, smallest, seen)


@contextmanager
def _served(made: Scratch, name: str, size: Size) -> Iterator[str]:
    """Serve the console over a filled ledger; gives its address."""
    database = f"bench_{name}"
    with connect(made.cluster.dsn("postgres"), purpose="bench") as admin:
        admin.execute(f"CREATE DATABASE {database}")
    dsn = made.cluster.dsn(database)
    with connect(dsn, purpose="bench") as c:
        estate = fill(c, size)
        c.execute("VACUUM ANALYZE")
    server = uvicorn.Server(uvicorn.Config(_app(dsn, estate), port=free_port(), log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join()


def _app(dsn: str, estate: Estate) -> FastAPI:
    """The console's own routes, each answered over this ledger, to somebody who may read everything."""
    from sluice.console import assets
    from sluice.console.pages import live_page
    from starlette.responses import HTMLResponse

    app = FastAPI()

    @app.get("/sluice/{page}")
    def show(page: str) -> HTMLResponse:
        with connect(dsn, purpose="bench") as c:
            asked = Asked(c, estate, SeenThings(c).prepare().now(), (), lambda dag_id: True)
            return HTMLResponse(live_page(page, PAGES[page].answer(asked)))

    static = FastAPI()
    static.include_router(assets.router)
    app.mount("/sluice", static)
    return app


@contextmanager
def _browser() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET.split())
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def _ask(page: Page, address: str) -> None:
    answer = page.request.get(address)
    if answer.status != 200:
        raise ValueError(f"{address}: {answer.status}: {answer.text()[:300]}")


def _draw(page: Page, address: str) -> float:
    """Give the seconds from the click until everything has been drawn: the library is known by then, as on any second visit."""
    page.goto(address, wait_until="load")
    page.wait_for_function(SEEN, polling=10)
    milliseconds: float = page.evaluate("() => performance.now()")  # since the click
    return milliseconds / 1000
