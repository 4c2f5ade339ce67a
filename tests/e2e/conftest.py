"""A machine of its own for the whole ring, with 20 000 rows and live ports that nobody else uses, and a browser before it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sluice.local import machine
from sluice.local.certify import seed
from sluice.local.ports import free_port
from sluice.local.settings import PORT_SETTINGS, Settings
from sluice.stores.postgres import connect
from xdist.scheduler import LoadFileScheduling

from tests.e2e.driver import Driver
from tests.e2e.screen import Screen

ROWS = 20_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"


class ByMachine(LoadFileScheduling):
    """All files that share the machine go to one worker, as one; the drill of kills has its own, and runs beside them."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "the machine" if "tests/e2e/" in file and not file.endswith("test_kills.py") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByMachine:
    """Tell xdist so."""
    return ByMachine(config, log)


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """The browser's path. Without one the ring is skipped; where it must run (CI), it fails."""
    if CHROMIUM is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("Chromium is not here: `apt-get install chromium`, then run the ring again.")
    return str(CHROMIUM)


@pytest.fixture(scope="session")
def settings(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The whole machine, up; down again at the end, whatever happened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_STATE_DIR", str(tmp_path_factory.mktemp("machine")))
        for name in PORT_SETTINGS.values():
            patch.setenv(name, str(free_port()))
        try:
            yield machine.up(quiet=True)
        finally:
            machine.down()


@pytest.fixture(scope="session")
def driver(settings: Settings) -> Iterator[Driver]:
    """Airflow to be asked, and the sample estate to be looked at."""
    with connect(settings.dsn("certify"), purpose="e2e") as mover:
        seed(mover, rows=ROWS, report=lambda line: None)
        yield Driver(settings, machine.api(settings), mover)


@pytest.fixture(scope="session")
def browser_page(chromium: str, settings: Settings) -> Iterator[Page]:
    """Chromium, logged in as admin the way a person does it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        expect.set_options(timeout=60_000)  # a busy machine is not a broken one
        yield _logged_in(browser, settings, "admin")
        browser.close()


def _logged_in(browser: Browser, settings: Settings, user: str) -> Page:
    page = browser.new_page(viewport={"width": 1400, "height": 900}, base_url=settings.airflow_url)
    page.set_default_timeout(60_000)
    page.goto("/auth/login")
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(settings.password(user))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/auth" not in address)
    return page


@pytest.fixture
def screen(browser_page: Page) -> Screen:
    """What a person sees and clicks."""
    return Screen(browser_page)


@pytest.fixture
def viewers_screen(browser_page: Page, settings: Settings) -> Iterator[Screen]:
    """What somebody sees who may look and change nothing."""
    browser = browser_page.context.browser
    assert browser
    page = _logged_in(browser, settings, "viewer")
    yield Screen(page)
    page.context.close()


@pytest.fixture
def shot() -> Callable[..., None]:
    """Keep a picture, where SLUICE_SHOTS names a folder: so are those in docs/images made."""
    folder = os.environ.get("SLUICE_SHOTS")

    def take(page: Page, name: str, height: int = 900, click: str = "") -> None:
        if folder:
            page.set_viewport_size({"width": 1400, "height": height})
            if click:
                page.get_by_role("button", name=click).click()
            page.wait_for_timeout(1_500)  # for what moves to come to rest
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
