"""The console inside Airflow's UI, as a person opens it: each page, each tab, and from a number to its evidence."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sluice.local.waiting import wait_for
from sluice.overview.pages import PAGES

from tests.e2e.accessible import serious, too_wide
from tests.e2e.driver import PATIENCE, Driver
from tests.e2e.screen import Screen


@pytest.fixture(scope="module", autouse=True)
def judged(driver: Driver) -> str:
    """The run of a DAG whose gate has judged, and a look at everything."""
    run = driver.api.trigger("validate_data", {})
    assert driver.api.wait_run("validate_data", run, seconds=PATIENCE) in ("success", "failed")
    wait_for("a look at everything", lambda: bool(_answer(driver, "quality")["gates"]), seconds=PATIENCE)
    return run


@pytest.fixture
def looks(screen: Screen) -> Iterator[Callable[..., Page]]:
    """Open a page of the console by itself, in a width and a theme; what its script complains of fails the test."""
    said: list[str] = []
    browser: Browser | None = screen.page.context.browser
    assert browser
    context = browser.new_context(
        base_url=screen.page.url.partition("/dags")[0], storage_state=screen.page.context.storage_state()
    )
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    def opened(path: str, width: int = 1280, theme: str = "light") -> Page:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.goto(path)
        expect(page.locator("main h1")).to_be_visible()
        return page

    yield opened
    context.close()
    assert said == []


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_each_page_wide_or_narrow_light_or_dark(looks: Callable[..., Page], shot, name: str) -> None:
    for width, theme in ((1280, "light"), (390, "dark")):
        page = looks(f"/sluice/{name}", width, theme)
        assert serious(page) == [], (width, theme)
        assert too_wide(page) == 0, width
    shot(looks(f"/sluice/{name}"), f"console-{name}")


def test_it_is_in_airflows_menu_and_a_number_leads_to_its_evidence_there(driver: Driver, screen: Screen) -> None:
    page = screen.page
    page.goto("/")
    page.get_by_role("link", name="Sluice").click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Quality").click()
    frame.locator("a.state").first.click()
    expect(frame.get_by_text("✔ intact")).to_be_visible()
    expect(frame.get_by_role("heading", name="Gate ")).to_be_visible()


def test_a_tab_on_a_dag_shows_what_the_ledger_has_of_it(screen: Screen) -> None:
    page = screen.page
    page.goto("/dags/validate_data")
    page.locator("a[href$='/plugin/sluice-dag']").click()  # not the owner's link, who is called sluice, too
    expect(page.frame_locator("iframe").locator("main h1")).to_be_visible()


def test_a_page_refreshes_itself_and_leaves_the_focus_where_it_is(looks: Callable[..., Page]) -> None:
    page = looks("/sluice/quality")
    page.locator("a.state").first.focus()
    page.evaluate("document.querySelector('main h1').textContent = 'an old one'")
    with page.expect_response(lambda answer: answer.url.endswith("/sluice/quality"), timeout=30_000):
        pass
    expect(page.locator("main h1")).not_to_have_text("an old one")
    expect(page.locator("a.state").first).to_be_focused()
    expect(page.locator(".stale")).to_be_hidden()


@pytest.mark.parametrize("path", ["/sluice/", *(f"/sluice/{name}" for name in PAGES), "/sluice/quality.json"])
def test_who_is_not_logged_in_gets_nothing(driver: Driver, path: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        direct.open(driver.settings.airflow_url + path, timeout=30)
    refusal.value.close()
    assert refusal.value.code == 401


def test_the_terminal_gives_the_same_answer(driver: Driver) -> None:
    from sluice.local.standing.showing import answers
    from sluice.overview.as_json import as_json

    told, shown = as_json(answers("quality")["quality"]), _answer(driver, "quality")
    assert {(one["whose"], one["gate"]) for one in told["gates"]} >= {
        (one["whose"], one["gate"]) for one in shown["gates"]
    }
    assert shown["gates"]


def _answer(driver: Driver, page: str) -> dict[str, list[object]]:
    """Ask for a page as JSON, as a program does."""
    request = urllib.request.Request(f"{driver.settings.airflow_url}/sluice/{page}.json")
    request.add_header("Authorization", f"Bearer {driver.api._token}")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        told: dict[str, list[object]] = json.load(answer)
    return told
